"""Splits by example: what each part holds, and that all events are accounted for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from datasets.errors import InputError
from datasets.splitting.splits import SplitOptions, make_split
from datasets.splitting.support import filter_support
from tests.datasets.splitting.split_logs import (
    STRADDLING,
    accounted_events,
    case_log,
    log_of,
    sessions_of,
    targets_of,
    temporal,
    valid_fingerprint,
)


@pytest.mark.parametrize("valid_share", [0.0, 0.1])
def test_straddling_session_keeps_its_events_before_the_cut_in_training(valid_share: float) -> None:
    split = make_split(log_of(STRADDLING), temporal(valid_share=valid_share), source="log.csv")
    assert targets_of(split.test) == [("3", "a", "b"), ("4", "c", "a")]
    training = sessions_of(split.train)
    if split.valid is not None:
        training |= sessions_of(split.valid.log)
    assert training == {"1": "ab", "2": "bc", "5": "cb"}
    assert split.counts["straddling_events_dropped"] == 1
    assert accounted_events(split.counts) == split.counts["source_events"] == 11


def test_temporal_cut_of_the_case_file(cases_dir: Path) -> None:
    log = case_log(cases_dir / "R036-temporal-cut/log.csv")
    split = make_split(log, temporal(), source="log.csv")
    assert sessions_of(split.train) == {"1": "ab", "2": "bc", "5": "cb"}
    assert sessions_of(split.test.log) == {"3": "ab", "4": "ca"}
    assert accounted_events(split.counts) == 11


def test_equal_starts_at_the_boundary_all_go_to_test() -> None:
    rows = [(str(s), item, time) for s, time in enumerate([1, 5, 5, 5, 9]) for item in "ab"]
    split = make_split(log_of(rows), temporal(test_share=0.4), source="log.csv")
    assert list(sessions_of(split.train)) == ["0"]
    assert list(sessions_of(split.test.log)) == ["1", "2", "3", "4"]


def test_session_starts_with_its_earliest_event_where_positions_and_times_disagree() -> None:
    log = log_of([(str(s), item, 10 * s) for s in range(4) for item in "ab"])
    times = np.array([0, 1, 10, 11, 35, 20, 30, 31])  # session 2 lists its later event first
    split = make_split(replace(log, times=times), temporal(test_share=0.25), source="log.csv")
    assert list(sessions_of(split.test.log)) == ["3"]
    assert split.train.times is not None
    assert split.train.times.tolist() == [0, 1, 10, 11, 20]


def test_nothing_to_test_is_an_error_and_a_miss_when_asked(cases_dir: Path) -> None:
    log = case_log(cases_dir / "R015-empty-test/log.csv")
    with pytest.raises(InputError) as error:
        make_split(log, temporal(), source="log.csv")
    assert str(error.value) == (
        "log.csv: 0 of 1 test event can be predicted (1 target of items unseen in training, "
        "1 session of length 1); use a larger --test-share or count them by --unseen-items miss"
    )
    split = make_split(log, replace(temporal(), unseen_items="miss"), source="log.csv")
    assert (split.test.n_targets, len(split.test.missed)) == (1, 1)
    assert split.test.log.n_sessions == 0
    assert split.train.item_ids.tolist() == ["a", "b"]
    assert split.counts["test_sessions"] == split.counts["test_events"] == 1
    assert accounted_events(split.counts) == 9


def test_support_filter_reaches_its_fixed_point(cases_dir: Path) -> None:
    folder = cases_dir / "R040-support-fixpoint"
    survivors = filter_support(
        case_log(folder / "log.csv"), min_session_length=2, min_item_support=2
    )
    assert sessions_of(survivors) == sessions_of(case_log(folder / "surviving.csv"))


def test_filter_sees_training_alone_and_leaves_test_sessions() -> None:
    rows = [(str(s), item, s) for s in range(8) for item in ("ab" if s % 2 else "ba")]
    rows += [("rare", "r", 3), ("rare", "a", 4)]
    rows += [("t1", "a", 100), ("t1", "r", 101), ("t1", "b", 102), ("t2", "r", 100)]
    options = SplitOptions("temporal", test_share=0.2, valid_share=0, min_item_support=2)
    split = make_split(log_of(rows), options, source="log.csv")
    assert split.train.item_ids.tolist() == ["a", "b"]
    assert sessions_of(split.train)["rare"] == "a"
    assert targets_of(split.test) == [("t1", "a", "b")]
    assert split.counts["filtered_events"] == 1
    assert split.counts["unseen_events_dropped"] == 2
    assert split.counts["unseen_targets"] == 1
    assert accounted_events(split.counts) == len(rows)


def test_misses_keep_session_and_place() -> None:
    rows = [(str(s), item, s) for s in range(8) for item in "ab"]
    rows += [("t1", "x", 100), ("t1", "a", 101), ("t1", "y", 102), ("t1", "b", 103)]
    rows += [("t2", "a", 104), ("t2", "z", 105)]
    options = SplitOptions("temporal", test_share=0.2, valid_share=0, unseen_items="miss")
    split = make_split(log_of(rows), options, source="log.csv")
    assert targets_of(split.test) == [("t1", "a", "b")]
    missed = split.test.missed
    assert missed.sessions.tolist() == [0, 1]
    assert missed.positions.tolist() == [1, 1]
    assert missed.times is not None
    assert missed.times.tolist() == [102, 105]
    assert split.test.n_sessions == split.counts["test_sessions"] == 2
    assert split.counts["unseen_events_dropped"] == 3
    assert split.counts["unseen_targets"] == split.counts["missed_events"] == 2
    assert accounted_events(split.counts) == len(rows)


LENGTHS_1_2_3_5 = [
    ("1", "a", 1),
    *[("2", "a", 2), ("2", "b", 3)],
    *[("3", "b", 4), ("3", "c", 5), ("3", "a", 6)],
    *[("4", "a", 7), ("4", "b", 8), ("4", "c", 9), ("4", "a", 10), ("4", "b", 11)],
]


def test_leave_one_out() -> None:
    split = make_split(log_of(LENGTHS_1_2_3_5), SplitOptions("leave-one-out"), source="log.csv")
    assert sessions_of(split.train) == {"2": "a", "3": "b", "4": "abc"}
    assert split.valid is not None
    assert targets_of(split.valid) == [("3", "b", "c"), ("4", "abc", "a")]
    assert targets_of(split.test) == [("2", "a", "b"), ("3", "bc", "a"), ("4", "abca", "b")]
    assert split.counts["sessions_too_short"] == 1
    assert split.counts["train_sessions_without_pair"] == 2
    assert accounted_events(split.counts) == 11


def test_leave_one_out_without_validation_trains_on_all_but_the_last() -> None:
    options = SplitOptions("leave-one-out", valid_share=0)
    split = make_split(log_of(LENGTHS_1_2_3_5), options, source="log.csv")
    assert split.valid is None
    assert sessions_of(split.train) == {"2": "a", "3": "bc", "4": "abca"}


def test_leave_one_out_never_shifts_an_unseen_target() -> None:
    rows = [*LENGTHS_1_2_3_5, ("5", "a", 12), ("5", "b", 13), ("5", "x", 14)]
    split = make_split(log_of(rows), SplitOptions("leave-one-out"), source="log.csv")
    assert [session for session, _, _ in targets_of(split.test)] == ["2", "3", "4"]
    assert split.counts["unseen_targets"] == 1
    assert accounted_events(split.counts) == 14
    options = SplitOptions("leave-one-out", unseen_items="miss")
    missing = make_split(log_of(rows), options, source="log.csv")
    assert missing.test.missed.sessions.tolist() == [3]
    assert missing.test.missed.positions.tolist() == [2]
    assert missing.counts["test_events"] == missing.counts["test_sessions"] == 4
    assert accounted_events(missing.counts) == 14


def test_short_sessions_of_the_case_file(cases_dir: Path) -> None:
    log = case_log(cases_dir / "R047-short-sessions/log.csv")
    split = make_split(log, SplitOptions("leave-one-out"), source="log.csv")
    assert sessions_of(split.train) == {"2": "a", "3": "b", "4": "abc"}
    assert split.counts["test_events"] == 3
    assert split.counts["valid_events"] == 2


@pytest.mark.parametrize("name", ["test.csv", "test_renumbered.csv"])
def test_sessions_of_a_test_file_never_continue_training(cases_dir: Path, name: str) -> None:
    folder = cases_dir / "R048-session-id-reuse"
    split = make_split(
        case_log(folder / "train.csv"),
        SplitOptions("fixed", valid_share=0),
        test_log=case_log(folder / name),
        source="train.csv",
    )
    assert [(prefix, target) for _, prefix, target in targets_of(split.test)] == [
        ("b", "c"),
        ("a", "b"),
    ]
    assert accounted_events(split.counts) == split.counts["source_events"] == 10


def test_fixed_split_maps_items_by_id_and_validates_on_the_last_sessions() -> None:
    train = log_of([(str(s), item, 1) for s in range(20) for item in "bd"])
    test = log_of([("0", "d", 5), ("0", "a", 6), ("0", "b", 7)])
    split = make_split(train, SplitOptions("fixed"), test_log=test, source="train.csv")
    assert targets_of(split.test) == [("0", "d", "b")]
    assert split.counts["unseen_events_dropped"] == 1
    assert split.valid is not None
    assert split.valid.log.session_ids.tolist() == ["18", "19"]
    assert split.train.n_sessions == 18


def test_item_that_is_only_ever_first_belongs_to_the_catalogue(cases_dir: Path) -> None:
    folder = cases_dir / "R075-item-only-first"
    split = make_split(
        case_log(folder / "train.csv"),
        SplitOptions("fixed", valid_share=0),
        test_log=case_log(folder / "test.csv"),
        source="train.csv",
    )
    assert sorted(split.train.item_ids.tolist()) == ["F", "a", "b"]
    assert [target[1:] for target in targets_of(split.test)] == [("F", "a"), ("Fa", "F")]
    assert split.counts["unseen_events_dropped"] == 0


def test_training_does_not_depend_on_the_test_file(cases_dir: Path) -> None:
    folder = cases_dir / "R042-test-never-read"
    splits = [
        make_split(
            case_log(folder / "train.csv"),
            SplitOptions("fixed"),
            test_log=case_log(folder / name),
            source="train.csv",
        )
        for name in ("test_a.csv", "test_b.csv")
    ]
    assert splits[0].train.fingerprint() == splits[1].train.fingerprint()
    assert valid_fingerprint(splits[0]) == valid_fingerprint(splits[1])
    assert splits[0].fingerprint != splits[1].fingerprint
