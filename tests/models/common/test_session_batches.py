"""Session-parallel batches: the authors' schedule, and what must hold of any."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.session_log import IntArray, SessionLog
from models.common.sessions.session_batches import SHORT, SessionBatches, Window
from tests.models.logs import make_log


def pairs(window: Window) -> list[list[tuple[int, int, bool]]]:
    """(event, slot, starts) of each busy place, a list a step."""
    busy = np.ones(window.events.shape, dtype=bool) if window.busy is None else window.busy
    return [
        [
            (int(window.events[t, w]), int(window.slots[w]), bool(window.starts[t, w]))
            for w in range(len(window.slots))
            if busy[t, w]
        ]
        for t in range(len(window.events))
    ]


def test_a_slot_takes_the_next_session_and_resets_alone() -> None:
    """Sessions (0 1), (2 3 4), (5 6) in two slots."""
    batches = SessionBatches(make_log(["ab", "abc", "ab"]), batch_size=2)
    steps = [step for window in batches for step in pairs(window)]
    assert steps == [[(0, 0, True), (2, 1, True)], [(5, 0, True), (3, 1, False)]]
    assert batches.n_targets == 4
    assert len(batches) == 2


def test_a_window_holds_several_steps() -> None:
    batches = SessionBatches(make_log(["ab", "abc", "ab"]), batch_size=2, window=8)
    (window,) = batches
    assert pairs(window) == [[(0, 0, True), (2, 1, True)], [(5, 0, True), (3, 1, False)]]
    assert window.busy is None


def test_a_slot_disappears_when_no_session_is_left() -> None:
    windows = list(SessionBatches(make_log(["ab", "abcd"]), batch_size=2, window=2))
    assert [list(window.slots) for window in windows] == [[0, 1], [1]]
    assert [pairs(window) for window in windows] == [
        [[(0, 0, True), (2, 1, True)], [(3, 1, False)]],
        [[(4, 1, False)]],
    ]


@pytest.mark.parametrize("batch_size", [1, 16])
def test_sessions_of_one_event_are_left_out(batch_size: int) -> None:
    batches = SessionBatches(make_log(["a", "b"]), batch_size=batch_size)
    assert (list(batches), len(batches), batches.n_targets, batches.n_slots) == ([], 0, 0, 0)


@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=25),
    batch_size=st.integers(1, 8),
    window=st.integers(1, 7),
)
def test_every_epoch_is_whole_and_in_order(
    lengths: list[int], batch_size: int, window: int
) -> None:
    log = make_log(["x" * length for length in lengths])
    batches = SessionBatches(log, batch_size=batch_size, window=window)
    slot_of_event: dict[int, int] = {}
    last_of_slot: dict[int, int] = {}
    slots_before = batches.n_slots
    n_targets = 0
    windows = list(batches)
    for part in windows:
        assert len(part.events) <= window
        assert len(part.slots) <= slots_before
        slots_before = len(part.slots)
        assert sorted(set(part.slots.tolist())) == part.slots.tolist()
        busy_before = len(part.slots)
        for step in pairs(part):
            assert 0 < len(step) <= busy_before
            busy_before = len(step)
            for event, slot, starts in step:
                assert event not in slot_of_event
                slot_of_event[event] = slot
                n_targets += 1
                position = int(log.position_in_session[event])
                assert starts == (position == 0)
                # A session runs on in its slot without a gap and without another in between.
                assert position == 0 or last_of_slot[slot] == event - 1
                last_of_slot[slot] = event
    is_input = np.flatnonzero(np.diff(log.session_of_event, append=-1) == 0)
    assert sorted(slot_of_event) == is_input.tolist()
    assert n_targets == batches.n_targets == log.n_targets
    assert len(windows) == len(batches)
    for part in windows:
        assert part.acting.tolist() == [
            int(place)
            for place in np.flatnonzero(
                np.ones_like(part.events) if part.busy is None else part.busy
            )
        ]


@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=25), batch_size=st.integers(1, 8))
def test_sessions_start_in_the_order_of_the_log(lengths: list[int], batch_size: int) -> None:
    log = make_log(["x" * length for length in lengths])
    started = [
        event
        for window in SessionBatches(log, batch_size=batch_size)
        for step in pairs(window)
        for event, _, starts in step
        if starts
    ]
    steps_of_slot = [0] * batch_size
    expected = []
    for first, length in zip(log.offsets[:-1].tolist(), lengths, strict=True):
        if length > 1:
            slot = int(np.argmin(steps_of_slot))
            expected.append((steps_of_slot[slot], slot, first))
            steps_of_slot[slot] += length - 1
    assert started == [first for _, _, first in sorted(expected)]
    assert [first for _, _, first in expected] == sorted(started)


def busy_share(batches: SessionBatches) -> float:
    places = sum(window.events.shape[0] * batches.n_slots for window in batches)
    return batches.n_targets / places


@given(
    lengths=st.lists(st.integers(1, 6 * SHORT), min_size=1, max_size=12),
    batch_size=st.integers(1, 8),
)
def test_cut_sessions_are_whole_together(lengths: list[int], batch_size: int) -> None:
    log = make_log(["x" * length for length in lengths])
    batches = SessionBatches(log, batch_size=batch_size, window=4, cut_long=True)
    steps = [step for window in batches for step in pairs(window)]
    seen = [event for step in steps for event, _, _ in step]
    assert sorted(seen) == np.flatnonzero(log.position_in_session + 1 < lengths_of(log)).tolist()
    last_of_slot: dict[int, int] = {}
    for step in steps:
        for event, slot, starts in step:
            assert starts or last_of_slot[slot] == event - 1
            # What starts anew inside a session is the rest of one that was too long for a slot.
            if starts and log.position_in_session[event]:
                assert lengths_of(log)[event] - 1 > SHORT
            last_of_slot[slot] = event


def lengths_of(log: SessionLog) -> IntArray:
    return log.lengths[log.session_of_event]


def test_a_long_session_wastes_few_slots() -> None:
    log = make_log(["x" * 21] * 200 + ["x" * 1501])
    whole = SessionBatches(log, batch_size=8)
    cut = SessionBatches(log, batch_size=8, cut_long=True)
    assert busy_share(whole) == pytest.approx(5500 / (8 * 2000))
    assert busy_share(cut) > 0.9


def test_short_sessions_stay_whole() -> None:
    log = make_log(["x" * length for length in (3, SHORT + 1, 2, SHORT)])
    batches = SessionBatches(log, batch_size=1, cut_long=True)
    events = [event for window in batches for event in window.events.ravel().tolist()]
    assert events == sorted(events)
