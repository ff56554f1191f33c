"""Floors: ranks by hand, the exact expectation of a random order, and their file."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from bench.figures.floors import FLOORS, floor_metrics, read_floors, store_floors
from bench.stats.metrics import METRICS
from bench.store.events import events_from
from bench.store.ranks import MISSED_RANK, Ranks
from datasets.errors import InputError
from datasets.splitting.splits import Split
from tests.bench.held_out_logs import held_out_of, log_of

# Support of items 0 to 4: 3, 2, 3, 2, 1. What followed 0: 1 twice, 2 once; 1: 2 twice; 3: 4 once.
TRAIN = [[0, 1, 2], [0, 1, 2], [0, 2], [3], [3, 4]]


@pytest.fixture
def split() -> Split:
    test = held_out_of([[0, 2, 4], [4, 3]], 5, missed=[(1, 1)])
    return Split("fixed", log_of(TRAIN, 5), None, test, {}, "f00")


def test_ranks_by_hand(split: Split, tmp_path: Path) -> None:
    store_floors(split, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [FLOORS]
    floors = read_floors(tmp_path)
    assert list(floors) == ["popularity", "markov"]
    assert floors["popularity"].ranks.tolist() == [2, 5, 4, MISSED_RANK]
    assert floors["popularity"].ties.tolist() == [1, 0, 1, 0]
    # After 0 come 1, then 2; nothing followed 2 or 4, so popularity decides.
    assert floors["markov"].ranks.tolist() == [2, 5, 4, MISSED_RANK]
    assert floors["markov"].ties.tolist() == [0, 0, 1, 0]


def test_metrics_of_each_floor(split: Split, tmp_path: Path) -> None:
    store_floors(split, tmp_path)
    # Rewards are 1, 2 and 4 of the scored events, 0 of the missed one.
    events, support = events_from(split.test), split.train.item_counts()
    assert events.rewards.tolist() == [1, 2, 4, 0]
    found = floor_metrics(read_floors(tmp_path), events, support, [2], "standard")
    assert list(found) == ["random", "popularity", "markov"]
    assert found["random"] == pytest.approx(
        {
            "Recall@2": 3 / 4 * 2 / 5,
            "MRR@2": 3 / 4 * 1.5 / 5,
            "NDCG@2": 3 / 4 * (1 + 1 / np.log2(3)) / 5,
            "Recall@2 (positive)": 2 / 5,
            "MRR@2 (positive)": 1.5 / 5,
            "NDCG@2 (positive)": (1 + 1 / np.log2(3)) / 5,
            "Recall@2 (reward-weighted)": 2 / 5,
            "Recall@2 (popularity-normalised)": 2 / 5,
        }
    )
    assert found["popularity"]["MRR@2"] == pytest.approx(1 / 4)
    assert found["markov"]["MRR@2"] == pytest.approx(1 / 8)
    assert found["popularity"]["Recall@2 (reward-weighted)"] == pytest.approx(1 / 7)
    normalised = found["popularity"]["Recall@2 (popularity-normalised)"]
    # Targets have support 3, 1 and 2; the missed one is left out.
    assert normalised == pytest.approx((1 / 3) / (1 / 3 + 1 + 1 / 2)), "item 2 alone, of three"
    conservative = floor_metrics(read_floors(tmp_path), events, support, [2], "conservative")
    assert conservative["popularity"]["MRR@2"] == pytest.approx(1 / 8)
    assert conservative["random"] == found["random"]


@pytest.mark.parametrize("k", [1, 3, 4, 9])
def test_random_is_the_mean_over_all_orders(k: int) -> None:
    events = events_from(held_out_of([[0, 2]], 4))
    found = floor_metrics({}, events, np.ones(4), [k], "conservative")["random"]
    ranks = [order.index(2) + 1 for order in itertools.permutations(range(4))]
    for name, metric in METRICS.items():
        assert found[f"{name}@{k}"] == pytest.approx(metric(ranks, k).mean())


def test_missing_and_damaged_files_are_refused(split: Split, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"floors\.npz cannot be read"):
        read_floors(tmp_path)
    store_floors(split, tmp_path)
    whole = (tmp_path / FLOORS).read_bytes()
    spoilt = bytearray(whole)
    spoilt[60:90] = bytes(30)  # inside the first column
    for damaged in (b"", b"no archive", whole[: len(whole) // 2], bytes(spoilt)):
        (tmp_path / FLOORS).write_bytes(damaged)
        with pytest.raises(InputError, match="delete it and run"):
            read_floors(tmp_path)


def test_floors_of_other_events_are_refused() -> None:
    other = Ranks(np.ones(7, dtype=np.uint32), np.zeros(7, dtype=np.uint32))
    events = events_from(held_out_of([[0, 2]], 4))
    with pytest.raises(InputError, match="7 ranks by markov for 1 test events"):
        floor_metrics({"markov": other}, events, np.ones(4), [2], "conservative")
