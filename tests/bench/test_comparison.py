"""Paired comparisons: against scipy, planted differences, and the sentence under a table."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import scipy.stats
from numpy.typing import NDArray

from bench.comparison import Difference, adjusted, compare, decision
from bench.significance import holm, two_sided_p
from tests.bench.session_oracles import scipy_interval

Values = NDArray[np.float64]


def correlated(
    rng: np.random.Generator, n_sessions: int, gain: float = 0.0
) -> tuple[dict[str, dict[str, Values]], NDArray[np.int64]]:
    """Hits of two models, whose chances differ from session to session; the first gains `gain`."""
    sessions = np.repeat(np.arange(n_sessions), rng.integers(1, 8, n_sessions))
    chances = 0.1 + 0.6 * rng.random((2, n_sessions))[:, sessions]
    chances[0] += gain
    hits = (rng.random(chances.shape) < chances).astype(np.float64)
    return {"a": {"Recall@20": hits[0]}, "b": {"Recall@20": hits[1]}}, sessions


def test_scipy_agrees() -> None:
    models, sessions = correlated(np.random.default_rng(3), 300, gain=0.03)
    (found,) = compare(models, sessions)
    by_event = models["a"]["Recall@20"] - models["b"]["Recall@20"]
    totals = np.bincount(sessions, weights=by_event)
    assert found.value == pytest.approx(by_event.mean())
    flips = scipy.stats.permutation_test(
        (totals, np.zeros_like(totals)),
        lambda x, y, axis: (x - y).sum(axis=axis),
        permutation_type="samples",
        n_resamples=9999,
        vectorized=True,
        rng=np.random.default_rng(1),
    )
    assert found.p == pytest.approx(flips.pvalue, abs=0.02)
    oracle = scipy_interval(by_event, sessions, resamples=9999)
    assert (found.low, found.high) == pytest.approx(oracle, abs=0.004)


def test_swapping_two_models_turns_every_figure() -> None:
    models, sessions = correlated(np.random.default_rng(4), 50, gain=0.1)
    (one,) = compare(models, sessions)
    (other,) = compare(dict(reversed(models.items())), sessions)
    assert (one.first, one.second) == (other.second, other.first)
    figures = (-other.value, -other.high, -other.low, other.p, other.lost, other.tied, other.won)
    assert (one.value, one.low, one.high, one.p, one.won, one.tied, one.lost) == pytest.approx(
        figures
    )
    assert one.won + one.tied + one.lost == pytest.approx(1)


def test_differences_of_three_models_add_up() -> None:
    models, sessions = correlated(np.random.default_rng(5), 40)
    models["c"] = {"Recall@20": np.ones(len(sessions))}
    found = compare(models, sessions)
    assert [(one.first, one.second) for one in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert found[0].value + found[2].value == pytest.approx(found[1].value)
    assert all(one.adjusted_p >= one.p for one in found)


def test_more_comparisons_raise_the_p_of_each() -> None:
    models, sessions = correlated(np.random.default_rng(5), 40, gain=0.1)
    alone = compare(models, sessions)
    together = adjusted(alone * 5)
    assert [one.family for one in alone + together] == [1, 5, 5, 5, 5, 5]
    assert alone[0].adjusted_p == alone[0].p
    assert {one.adjusted_p for one in together} == {min(1, 5 * alone[0].p)}


def test_a_share_that_flips_cannot_show_is_bounded_from_above() -> None:
    """Of n sessions with equal differences two outcomes in 2 ** n are as far from 0."""
    flipped = np.zeros(99)
    for n in (12, 20, 40):
        assert 2.0 ** (1 - n) <= two_sided_p(flipped, np.ones(n)) == 2 * math.exp(-n / 2)
    assert two_sided_p(flipped, np.ones(8)) == 0.01, "the flips show less than the bound does"
    assert two_sided_p(flipped, np.zeros(8)) == 1


def test_a_model_beside_itself_is_undecided() -> None:
    models, sessions = correlated(np.random.default_rng(6), 20)
    (found,) = compare({"a": models["a"], "again": models["a"]}, sessions)
    assert (found.value, found.low, found.high, found.p, found.tied) == (0, 0, 0, 1, 1)
    assert not found.decided
    assert decision(found, 1, 1) == "a and again are alike: +0.0000 Recall@20 [0.0000, 0.0000], p 1"


def test_one_model_has_no_pair() -> None:
    models, sessions = correlated(np.random.default_rng(6), 5)
    assert compare({"a": models["a"]}, sessions) == compare({}, []) == []


def test_holm_is_the_worked_example() -> None:
    # Sorted .005, .01, .03, .04 times 4, 3, 2, 1, and never below the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([]) == []


DIFFERENCE = Difference(
    metric="Recall@20", first="tocr", second="gru4rec", value=-0.031, low=-0.038, high=-0.024,
    p=0.0001, adjusted_p=0.0004, family=4, won=0.1, tied=0.75, lost=0.15, n_sessions=400,
)  # fmt: skip


def test_the_sentence_names_the_better_model_and_its_cost() -> None:
    assert decision(DIFFERENCE, 100, 80) == (
        "gru4rec over tocr: +0.0310 Recall@20 [0.0240, 0.0380], p 0.0004 "
        "at 0.8 times the training time"
    )
    assert decision(DIFFERENCE, 0, 80).endswith("p 0.0004")
    assert decision(DIFFERENCE, 1, 99_400).endswith(" at 99,000 times the training time")
    assert decision(DIFFERENCE, 1, 12.4).endswith(" at 12 times the training time")


def test_the_sentence_says_how_many_sessions_are_missing() -> None:
    wide = dataclasses.replace(DIFFERENCE, low=-0.093, high=0.031, adjusted_p=0.3)
    # A half width of .062 is 1.960 standard errors, so that 2.802 of them are .0886. To make these
    # .031 takes (.0886 / .031) ** 2 times the 400 sessions: 3,270.
    assert decision(wide, 1, 1) == (
        "undecided between gru4rec and tocr: +0.0310 Recall@20 [-0.0310, 0.0930], p 0.3; "
        "about 2,870 more sessions are needed"
    )
    assert wide.detectable == pytest.approx(0.0886, abs=1e-4)
    by_test_alone = dataclasses.replace(DIFFERENCE, adjusted_p=0.06)
    assert decision(by_test_alone, 1, 1).startswith("undecided between gru4rec and tocr")
    assert decision(by_test_alone, 1, 1).endswith("p 0.06")
