"""What no split can be made of is refused, with the option or column that mends it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from datasets.errors import InputError
from datasets.splitting.splits import SplitOptions, make_split
from tests.datasets.splitting.split_logs import STRADDLING, case_log, log_of, temporal


def test_filter_that_leaves_nothing_is_refused() -> None:
    options = replace(temporal(), min_item_support=50)
    with pytest.raises(InputError, match="--min-item-support 50; lower them"):
        make_split(log_of(STRADDLING), options, source="log.csv")


def test_all_sessions_in_one_second_cannot_be_cut_in_time(cases_dir: Path) -> None:
    log = case_log(cases_dir / "R045-all-same-time/log.csv")
    with pytest.raises(InputError, match=r"start at the same time.*--split session-holdout"):
        make_split(log, temporal(test_share=0.2), source="log.csv")


def test_share_that_leaves_nothing_before_the_cut_names_the_share() -> None:
    with pytest.raises(InputError, match="--test-share leaves no session"):
        make_split(log_of(STRADDLING), temporal(test_share=0.95), source="log.csv")


def test_log_without_times_names_column_and_both_fixes(cases_dir: Path) -> None:
    log = case_log(cases_dir / "R068-no-time-column/log.csv")
    with pytest.raises(InputError) as error:
        make_split(log, temporal(), source="log.csv")
    assert all(
        part in str(error.value)
        for part in ("log.csv", "time column", "add a column 'time'", "--split session-holdout")
    )
    split = make_split(log, SplitOptions("session-holdout", valid_share=0), source="log.csv")
    assert (split.train.n_sessions, split.counts["test_events"]) == (2, 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "random"}, "--split random is unknown; choose temporal"),
        ({"test_share": 0.0}, "--test-share must lie between 0 and 1, not 0.0"),
        ({"test_share": float("nan")}, "--test-share"),
        ({"valid_share": 1.0}, "--valid-share"),
        ({"unseen_items": "keep"}, "--unseen-items must be drop or miss, not keep"),
        ({"min_session_length": 0}, "--min-session-length must be at least 1"),
        ({"min_item_support": -1}, "--min-item-support must be at least 1"),
    ],
)
def test_option_out_of_range_is_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        SplitOptions(**{"name": "temporal", **changes})  # type: ignore[arg-type]


def test_fixed_split_and_test_file_need_each_other() -> None:
    log = log_of(STRADDLING)
    with pytest.raises(InputError, match="add --test PATH"):
        make_split(log, SplitOptions("fixed"), source="log.csv")
    with pytest.raises(InputError, match="drop --split temporal"):
        make_split(log, temporal(), test_log=log, source="log.csv")


def test_training_without_a_pair_is_refused() -> None:
    rows = [("1", "a", 1), ("2", "b", 2), ("3", "a", 9), ("3", "b", 10)]
    with pytest.raises(InputError, match="no pair to learn from"):
        make_split(log_of(rows), temporal(test_share=0.3), source="log.csv")


def test_validation_without_a_pair_is_refused() -> None:
    rows = [("1", "a", 1), ("1", "b", 2), ("2", "b", 3), ("3", "a", 9), ("3", "b", 10)]
    with pytest.raises(InputError, match="--valid-share 0 for no validation"):
        make_split(log_of(rows), temporal(0.3, valid_share=0.3), source="log.csv")


def test_one_session_cannot_be_cut() -> None:
    log = log_of([("1", "a", 1), ("1", "b", 2)])
    with pytest.raises(InputError, match="1 session cannot be cut"):
        make_split(log, SplitOptions("session-holdout"), source="log.csv")
