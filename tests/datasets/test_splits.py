"""Splits: what each part may hold, that all events are accounted for, and what is refused."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from datasets.errors import InputError
from datasets.session_log import SessionLog
from datasets.splits import HeldOut, Split, SplitOptions, accounted_events, make_split
from datasets.support import filter_support

Row = tuple[str, str, int]


def log_of(rows: Iterable[Row], *, timed: bool = True) -> SessionLog:
    """Rows (session, item, time); sessions in order of appearance, item codes in that of ids."""
    sessions: dict[str, list[tuple[int, str]]] = {}
    for session, item, time in rows:
        sessions.setdefault(session, []).append((time, item))
    events = [event for session in sessions.values() for event in sorted(session, key=_time)]
    item_ids, items = np.unique([item for _, item in events], return_inverse=True)
    lengths = [len(session) for session in sessions.values()]
    return SessionLog(
        items=items.astype(np.int32),
        rewards=np.ones(len(events), dtype=np.float32),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        item_ids=item_ids,
        session_ids=np.array(list(sessions)),
        times=np.array([time for time, _ in events], dtype=np.int64) if timed else None,
    )


def _time(event: tuple[int, str]) -> int:
    return event[0]


def case_log(path: Path) -> SessionLog:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return log_of(
        [(r["session_id"], r["item_id"], int(r.get("time") or 0)) for r in rows],
        timed="time" in rows[0],
    )


def sessions_of(log: SessionLog) -> dict[str, str]:
    ids = log.item_ids[log.items]
    return {
        str(session): "".join(ids[log.offsets[s] : log.offsets[s + 1]])
        for s, session in enumerate(log.session_ids)
    }


def targets_of(held_out: HeldOut) -> list[tuple[str, str, str]]:
    """(session, prefix, target) of each scored event."""
    log, ids = held_out.log, held_out.log.item_ids[held_out.log.items]
    return [
        (
            str(log.session_ids[log.session_of_event[event]]),
            "".join(ids[log.offsets[log.session_of_event[event]] : event]),
            str(ids[event]),
        )
        for event in np.flatnonzero(held_out.is_target)
    ]


def temporal(test_share: float = 0.4, valid_share: float = 0.0) -> SplitOptions:
    return SplitOptions("temporal", test_share=test_share, valid_share=valid_share)


STRADDLING = [
    *[("1", "a", 900), ("1", "b", 950)],
    *[("2", "b", 960), ("2", "c", 990), ("2", "a", 1040)],
    *[("3", "a", 1001), ("3", "b", 1050)],
    *[("4", "c", 1100), ("4", "a", 1150)],
    *[("5", "c", 100), ("5", "b", 200)],
]


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


def test_filter_that_leaves_nothing_is_refused() -> None:
    options = replace(temporal(), min_item_support=50)
    with pytest.raises(InputError, match="--min-item-support 50; lower them"):
        make_split(log_of(STRADDLING), options, source="log.csv")


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


def test_all_sessions_in_one_second_cannot_be_cut_in_time(cases_dir: Path) -> None:
    log = case_log(cases_dir / "R045-all-same-time/log.csv")
    with pytest.raises(InputError, match=r"start at the same time.*--split session-holdout"):
        make_split(log, temporal(test_share=0.2), source="log.csv")


def test_share_that_leaves_nothing_before_the_cut_names_the_share() -> None:
    with pytest.raises(InputError, match="--test-share leaves no session"):
        make_split(log_of(STRADDLING), temporal(test_share=0.95), source="log.csv")


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
    assert _valid_fingerprint(splits[0]) == _valid_fingerprint(splits[1])
    assert splits[0].fingerprint != splits[1].fingerprint


def test_log_without_times_names_column_and_both_mends(cases_dir: Path) -> None:
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


@st.composite
def logs(draw: st.DrawFn) -> SessionLog:
    """Sessions of 1 to 5 events that start within a minute and overlap."""
    rows: list[Row] = []
    for session in range(draw(st.integers(8, 14))):
        time = draw(st.integers(0, 60))
        for item in draw(st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=5)):
            rows.append((str(session), item, time))
            time += draw(st.integers(0, 4))
    return log_of(rows)


ALL_OPTIONS = st.builds(
    SplitOptions,
    name=st.sampled_from(["temporal", "session-holdout", "leave-one-out", "fixed"]),
    test_share=st.sampled_from([0.2, 0.4]),
    valid_share=st.sampled_from([0.0, 0.2]),
    unseen_items=st.sampled_from(["drop", "miss"]),
    min_session_length=st.integers(1, 2),
    min_item_support=st.integers(1, 2),
)


def split_or_skip(
    log: SessionLog, options: SplitOptions, test_log: SessionLog | None = None
) -> Split:
    try:
        return make_split(log, options, test_log=test_log, source="log.csv")
    except InputError:
        assume(False)
        raise


def _valid_fingerprint(split: Split) -> str:
    assert split.valid is not None
    return split.valid.fingerprint()


@settings(max_examples=150, deadline=None)
@given(logs(), logs(), ALL_OPTIONS)
def test_parts_of_every_split(log: SessionLog, other: SessionLog, options: SplitOptions) -> None:
    test_log = other if options.name == "fixed" else None
    split = split_or_skip(log, options, test_log)
    assert accounted_events(split.counts) == split.counts["source_events"]
    assert min(split.counts.values()) >= 0
    parts = [split.test] if split.valid is None else [split.test, split.valid]
    for part in parts:
        assert part.log.item_ids.tolist() == split.train.item_ids.tolist()
        assert (part.log.lengths >= 2).all()
        assert not part.is_target[part.log.offsets[:-1]].any()
        scored_sessions = np.unique(part.log.session_of_event[part.is_target])
        assert len(scored_sessions) == part.log.n_sessions
    assert set(split.train.item_ids) <= set(log.item_ids)
    assert split.counts["test_events"] == split.test.n_targets > 0
    assert split.train.n_targets > 0
    assert (len(split.test.missed) > 0) <= (options.unseen_items == "miss")
    assert split.fingerprint == split_or_skip(log, options, test_log).fingerprint


@settings(max_examples=100, deadline=None)
@given(logs(), st.sampled_from([0.2, 0.4]), st.sampled_from([0.2, 0.4]))
def test_temporal_training_ends_before_validation_and_that_before_the_test(
    log: SessionLog, test_share: float, valid_share: float
) -> None:
    split = split_or_skip(log, temporal(test_share, valid_share))
    assert split.train.times is not None
    assert split.valid is not None
    assert split.valid.log.times is not None
    assert split.test.log.times is not None
    assert split.train.times.max() < split.valid.log.times.min()
    assert split.valid.log.times.max() < split.test.log.times.min()


@settings(max_examples=100, deadline=None)
@given(logs(), st.sampled_from(["temporal", "session-holdout", "leave-one-out"]))
def test_validation_is_what_a_second_split_of_training_would_test_on(
    log: SessionLog, name: str
) -> None:
    whole = split_or_skip(log, SplitOptions(name, test_share=0.3, valid_share=0))
    split = split_or_skip(log, SplitOptions(name, test_share=0.3, valid_share=0.4))
    again = split_or_skip(whole.train, SplitOptions(name, test_share=0.4, valid_share=0))
    assert split.test.fingerprint() == whole.test.fingerprint()
    trained_on = sessions_of(split.train)
    if name == "leave-one-out":  # a test drops sessions of one event, validation leaves them
        trained_on = {s: items for s, items in trained_on.items() if s in sessions_of(again.train)}
    assert trained_on == sessions_of(again.train)
    assert split.valid is not None
    assert set(sessions_of(again.test.log)) <= set(sessions_of(split.valid.log))


@settings(max_examples=100, deadline=None)
@given(logs(), st.integers(1, 3), st.integers(1, 3))
def test_support_filter_is_idempotent_and_meets_both_limits(
    log: SessionLog, min_session_length: int, min_item_support: int
) -> None:
    limits = {"min_session_length": min_session_length, "min_item_support": min_item_support}
    once = filter_support(log, **limits)
    assert filter_support(once, **limits).fingerprint() == once.fingerprint()
    counts = once.item_counts()
    assert ((counts == 0) | (counts >= min_item_support)).all()
    assert (once.lengths >= min_session_length).all()


@settings(max_examples=100, deadline=None)
@given(logs(), ALL_OPTIONS, st.data())
def test_other_test_events_change_neither_training_nor_catalogue(
    log: SessionLog, options: SplitOptions, data: st.DataObject
) -> None:
    assume(options.name != "fixed")
    split = split_or_skip(log, options)
    test_events = np.isin(log.session_ids, split.test.log.session_ids)[log.session_of_event]
    if options.name == "leave-one-out":
        last = np.zeros(log.n_events, dtype=np.bool_)
        last[log.offsets[1:] - 1] = True
        test_events &= last
    event = data.draw(st.sampled_from(np.flatnonzero(test_events).tolist() or [0]))
    assume(test_events.any())
    items = log.items.copy()
    items[event] = (items[event] + 1) % log.n_items
    assume(items[event] != log.items[event])
    changed = split_or_skip(replace(log, items=items), options)
    assert changed.train.fingerprint() == split.train.fingerprint()
    if split.valid is not None:
        assert _valid_fingerprint(changed) == _valid_fingerprint(split)


@pytest.mark.parametrize(("column", "value"), [("items", 2), ("rewards", 0), ("times", 1160)])
def test_fingerprint_tells_a_changed_test_event(column: str, value: int) -> None:
    log = log_of(STRADDLING)
    values = getattr(log, column).copy()
    values[8] = value  # the last event of session 4, which is in the test
    before = make_split(log, temporal(), source="log.csv")
    after = make_split(replace(log, **{column: values}), temporal(), source="log.csv")
    assert before.train.fingerprint() == after.train.fingerprint()
    assert before.fingerprint != after.fingerprint


def test_fingerprint_tells_other_options() -> None:
    log = log_of(STRADDLING)
    before = make_split(log, temporal(), source="log.csv")
    other = make_split(log, replace(temporal(), unseen_items="miss"), source="log.csv")
    assert before.fingerprint != other.fingerprint
