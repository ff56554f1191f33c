"""Seeds are bought until an interval that may be looked at after each one has decided."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.planning.seed_budget import EFFECT_PRECISION, always_valid_half_width, enough_seeds


def e_value(values: np.ndarray, mean: float) -> float:
    """The formula of the docstring, as it stands there."""
    n, c2 = len(values), EFFECT_PRECISION
    s, v = (values - mean).sum(), np.square(values - mean).sum()
    return float(math.sqrt(c2 / (n + c2)) * ((n + c2) * v / ((n + c2) * v - s**2)) ** (n / 2))


@pytest.mark.parametrize("n", [3, 5, 12])
def test_the_ends_are_where_the_e_value_reaches_twenty(n: int) -> None:
    values = np.random.default_rng(n).normal(3, 2, size=n)
    half_width = always_valid_half_width(values.tolist())
    for end in (values.mean() - half_width, values.mean() + half_width):
        assert e_value(values, end) == pytest.approx(20)
    assert e_value(values, values.mean()) < 20


def test_one_or_two_seeds_leave_everything_open() -> None:
    assert always_valid_half_width([1.0]) == math.inf
    assert always_valid_half_width([1.0, 1.1]) == math.inf


def test_looking_after_every_seed_errs_one_time_in_twenty_at_most() -> None:
    rng = np.random.default_rng(1)
    repeats, alarms, naive = 1000, 0, 0
    for _ in range(repeats):
        values = rng.normal(size=20)
        seen = [values[:n] for n in range(3, 21)]
        alarms += any(abs(part.mean()) > always_valid_half_width(part.tolist()) for part in seen)
        naive += any(abs(part.mean()) > 2 * part.std(ddof=1) / len(part) ** 0.5 for part in seen)
    # Three standard errors of a share of .05 in 1,000.
    assert alarms / repeats < 0.05 + 3 * math.sqrt(0.05 * 0.95 / repeats)
    assert naive / repeats > 0.15


SESSIONS = np.arange(1000)


def trials(*recalls: float) -> list[np.ndarray]:
    """A trial a figure: that share of the thousand sessions is hit, the same ones first."""
    return [(1000 * recall > SESSIONS).astype(np.float64) for recall in recalls]


def test_seeds_end_when_the_best_is_told_from_every_other() -> None:
    clear = {"a": trials(0.30, 0.31, 0.30, 0.31), "b": trials(0.10, 0.11, 0.11, 0.10)}
    assert enough_seeds(clear, SESSIONS)
    assert not enough_seeds({**clear, "c": trials(0.31, 0.30, 0.27, 0.33)}, SESSIONS)
    assert not enough_seeds({"a": trials(0.3), "b": trials(0.1)}, SESSIONS)
    assert enough_seeds({"a": trials(0.3)}, SESSIONS), "there is nothing to compare"


def test_seeds_end_where_the_sessions_leave_more_open() -> None:
    # By seeds the two are not told apart; over sessions the interval is a hundred times as wide.
    other = [1 - trial for trial in trials(0.5, 0.501, 0.499, 0.5)]
    assert enough_seeds({"a": trials(0.5, 0.5, 0.5, 0.5), "b": other}, SESSIONS)


def test_models_without_chance_need_no_further_seed() -> None:
    alike = {"a": trials(0.2, 0.2, 0.2), "b": trials(0.2, 0.2, 0.2)}
    assert enough_seeds(alike, SESSIONS)
