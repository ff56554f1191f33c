"""Tied events in the order of their item ids are found, and those in an order of their own kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.movielens import load_path
from datasets.reading.id_order import MIN_PAIRS, is_sorted_by_id
from datasets.reading.ordering import CodedIds, EventColumns, OrderedLog, order_events

LENGTH = 8
SORTS: dict[str, Callable[[list[str]], list[str]]] = {
    "numbers": lambda ids: sorted(ids, key=int),
    "numbers, descending": lambda ids: sorted(ids, key=int, reverse=True),
    "text": sorted,
    "text, descending": lambda ids: sorted(ids, reverse=True),
}
BY_ID = "because file order is the order of item ids"


def coded(values: list[str]) -> CodedIds:
    ids, first, codes = np.unique(values, return_index=True, return_inverse=True)
    by_first = np.argsort(first)
    return CodedIds(np.argsort(by_first)[codes].astype(np.int32), ids[by_first])


def order(
    sessions: list[list[str]],
    times: list[list[int]] | None = None,
    positions: list[list[int]] | None = None,
) -> OrderedLog:
    names = [f"s{n}" for n, items in enumerate(sessions) for _ in items]
    columns = [None if column is None else np.concatenate(column) for column in (times, positions)]
    return order_events(
        EventColumns(
            sessions=coded(names),
            items=coded(events_of(sessions)),
            rewards=np.ones(len(names), dtype=np.float32),
            times=columns[0],
            positions=columns[1],
        ),
        "detect",
    )


def events_of(sessions: list[list[str]]) -> list[str]:
    return [item for items in sessions for item in items]


def same(sessions: list[list[str]]) -> list[list[int]]:
    """One time, or position, for all events."""
    return [[7] * len(items) for items in sessions]


def drawn(rng: np.random.Generator, n_sessions: int, prefix: str = "") -> list[list[str]]:
    """Sessions of items of a catalogue of 1,000, in no order."""
    return [
        [f"{prefix}{item}" for item in rng.choice(1000, LENGTH, replace=False)]
        for _ in range(n_sessions)
    ]


@pytest.mark.parametrize("how", SORTS)
@pytest.mark.parametrize("unsorted_share", [0.0, 0.005, 0.3, 0.6])
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=10)
def test_sessions_sorted_by_id_are_found_whatever_share_is_not(
    how: str, unsorted_share: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    sessions = [
        items if rng.random() < unsorted_share else SORTS[how](items) for items in drawn(rng, 200)
    ]
    assert BY_ID in order(sessions, times=same(sessions)).note


@given(seed=st.integers(0, 2**32 - 1), n_sessions=st.integers(1, 200))
@settings(max_examples=50)
def test_sessions_in_no_order_of_ids_stand_as_in_the_file(seed: int, n_sessions: int) -> None:
    sessions = drawn(np.random.default_rng(seed), n_sessions)
    ordered = order(sessions, times=same(sessions))
    assert ordered.note.endswith("stand in file order")
    assert ordered.log.item_ids[ordered.log.items].tolist() == events_of(sessions)


def test_a_number_behind_what_all_ids_begin_with_is_one() -> None:
    ids = [[f"item{n}" for n in range(5, 35)]]
    assert BY_ID in order(ids, times=same(ids)).note


def test_decimal_numbers_are_numbers() -> None:
    """As text they do not ascend: '9.5' > '10'."""
    rng = np.random.default_rng(1)
    ids = [[f"{n:.3g}" for n in np.sort(rng.uniform(-30, 200, LENGTH))] for _ in range(50)]
    assert BY_ID in order(ids, times=same(ids)).note


def test_words_are_compared_as_text() -> None:
    words = [sorted(f"{a}{b}" for a in "xcvq" for b in "wertz")]
    assert BY_ID in order(words + words, times=same(words + words)).note


def test_twenty_tied_pairs_are_needed() -> None:
    items = [f"{n:02}" for n in range(MIN_PAIRS + 1)]
    assert BY_ID not in order([items[:-1]], times=same([items[:-1]])).note
    assert BY_ID in order([items], times=same([items])).note


def test_a_repeated_item_is_no_pair() -> None:
    items = [f"{n // 2:02}" for n in range(2 * MIN_PAIRS)]
    assert BY_ID not in order([items], times=same([items])).note


def test_only_ties_are_shuffled() -> None:
    sessions = [sorted(items, key=int) for items in drawn(np.random.default_rng(3), 100)]
    halves = [[1] * (LENGTH // 2) + [0] * (LENGTH // 2) for _ in sessions]
    ordered = order(sessions, times=halves)
    assert BY_ID in ordered.note
    log = ordered.log
    for s, items in enumerate(sessions):
        found = log.item_ids[log.items[log.offsets[s] : log.offsets[s + 1]]].tolist()
        assert sorted(found[: LENGTH // 2], key=int) == items[LENGTH // 2 :]
        assert sorted(found[LENGTH // 2 :], key=int) == items[: LENGTH // 2]


def test_ids_that_ascend_with_time_too_are_an_order_of_events() -> None:
    """Episodes of a series: two days of three or four, watched in their order, three in four."""
    rng = np.random.default_rng(4)
    firsts = rng.integers(900, size=300)
    sessions = [[str(n) for n in first + np.arange(LENGTH)] for first in firsts]
    for items in sessions[::4]:
        rng.shuffle(items)
    days = [[n // 2 for n in range(LENGTH)] for _ in sessions]
    assert order(sessions, times=days).note.endswith("stand in file order")


@pytest.mark.parametrize("timed", [True, False])
def test_ties_of_position_are_looked_at_as_well(timed: bool) -> None:
    sessions = [sorted(items) for items in drawn(np.random.default_rng(5), 50)]
    ordered = order(sessions, times=same(sessions) if timed else None, positions=same(sessions))
    columns = "time, then by position" if timed else "position"
    ties = "time and position" if timed else "position"
    assert ordered.note == (
        f"order inside a session: by {columns}; neighbours of equal {ties} stand in an order "
        f"drawn with seed 42, {BY_ID}"
    )
    places = [list(range(LENGTH)) for _ in sessions]
    kept = order(sessions, times=same(sessions) if timed else None, positions=places)
    assert kept.note == f"order inside a session: by {columns}"
    assert kept.log.item_ids[kept.log.items].tolist() == events_of(sessions)


def test_file_order_without_time_and_position_is_taken_as_it_is() -> None:
    sessions = [sorted(items) for items in drawn(np.random.default_rng(6), 50)]
    ordered = order(sessions)
    assert ordered.log.item_ids[ordered.log.items].tolist() == events_of(sessions)


@pytest.mark.parametrize("log", ["diginetica", "retailrocket", "nowplaying", "yoochoose-part"])
@pytest.mark.parametrize("events_of_a_time", [4, 1000])
def test_logs_in_the_order_of_events_are_kept(
    log: str, events_of_a_time: int, data_dir: Path
) -> None:
    """Were their clocks so coarse that many events, or all of a session, share a time."""
    name = "sessions" if log == "yoochoose-part" else "test"
    table = pd.read_csv(data_dir / log / f"{name}.csv.gz", dtype={"item_id": str})
    items = coded(table["item_id"].tolist())
    inside = table["position"].to_numpy() > 0
    tied = inside & (table["position"].to_numpy() % events_of_a_time > 0)
    assert not is_sorted_by_id(items.codes, items.ids, tied, inside)


def test_movielens_files_are_found(data_dir: Path) -> None:
    dataset = load_path(data_dir / "ml-latest-small", reward=None, notify=lambda line: None)
    assert any(BY_ID in note for note in dataset.notes)
