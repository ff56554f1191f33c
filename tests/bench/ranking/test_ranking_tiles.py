"""Scores in factors are ranked tile by tile as whole scores are."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest
import torch

from bench.ranking import rank_targets as ranking
from bench.ranking import score_blocks, tile_passes
from bench.ranking.rank_targets import rank_steps
from bench.ranking.score_blocks import ScoreError
from bench.store.ranks import MISSED_RANK, Ranks, unranked
from datasets.splitting.held_out import HeldOut
from models.recommender import Recommender
from tests.bench.held_out_logs import held_out_of, log_of
from tests.bench.scorers import LastItemFactors, PrefixScorer, rank

TILES = [((256, 1024), 16), ((7, 16), 16), ((7, 16), 1), ((64, 5), 2), ((1, 60), 1)]
"""Rows and items of a tile, and how many are kept."""


@pytest.mark.parametrize(("shape", "kept"), TILES)
@pytest.mark.parametrize("prefixes", [1, 50, 2**16])
def test_factors_rank_as_their_scores_do(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int], kept: int, prefixes: int
) -> None:
    monkeypatch.setattr(ranking, "TILE_SHAPE", shape)
    monkeypatch.setattr(ranking, "MAX_CACHED_TILES", kept)
    monkeypatch.setattr(score_blocks, "PREFIXES_PER_BLOCK", prefixes)
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
    monkeypatch.setattr(ranking, "MAX_CACHED_TILES", 1)
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
