"""What holds for every split of any log, and what its fingerprint tells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from datasets.errors import InputError
from datasets.session_log import SessionLog
from datasets.splitting.splits import Split, SplitOptions, make_split
from datasets.splitting.support import filter_support
from tests.datasets.splitting.split_logs import (
    STRADDLING,
    Row,
    accounted_events,
    log_of,
    sessions_of,
    temporal,
    valid_fingerprint,
)


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
        assert valid_fingerprint(changed) == valid_fingerprint(split)


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
