"""Ranks and exposure from scores, whatever the blocks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench import ranking, tile_passes
from bench.metrics import apply_ties, recall_at, reciprocal_rank_at
from bench.ranking import (
    MISSED_RANK,
    Ranks,
    ScoreError,
    rank_steps,
    rank_targets,
    unranked,
)
from datasets.held_out import HeldOut
from datasets.session_log import SessionLog
from models.recommender import Factors, Recommender
from tests.bench.held_out_logs import held_out_of, log_of


class PrefixScorer:
    """Scores by a function of a prefix's items; stands for a model without factors."""

    def __init__(self, score_prefix: Callable[[list[int]], NDArray[Any]]) -> None:
        self._score_prefix = score_prefix
        self.largest_call = 0

    def score(self, sessions: SessionLog) -> NDArray[Any]:
        self.largest_call = max(self.largest_call, sessions.n_targets)
        return np.stack(
            [
                self._score_prefix(sessions.items[start : start + length].tolist())
                for start, n in zip(sessions.offsets[:-1], sessions.lengths, strict=True)
                for length in range(1, n)
            ]
        )


class LastItemFactors:
    """State of a prefix: the vector of its last item."""

    device = "cpu"

    def __init__(self, vectors: NDArray[np.float32], bias: NDArray[np.float32]) -> None:
        self._vectors, self._bias = vectors, bias
        self.largest_call = 0

    def factors(self, sessions: SessionLog) -> Factors:
        self.largest_call = max(self.largest_call, sessions.n_targets)
        last = np.flatnonzero(sessions.position_in_session[1:] > 0)
        return Factors(self._vectors[sessions.items[last]], self._vectors, self._bias)

    def score(self, sessions: SessionLog) -> NDArray[np.float32]:
        states, items, bias = self.factors(sessions)
        return states @ items.T + bias


def rank(model: object, held_out: HeldOut, **options: Any) -> Ranks:
    return rank_targets(cast(Recommender, model), held_out, model_name="mine", **options)


def case_ranks(folder: Path, block_scores: int) -> tuple[Ranks, dict[str, Any]]:
    events = json.loads((folder / "scores.json").read_text())["events"]
    n_items = len(events[0]["scores"])
    scores = {event["target"]: event["scores"] for event in events}
    first_of = {(event["target"] + 1) % n_items: event["target"] for event in events}
    held_out = held_out_of([[first, target] for first, target in first_of.items()], n_items)
    model = PrefixScorer(lambda prefix: np.array(scores[first_of[prefix[-1]]], dtype=np.float32))
    expected = json.loads((folder / "expected.json").read_text())
    return rank(model, held_out, block_scores=block_scores), expected


@pytest.mark.parametrize("case", ["R001-constant-scores", "R006-batch-axis"])
@pytest.mark.parametrize("block_scores", [1, 2**22])
def test_ranks_and_metrics_of_the_case(cases_dir: Path, case: str, block_scores: int) -> None:
    result, expected = case_ranks(cases_dir / case, block_scores)
    for rule, figures in expected.items():
        ranks = apply_ties(result.ranks, result.ties, rule)
        assert ranks.tolist() == figures["ranks"]
        for name in figures.keys() - {"ranks"}:
            stem, k = name.split("@")
            metric = recall_at if stem == "Recall" else reciprocal_rank_at
            assert metric(ranks, int(k)).mean() == pytest.approx(figures[name])


def test_equal_scores_of_41_items() -> None:
    constant = PrefixScorer(lambda prefix: np.zeros(41, dtype=np.float32))
    result = rank(constant, held_out_of([[3, 7]], 41))
    assert (result.ranks.tolist(), result.ties.tolist()) == ([41], [40])


def test_read_only_scores_without_rows_of_their_own_are_taken() -> None:
    row = np.arange(5, dtype=np.float32)

    class Popularity:
        def score(self, sessions: SessionLog) -> NDArray[np.float32]:
            return np.broadcast_to(row, (sessions.n_targets, 5))

    result = rank(Popularity(), held_out_of([[0, 4, 3], [1, 0]], 5), ks=[1])
    assert result.ranks.tolist() == [1, 2, 5]
    assert result.exposure[1].tolist() == [0, 0, 0, 0, 3]


def test_infinite_scores_are_ranked() -> None:
    scores = np.array([-np.inf, np.inf, 0, -np.inf, np.inf], dtype=np.float32)
    result = rank(PrefixScorer(lambda prefix: scores), held_out_of([[0, 1, 2, 3]], 5))
    assert result.ranks.tolist() == [2, 3, 5]
    assert result.ties.tolist() == [1, 0, 1]


def test_nan_in_a_ranked_row_names_the_model() -> None:
    scores = np.array([0, 1, np.nan, 2], dtype=np.float32)
    with pytest.raises(ScoreError, match="mine: a score is NaN"):
        rank(PrefixScorer(lambda prefix: scores), held_out_of([[0, 1]], 4))


def test_nan_in_a_factored_score_names_the_model() -> None:
    bias = np.array([0, 0, 0, np.nan], dtype=np.float32)
    model = LastItemFactors(np.ones((4, 2), dtype=np.float32), bias)
    with pytest.raises(ScoreError, match="mine: a score is NaN"):
        rank(model, held_out_of([[0, 1]], 4))


def test_infinite_factors_do_not_reach_the_filled_rows() -> None:
    vectors = np.array([[np.inf], [1], [2]], dtype=np.float32)
    model = LastItemFactors(vectors, np.zeros(3, dtype=np.float32))
    assert rank(model, held_out_of([[1, 0], [1, 2]], 3)).ranks.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (np.zeros((1, 9), np.float32), r"mine: scores have shape \(1, 9\), expected \(2, 4\)"),
        (np.zeros(4, np.float32), r"shape \(4,\)"),
        (np.zeros((2, 4), np.int64), "mine: scores are int64"),
    ],
)
def test_scores_of_another_kind_are_refused(scores: NDArray[Any], message: str) -> None:
    class Wrong:
        def score(self, sessions: SessionLog) -> NDArray[Any]:
            return scores

    with pytest.raises(ScoreError, match=message):
        rank(Wrong(), held_out_of([[0, 1, 2]], 4))


def test_factors_of_another_shape_are_refused() -> None:
    model = LastItemFactors(np.ones((4, 2), dtype=np.float32), np.zeros(3, dtype=np.float32))
    with pytest.raises(ScoreError, match=r"item biases have shape \(3,\), expected \(4,\)"):
        rank(model, held_out_of([[0, 1]], 4))


def test_only_marked_events_are_ranked() -> None:
    log = log_of([[0, 1, 2], [3, 0]], 4)
    marked = np.array([False, False, True, False, True])
    no_miss = held_out_of([[0, 1]], 4).missed
    model = PrefixScorer(lambda prefix: np.arange(4, dtype=np.float32) * len(prefix))
    result = rank(model, HeldOut(log, marked, no_miss), ks=[2])
    assert result.ranks.tolist() == [2, 4]
    assert result.exposure[2].tolist() == [0, 0, 2, 2]


def test_missed_targets_come_last_with_the_largest_rank() -> None:
    held_out = held_out_of([[0, 1]], 3, missed=[(0, 2), (1, 1)])
    result = rank(PrefixScorer(lambda prefix: np.arange(3, dtype=np.float32)), held_out)
    assert result.ranks.tolist() == [2, MISSED_RANK, MISSED_RANK]
    assert result.ties.tolist() == [1 - 1, 0, 0]
    assert recall_at(result.ranks, 20).tolist() == [1, 0, 0]


def test_test_of_misses_alone_asks_the_model_nothing() -> None:
    empty = held_out_of([], 3, missed=[(0, 1)])
    assert rank(object(), empty, ks=[1]).ranks.tolist() == [MISSED_RANK]


SESSIONS = st.lists(st.lists(st.integers(0, 6), min_size=2, max_size=6), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(SESSIONS, st.integers(0, 2**31), st.sampled_from([1, 7, 20, 2**22]))
def test_ranks_agree_with_sorting_whatever_the_block(
    sessions: list[list[int]], seed: int, block_scores: int
) -> None:
    held_out = held_out_of(sessions, 7)

    def score_prefix(prefix: list[int]) -> NDArray[np.float32]:
        rng = np.random.default_rng([seed, *prefix])
        return rng.integers(0, 4, 7).astype(np.float32)  # many ties

    result = rank(PrefixScorer(score_prefix), held_out, ks=[2, 9], block_scores=block_scores)
    expected_ranks, expected_ties, expected_first = [], [], []
    for session in sessions:
        for length in range(1, len(session)):
            scores = score_prefix(session[:length]).tolist()
            own = scores[session[length]]
            expected_ranks.append(sum(score >= own for score in scores))
            expected_ties.append(scores.count(own) - 1)
            expected_first += sorted(range(7), key=lambda item: (-scores[item], item))[:2]
    assert result.ranks.tolist() == expected_ranks
    assert result.ties.tolist() == expected_ties
    assert result.exposure[2].tolist() == np.bincount(expected_first, minlength=7).tolist()
    assert (result.exposure[9] == len(expected_ranks)).all()


TILES = [((256, 1024), 16), ((7, 16), 16), ((7, 16), 1), ((64, 5), 2), ((1, 60), 1)]
"""Rows and items of a tile, and how many are kept."""


@pytest.mark.parametrize(("shape", "kept"), TILES)
@pytest.mark.parametrize("prefixes", [1, 50, 2**16])
def test_factors_rank_as_their_scores_do(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int], kept: int, prefixes: int
) -> None:
    monkeypatch.setattr(ranking, "TILE_SHAPE", shape)
    monkeypatch.setattr(ranking, "MAX_KEPT_TILES", kept)
    monkeypatch.setattr(ranking, "PREFIXES_PER_BLOCK", prefixes)
    rng = np.random.default_rng(5)
    sessions = [rng.integers(0, 60, rng.integers(2, 9)).tolist() for _ in range(70)]
    vectors = rng.integers(-3, 4, (60, 5)).astype(np.float32)  # exact in float32, with ties
    model = LastItemFactors(vectors, rng.integers(-3, 4, 60).astype(np.float32))
    held_out = held_out_of(sessions, 60)
    by_factors = rank(model, held_out, ks=[5, 2, 40])
    only_scores = PrefixScorer(lambda prefix: model.score(log_of([[prefix[-1], 0]], 60))[0])
    by_scores = rank(only_scores, held_out, ks=[5, 2, 40])
    assert_equal_ranks(by_factors, by_scores)
    assert by_factors.ties.sum() > 0
    assert model.largest_call <= max(prefixes, 7)


def assert_equal_ranks(one: Ranks, other: Ranks) -> None:
    assert one.ranks.tolist() == other.ranks.tolist()
    assert one.ties.tolist() == other.ties.tolist()
    assert one.exposure.keys() == other.exposure.keys()
    for k, times in one.exposure.items():
        assert times.tolist() == other.exposure[k].tolist()


def random_factors_and_sessions() -> tuple[LastItemFactors, HeldOut]:
    """Factors that no product of float32 gets exactly, three tiles of items, two tiles of rows."""
    rng = np.random.default_rng(8)
    vectors = rng.standard_normal((2500, 100), dtype=np.float32)
    vectors[2048:] = vectors[:452]
    bias = rng.standard_normal(2500, dtype=np.float32)
    bias[2048:] = bias[:452]
    sessions = [rng.integers(0, 2500, rng.integers(2, 12)).tolist() for _ in range(60)]
    return LastItemFactors(vectors, bias), held_out_of(sessions, 2500)


def test_items_alike_in_two_tiles_tie() -> None:
    model, held_out = random_factors_and_sessions()
    ties = rank(model, held_out).ties
    targets = held_out.log.items[held_out.is_target]
    assert 256 < len(targets) < 512
    assert ties.tolist() == ((targets < 452) | (targets >= 2048)).astype(int).tolist()


def test_own_scores_of_tiles_that_are_not_kept_are_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, held_out = random_factors_and_sessions()
    expected = rank(model, held_out, ks=[20])
    monkeypatch.setattr(ranking, "MAX_KEPT_TILES", 1)
    assert_equal_ranks(rank(model, held_out, ks=[20]), expected)


def test_without_numba_ranks_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model, held_out = random_factors_and_sessions()
    expected = rank(model, held_out, ks=[1, 20])
    only_scores = PrefixScorer(lambda prefix: model.score(log_of([[prefix[-1], 0]], 2500))[0])
    by_scores = rank(only_scores, held_out, ks=[1, 20])
    monkeypatch.setattr(tile_passes, "compiled_passes", lambda: None)
    assert_equal_ranks(rank(model, held_out, ks=[1, 20]), expected)
    assert_equal_ranks(rank(only_scores, held_out, ks=[1, 20]), by_scores)


def test_steps_fill_the_ranks_from_none_to_all() -> None:
    model, held_out = random_factors_and_sessions()
    ranks = unranked(held_out, [20])
    left = []
    for n_targets in rank_steps(cast(Recommender, model), held_out, ranks, model_name="mine"):
        left.append((n_targets, int((ranks.ranks == MISSED_RANK).sum())))
    assert left == [(256, held_out.n_targets - 256), (held_out.n_targets - 256, 0)]
    assert_equal_ranks(ranks, rank(model, held_out, ks=[20]))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_ranks_as_the_cpu_does() -> None:
    rng = np.random.default_rng(5)
    sessions = [rng.integers(0, 60, rng.integers(2, 9)).tolist() for _ in range(70)]
    vectors = rng.integers(-3, 4, (60, 5)).astype(np.float32)  # exact in float32, with ties
    model = LastItemFactors(vectors, np.zeros(60, dtype=np.float32))
    held_out = held_out_of(sessions, 60)
    on_cpu = rank(model, held_out, ks=[5, 100])
    model.device = "cuda"
    assert_equal_ranks(rank(model, held_out, ks=[5, 100]), on_cpu)
    nan = LastItemFactors(vectors, np.full(60, np.nan, dtype=np.float32))
    nan.device = "cuda"
    with pytest.raises(ScoreError, match="NaN"):
        rank(nan, held_out)


def test_blocks_bound_what_a_model_is_asked_at_once() -> None:
    model = PrefixScorer(lambda prefix: np.zeros(10, dtype=np.float32))
    held_out = held_out_of([[0, 1, 2]] * 50 + [list(range(10))], 10)
    rank(model, held_out, block_scores=60)
    assert model.largest_call == 9  # the long session alone; else 6 prefixes of 10 scores


@pytest.mark.parametrize("block_scores", [200, 800, 2**22])
def test_random_scorer_hits_by_chance_over_the_whole_catalogue(block_scores: int) -> None:
    rng = np.random.default_rng(11)
    sessions = [rng.choice(200, 5, replace=False).tolist() for _ in range(80)]
    model = PrefixScorer(
        lambda prefix: np.random.default_rng(prefix).random(200).astype(np.float32)
    )
    ranks = rank(model, held_out_of(sessions, 200), block_scores=block_scores).ranks
    assert len(ranks) == 320
    assert recall_at(ranks, 20).mean() == pytest.approx(0.10, abs=0.05)
    assert reciprocal_rank_at(ranks, 20).mean() == pytest.approx(0.0180, abs=0.015)
