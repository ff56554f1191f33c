"""Metrics against hand-computed values, ranx as independent oracle, and their names."""

from __future__ import annotations

import csv
import importlib
import math
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats.metrics import (
    TIE_RULES,
    apply_ties,
    discounted_gain_at,
    recall_at,
    reciprocal_rank_at,
)


def test_ranks_at_the_edge_of_20() -> None:
    assert recall_at([1, 20, 21], 20).tolist() == [1, 1, 0]
    assert reciprocal_rank_at([1, 20, 21], 20).tolist() == [1, 0.05, 0]
    assert discounted_gain_at([1, 3, 7, 20, 21], 20).tolist() == pytest.approx(
        [1, 1 / 2, 1 / 3, 0.22767025, 0]  # log2(21) = 4.39231742
    )


@pytest.mark.parametrize(
    ("name", "k", "recall", "mrr"),
    [
        ("ranks.csv", 20, 0.75, 0.4375),
        ("ranks.csv", 1, 0.25, 0.25),
        ("ranks.csv", 25, 1.0, 0.4475),
        ("ranks_edge.csv", 20, 1 / 3, 0.05 / 3),
    ],
)
def test_means_of_the_case(cases_dir: Path, name: str, k: int, recall: float, mrr: float) -> None:
    with (cases_dir / "R008-mrr-definition" / name).open(newline="") as file:
        ranks = np.array([int(row["rank"]) for row in csv.DictReader(file)], dtype=np.uint32)
    assert recall_at(ranks, k).mean() == pytest.approx(recall)
    assert reciprocal_rank_at(ranks, k).mean() == pytest.approx(mrr)


def test_tie_rules_on_equal_scores_of_41_items() -> None:
    ranks, ties = np.array([41], dtype=np.uint32), np.array([40], dtype=np.uint32)
    by_rule = {rule: apply_ties(ranks, ties, rule) for rule in TIE_RULES}
    assert {rule: values.tolist() for rule, values in by_rule.items()} == {
        "conservative": [41],
        "standard": [1],
        "median": [21],
    }
    assert [recall_at(by_rule[rule], 20).item() for rule in TIE_RULES] == [0, 1, 0]


def test_unknown_tie_rule_is_refused() -> None:
    with pytest.raises(ValueError, match="tie rule optimistic is unknown"):
        apply_ties([1], [0], "optimistic")


@pytest.fixture(scope="module")
def ranx() -> Iterator[ModuleType]:
    """ranx interpreted: compiling its kernels takes longer than all other tests together."""
    numba = importlib.import_module("numba")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numba.config, "DISABLE_JIT", True)
        yield importlib.import_module("ranx")


@pytest.mark.parametrize("k", [1, 5, 20])
def test_ranx_agrees(ranx: ModuleType, k: int) -> None:
    n_events, n_items = 60, 40
    rng = np.random.default_rng(3)
    scores = rng.random((n_events, n_items))
    targets = rng.integers(0, n_items, n_events)
    ranks = (scores >= scores[np.arange(n_events), targets][:, None]).sum(1)
    qrels = ranx.Qrels({f"q{q}": {f"d{target}": 1} for q, target in enumerate(targets)})
    run = ranx.Run(
        {
            f"q{q}": {f"d{d}": float(score) for d, score in enumerate(row)}
            for q, row in enumerate(scores)
        }
    )
    oracle = ranx.evaluate(qrels, run, [f"recall@{k}", f"mrr@{k}", f"ndcg@{k}"])
    assert recall_at(ranks, k).mean() == pytest.approx(oracle[f"recall@{k}"])
    assert reciprocal_rank_at(ranks, k).mean() == pytest.approx(oracle[f"mrr@{k}"])
    assert discounted_gain_at(ranks, k).mean() == pytest.approx(oracle[f"ndcg@{k}"])


RANKS = st.lists(st.integers(1, 2**32 - 1) | st.integers(1, 40), min_size=1)


@given(RANKS, st.integers(1, 60))
def test_reciprocal_rank_is_at_most_recall_and_both_grow_with_k(ranks: list[int], k: int) -> None:
    column = np.array(ranks, dtype=np.uint32)
    assert (reciprocal_rank_at(column, k) <= discounted_gain_at(column, k)).all()
    assert (discounted_gain_at(column, k) <= recall_at(column, k)).all()
    assert (recall_at(column, k) <= recall_at(column, k + 1)).all()
    assert (reciprocal_rank_at(column, k) <= reciprocal_rank_at(column, k + 1)).all()
    assert ((reciprocal_rank_at(column, k) > 0) == (recall_at(column, k) == 1)).all()


@given(st.lists(st.tuples(st.integers(1, 10**6), st.integers(0, 10**6)), min_size=1))
def test_tie_rules_are_ordered(pairs: list[tuple[int, int]]) -> None:
    ties = np.array([tied for _, tied in pairs], dtype=np.uint32)
    ranks = np.array([ahead + tied for ahead, tied in pairs], dtype=np.uint32)
    standard = apply_ties(ranks, ties, "standard")
    median = apply_ties(ranks, ties, "median")
    conservative = apply_ties(ranks, ties, "conservative")
    assert (standard >= 1).all()
    assert (standard <= median).all()
    assert (median <= conservative).all()
    assert (conservative == ranks).all()


def test_missed_target_counts_for_nothing() -> None:
    missed = np.array([np.iinfo(np.uint32).max], dtype=np.uint32)
    ranks = apply_ties(missed, np.array([0], dtype=np.uint32), "standard")
    assert recall_at(ranks, 10**6).item() == 0
    assert math.isclose(reciprocal_rank_at(ranks, 10**6).item(), 0)
