"""Ranks and exposure from scores, whatever the blocks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench.ranking.score_blocks import ScoreError
from bench.stats.metrics import apply_ties, recall_at, reciprocal_rank_at
from bench.store.ranks import MISSED_RANK, Ranks
from datasets.session_log import SessionLog
from datasets.splitting.held_out import HeldOut
from tests.bench.held_out_logs import held_out_of, log_of
from tests.bench.scorers import LastItemFactors, PrefixScorer, rank


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
