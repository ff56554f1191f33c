"""Kinds of test events, by hand and where columns are absent."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from bench.figures.event_groups import groupings
from bench.store.catalogue import Catalogue
from bench.store.events import TestEvents


def events_of(n_events: int, **columns: ArrayLike) -> TestEvents:
    """Events that all are alike, each of a session of its own, but for the given columns."""
    alike = TestEvents(
        sessions=np.arange(n_events),
        positions=np.ones(n_events, dtype=np.int64),
        targets=np.zeros(n_events, dtype=np.int32),
        rewards=np.ones(n_events, dtype=np.float32),
        repeats=np.zeros(n_events, dtype=np.bool_),
        immediate_repeats=np.zeros(n_events, dtype=np.bool_),
    )
    return dataclasses.replace(
        alike, **{name: np.asarray(column) for name, column in columns.items()}
    )


def groups(events: TestEvents, support: list[int] | None = None) -> dict[str, list[str]]:
    """Name of each event's group, by dimension."""
    counts = np.array(support or [1] * (int(events.targets.max()) + 1))
    catalogue = Catalogue(np.arange(len(counts)).astype(np.str_), counts)
    return {
        grouping.dimension: [grouping.names[group] for group in grouping.group_of_event]
        for grouping in groupings(events, catalogue)
    }


def test_events_that_are_all_alike_have_no_dimension() -> None:
    assert groups(events_of(3), support=[5]) == {}


def test_tenths_of_training_events_by_support() -> None:
    # Of 40 events the two items of support 1 hold the first 2, middle 1: tenth 1. That of 4 reaches
    # from 2 to 6, middle 4: tenth 2. That of 14 from 6 to 20, middle 13; that of 20, middle 30.
    support = [14, 1, 20, 4, 1, 0]
    found = groups(events_of(7, targets=[0, 1, 2, 3, 4, 5, -1]), support)["target popularity"]
    assert found == [
        "tenth 4, support 14 to 14",
        "tenth 1, support 1 to 1",
        "tenth 8, support 20 to 20",
        "tenth 2, support 4 to 4",
        "tenth 1, support 1 to 1",
        "support 0",
        "not in the catalogue",
    ]


def test_tenths_hold_a_tenth_of_the_events_each_where_support_varies() -> None:
    support = np.arange(1, 1001)
    catalogue = Catalogue(support.astype(np.str_), support)
    grouping = groupings(events_of(1000, targets=np.arange(1000)), catalogue)[0]
    held = np.bincount(grouping.group_of_event, weights=support) / support.sum()
    assert held[:2].tolist() == [0, 0]
    assert held[2:] == pytest.approx([0.1] * 10, abs=0.002)
    assert grouping.names[2] == "tenth 1, support 1 to 316"
    assert grouping.names[11] == "tenth 10, support 950 to 1000"


def test_position_and_session_length() -> None:
    positions = [0, 1, 2, 3, 4, 5, 6, 10, 11, 20, 21, 99]
    assert groups(events_of(12, positions=positions))["position in session"] == [
        "0", "1", "2", "3", "4-5", "4-5", "6-10", "6-10", "11-20", "11-20", "21+", "21+",
    ]  # fmt: skip
    found = groups(events_of(7, sessions=[8, 3, 8, 8, 8, 5, 5]))["session length"]
    assert found == ["4-5", "1", "4-5", "4-5", "4-5", "2", "2"]


def test_repeats() -> None:
    columns = {"repeats": [False, True, True], "immediate_repeats": [False, False, True]}
    assert groups(events_of(3, **columns))["repeat"] == [
        "new item",
        "repeat of an earlier item",
        "repeat of the last item",
    ]


def test_rewards_by_value_up_to_ten_of_them_and_else_by_sign() -> None:
    few = np.array([0.1, 5, 0, -2, 5], dtype=np.float32)
    assert groups(events_of(5, rewards=few))["reward"] == ["0.1", "5", "0", "-2", "5"]
    many = np.array([-1.5, 0, *range(1, 11)], dtype=np.float32)
    found = groups(events_of(12, rewards=many))["reward"]
    assert found == ["negative", "zero", *["positive"] * 10]


@pytest.mark.parametrize("scale", [1, 7.5])
def test_tenths_of_the_test_period(scale: float) -> None:
    times = 1_000_000_000 + scale * np.array([100, 0, 9, 10, 99, 55])
    times = times.astype(np.int64) if scale == 1 else times
    assert groups(events_of(6, times=times))["time in the test period"] == [
        "90 to 100 %", "0 to 10 %", "0 to 10 %", "10 to 20 %", "90 to 100 %", "50 to 60 %",
    ]  # fmt: skip


def test_times_that_are_all_the_same_tell_nothing() -> None:
    assert "time in the test period" not in groups(events_of(3, times=[7, 7, 7]))


@given(
    st.lists(st.integers(0, 50), min_size=2, max_size=8),
    st.lists(st.integers(-1, 7), min_size=2, max_size=20),
)
def test_each_event_is_in_one_group_and_more_support_is_no_lower_group(
    support: list[int], targets: list[int]
) -> None:
    inside = [min(target, len(support) - 1) for target in targets]
    catalogue = Catalogue(np.arange(len(support)).astype(np.str_), np.array(support))
    for grouping in groupings(events_of(len(inside), targets=inside), catalogue):
        assert grouping.group_of_event.shape == (len(inside),)
        order = np.argsort([-1 if target < 0 else support[target] for target in inside])
        assert (np.diff(grouping.group_of_event[order]) >= 0).all()
