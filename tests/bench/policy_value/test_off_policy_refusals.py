"""Logs of which no value can be told are refused, by a reason that names what lacks."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from bench.policy_value.off_policy_evaluation import PER_SESSION, Rounds, evaluate
from tests.bench.policy_value.contextual_logs import CONTEXTS, LOGGER, POLICY, contextual_log


def test_support_cut_by_hand_is_refused() -> None:
    cut = LOGGER.copy()
    cut[:, 0] = 0
    cut /= cut.sum(1, keepdims=True)
    rounds, _, _ = contextual_log(5000, seed=6, logger=cut)
    found = evaluate(rounds)
    assert not found.estimates and not found.clip_sweep
    missed = 1 - CONTEXTS @ POLICY[:, 0]
    assert found.refusal is not None and f"mean weight is {missed:.1f}" in found.refusal
    assert found.overlap.mean_weight == pytest.approx(missed, abs=0.05)


def test_few_effective_rounds_are_refused() -> None:
    rounds, _, _ = contextual_log(90, seed=7)
    found = evaluate(rounds)
    assert found.refusal is not None and "below 100" in found.refusal
    assert found.overlap.effective_sample_size < 90
    other_policy = np.where(np.arange(400) < 3, 0.0, -60.0)
    narrow = evaluate(
        Rounds(other_policy, np.full(400, -1.0), np.ones(400), np.arange(400), np.zeros(400))
    )
    assert narrow.refusal is not None and "3.0 of 400 rounds" in narrow.refusal


def test_few_sessions_are_refused_however_long_they_are() -> None:
    rounds, _, _ = contextual_log(5000, seed=8)
    few = replace(rounds, sessions=np.arange(5000) // 1000, positions=np.arange(5000))
    reason = evaluate(few).refusal
    assert reason is not None and "sessions, below 30" in reason


def test_long_sessions_refuse_per_decision_alone() -> None:
    rounds, _, _ = contextual_log(5000, seed=9)
    long = replace(rounds, sessions=np.arange(5000) // 50, positions=np.arange(5000))
    found = evaluate(long)
    assert set(found.missing) == set(PER_SESSION)
    assert "sessions, below 100" in found.missing["pdis"]
    assert "ips" in found.estimates


def test_a_log_of_other_actions_is_refused() -> None:
    n = np.arange(500)
    never = evaluate(Rounds(np.full(500, -np.inf), np.full(500, -1.0), n % 2, n, n))
    assert never.refusal is not None and "no logged action" in never.refusal
    assert never.overlap.outside_share == 1
    idle = evaluate(Rounds(np.full(500, -1.0), np.full(500, -1.0), 0 * n, n, n))
    assert idle.refusal is not None and "has a reward" in idle.refusal


def test_weights_beyond_every_number_are_refused() -> None:
    n = np.arange(500)
    found = evaluate(Rounds(np.zeros(500), np.full(500, -800.0), n % 2, n, n))
    assert found.overlap.effective_sample_size == pytest.approx(500)
    assert found.refusal is not None and "propensities are far too small" in found.refusal


def test_two_rewarded_rounds_give_no_interval() -> None:
    n = np.arange(400)
    found = evaluate(Rounds(np.full(400, -1.0), np.full(400, -1.0), (n < 2) * 1.0, n, n))
    assert found.refusal is None and not found.estimates and not found.clip_sweep
    assert "too few rounds" in found.missing["ips"]


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("log_policy", [-1.0, 0.5], "log_policy of round 1 is 0.5"),
        ("log_policy", [np.nan, -1.0], "log_policy of round 0 is nan"),
        ("log_propensities", [-np.inf, -1.0], "log_propensities of round 0 is -inf"),
        ("log_propensities", [-1.0, 0.2], "log_propensities of round 1 is 0.2"),
        ("rewards", [1.0, np.inf], "rewards of round 1 is inf"),
        ("logged_reward_model", [np.nan, 1.0], "logged_reward_model of round 0 is nan"),
        ("sessions", [1, 2, 3], r"sessions has shape \(3,\)"),
    ],
)
def test_bad_columns_are_refused(column: str, values: list[float], message: str) -> None:
    good = {
        "log_policy": np.full(2, -1.0),
        "log_propensities": np.full(2, -1.0),
        "rewards": np.ones(2),
        "sessions": np.arange(2),
        "positions": np.arange(2),
    }
    with pytest.raises(ValueError, match=message):
        Rounds(**(good | {column: np.array(values)}))


def test_no_rounds_and_repeated_positions_are_refused() -> None:
    none = np.empty(0)
    with pytest.raises(ValueError, match="no rounds"):
        Rounds(none, none, none, none, none)
    ones = np.ones(2)
    with pytest.raises(ValueError, match="same position"):
        evaluate(Rounds(-ones, -ones, ones, ones, ones))


@pytest.mark.parametrize(
    ("option", "value"),
    [("cap", 0.0), ("cap", -1.0), ("cap", math.nan), ("set_size", 0), ("discount", 1.5)],
)
def test_bad_options_are_refused_by_name(option: str, value: float) -> None:
    rounds, _, _ = contextual_log(200, seed=16)
    with pytest.raises(ValueError, match=option):
        evaluate(rounds, **{option: value})  # type: ignore[arg-type]
