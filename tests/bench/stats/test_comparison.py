"""Paired comparisons: against scipy, planted differences, and the sentence under a table."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import scipy.stats
from numpy.typing import NDArray

from bench.stats.comparison import Difference, adjusted, compare, decision, p_text
from bench.stats.sign_flips import LEVEL, SignFlips, holm, holm_levels, paired_test, two_sided_p

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


def test_interval_holds_the_differences_that_the_test_keeps() -> None:
    models, sessions = correlated(np.random.default_rng(3), 60, gain=0.05)
    by_event = models["a"]["Recall@20"] - models["b"]["Recall@20"]
    test = paired_test(by_event, sessions, permutations=999)
    for level in (0.05, 0.01, 0.0002):
        low, high = test.interval(level)
        assert low < by_event.mean() < high
        for end, inward in ((low, 1e-6), (high, -1e-6)):
            kept = paired_test(by_event - (end + inward), sessions, permutations=999)
            rejected = paired_test(by_event - (end - inward), sessions, permutations=999)
            assert rejected.p < level <= kept.p


def adversarial(rng: np.random.Generator, kind: int) -> tuple[dict[str, dict[str, Values]], Values]:
    """Four models that are unlike, nearly alike, or constant, on few or very uneven sessions."""
    n_sessions = int(rng.choice([1, 2, 5, 6, 8, 12, 61]))
    lengths = rng.choice([1, 2, 300], n_sessions) if kind % 2 else rng.integers(1, 4, n_sessions)
    sessions = np.repeat(np.arange(n_sessions), lengths)
    base = rng.random(len(sessions)) < 0.5
    models = {}
    for i in range(4):
        hits = [
            rng.random(len(sessions)) < 0.2 + 0.1 * i,
            base ^ (np.arange(len(sessions)) < i),
            np.full(len(sessions), i % 2),
            base | (rng.random(len(sessions)) < 0.2 * i),
        ][kind]
        reciprocal = hits * rng.choice([1, 1 / 2, 1 / 3], len(sessions))
        models[str(i)] = {"Recall@20": hits.astype(np.float64), "MRR@20": reciprocal}
    return models, sessions


@pytest.mark.parametrize("kind", range(4))
def test_no_interval_contradicts_its_p(kind: int) -> None:
    rng = np.random.default_rng(kind)
    seen = set()
    for _ in range(12):
        found = compare(*adversarial(rng, kind))
        for family in (1, 3, 100):
            for one in adjusted(found * family)[: len(found)]:
                assert (one.adjusted_p < LEVEL) == (not one.low <= 0 <= one.high), one
                assert one.low - 1e-9 <= one.value <= one.high + 1e-9
                seen.add(one.decided)
                said = decision(one, 1, 1)
                ends = said[said.index("[") + 1 : said.index("]")].split(", ")
                p = float(said.split(", p ")[1].split()[0].rstrip(";"))
                assert (p < LEVEL) == (not float(ends[0]) <= 0 <= float(ends[1])), said
    assert False in seen
    assert (True in seen) == (kind != 1), "nearly alike models do not differ significantly"


def test_few_sessions_leave_every_difference_open() -> None:
    (found,) = compare({"a": {"R": np.ones(5)}, "b": {"R": np.zeros(5)}}, np.arange(5))
    assert (found.low, found.high, found.decided) == (-1, 1, False)


def test_levels_are_those_of_holm() -> None:
    levels = holm_levels([0.01, 0.04, 0.03, 0.005])
    # .005 and .01 are below .05 / 4 and .05 / 3; .03 is not below .05 / 2, and ends it.
    assert levels == pytest.approx([0.05 / 3, 0.025, 0.025, 0.0125])
    assert holm_levels([0.001, 0.002]) == pytest.approx([0.025, 0.05])
    assert holm_levels([]) == []


def test_swapping_two_models_turns_every_figure() -> None:
    models, sessions = correlated(np.random.default_rng(4), 50, gain=0.1)
    (one,) = compare(models, sessions)
    (other,) = compare(dict(reversed(models.items())), sessions)
    assert (one.first, one.second) == (other.second, other.first)
    figures = (-other.value, -other.high, -other.low, other.p)
    assert (one.value, one.low, one.high, one.p) == pytest.approx(figures)


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
    assert [one.adjusted_p for one in together] == pytest.approx([min(1, 5 * alone[0].p)] * 5)
    assert together[0].high - together[0].low > alone[0].high - alone[0].low


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
    assert (found.value, found.low, found.high, found.p) == (0, 0, 0, 1)
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


SESSIONS_OF_TWO = np.array([1.0, -1.0] * 200)
DIFFERENCE = Difference(
    metric="Recall@20", first="tocr", second="gru4rec", value=-0.031, low=-0.038, high=-0.024,
    level=0.0125, p=0.0001, adjusted_p=0.0004, family=4,
    n_sessions=400,
    test=SignFlips.of(np.zeros(99), np.zeros(99), SESSIONS_OF_TWO, np.full(400, 1.96 / 1.24)),
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
    # The root of 400 over 632 events is a standard error of .0316; 2.802 are .0886. To make these
    # .031 takes (.0886 / .031) ** 2 times the 400 sessions: 3,270.
    assert decision(wide, 1, 1) == (
        "undecided between gru4rec and tocr: +0.0310 Recall@20 [-0.0310, 0.0930], p 0.3; "
        "about 2,870 more sessions are needed"
    )
    assert wide.detectable == pytest.approx(0.0886, abs=1e-4)
    by_test_alone = dataclasses.replace(DIFFERENCE, adjusted_p=0.06)
    assert decision(by_test_alone, 1, 1).startswith("undecided between gru4rec and tocr")


def test_a_p_just_below_the_level_is_not_rounded_to_it() -> None:
    assert [p_text(p) for p in (0.04996, 0.05, 0.0496, 0.3, 1.0)] == [
        "0.04996", "0.05", "0.0496", "0.3", "1"
    ]  # fmt: skip
