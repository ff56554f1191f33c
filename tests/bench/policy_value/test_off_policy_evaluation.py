"""Off-policy estimates against closed forms and values computed by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from bench.policy_value.off_policy_evaluation import ESTIMATORS, PER_SESSION, Rounds, evaluate
from bench.policy_value.overlap import log_set_probability, measure_overlap
from bench.policy_value.value_estimators import (
    Ratios,
    clipped_ips,
    direct_method,
    doubly_robust,
    ips,
    self_normalised_doubly_robust,
    snips,
    switch_doubly_robust,
)
from tests.bench.policy_value.contextual_logs import (
    CONTEXTS,
    POLICY,
    REWARDS,
    contextual_log,
    exact_value,
)


def test_within_three_standard_errors_of_the_exact_value() -> None:
    rounds, _, _ = contextual_log(20_000, seed=1)
    found = evaluate(rounds)
    assert found.refusal is None and not found.missing
    assert list(found.estimates) == list(ESTIMATORS)
    for name, estimate in found.estimates.items():
        # Sessions have two rounds whose contexts no action changes.
        truth = exact_value() * (2 if name in PER_SESSION else 1)
        assert estimate.low < estimate.value < estimate.high
        standard_error = (estimate.high - estimate.low) / (2 * 1.96)
        assert abs(estimate.value - truth) < 3 * standard_error, name
        assert standard_error < 0.03 * truth, name


def test_snips_shifts_with_the_rewards_and_ips_does_not() -> None:
    rounds, _, _ = contextual_log(2000, seed=2)
    shifted = replace(rounds, rewards=rounds.rewards + 5)
    before, after = evaluate(rounds).estimates, evaluate(shifted).estimates
    assert after["snips"].value - before["snips"].value == pytest.approx(5, abs=1e-12)
    assert abs(after["ips"].value - before["ips"].value - 5) > 0.01
    width = before["snips"].high - before["snips"].low
    assert after["snips"].high - after["snips"].low == pytest.approx(width)


def test_the_loggers_own_value_is_the_mean_reward_exactly() -> None:
    rounds, _, _ = contextual_log(1001, seed=3)
    found = evaluate(replace(rounds, log_policy=rounds.log_propensities)).estimates
    for name in ("ips", "clipped_ips", "snips"):
        assert found[name].value == rounds.rewards.mean()
    for name in PER_SESSION:
        assert found[name].value == pytest.approx(rounds.rewards.sum() / 501)


def test_the_correction_of_a_right_reward_model_has_mean_zero() -> None:
    corrections = []
    for seed in range(50):
        rounds, _, _ = contextual_log(1000, seed=seed)
        found = evaluate(rounds, resamples=2).estimates
        corrections.append(found["dr"].value - found["dm"].value)
    mean, error = np.mean(corrections), np.std(corrections) / math.sqrt(50)
    assert abs(mean) < 3 * error
    rounds, contexts, actions = contextual_log(1000, seed=0)
    certain = evaluate(replace(rounds, rewards=REWARDS[contexts, actions])).estimates
    assert certain["dr"].value == certain["dm"].value


def test_a_wrong_reward_model_misleads_the_direct_method_alone() -> None:
    rounds, contexts, actions = contextual_log(20_000, seed=4)
    wrong = 1 - REWARDS
    found = evaluate(
        replace(
            rounds,
            logged_reward_model=wrong[contexts, actions],
            policy_reward_model=(POLICY * wrong).sum(1)[contexts],
        )
    ).estimates
    assert abs(found["dm"].value - exact_value()) > 0.1
    for name in ("dr", "sndr", "switch_dr"):
        assert found[name].low - 0.01 < exact_value() < found[name].high + 0.01


WEIGHTS = np.array([2.0, 0.5, 0.0, 1.5])
REWARD = np.array([1.0, 0.0, 1.0, 1.0])
GUESS = np.array([0.5, 0.25, 0.5, 0.75])
POLICY_GUESS = np.array([0.4, 0.4, 0.6, 0.6])
ONES = np.ones(4)


@pytest.mark.parametrize(
    ("ratios", "by_hand"),
    [
        (ips(WEIGHTS, REWARD), 3.5 / 4),
        (clipped_ips(WEIGHTS, REWARD, 1.0), 2.0 / 4),
        (snips(WEIGHTS, REWARD, ONES), 3.5 / 4),
        (snips(WEIGHTS[:2], REWARD[:2], ONES[:2]), 2.0 / 2.5),
        (snips(WEIGHTS[:2], REWARD[:2], np.array([1.5, 2.5])), 2 * 2.0 / 2.5),
        (direct_method(POLICY_GUESS), 0.5),
        # w (r - q): 1, -0.125, 0, 0.375
        (doubly_robust(WEIGHTS, REWARD - GUESS, POLICY_GUESS), 0.5 + 1.25 / 4),
        (
            self_normalised_doubly_robust(WEIGHTS, REWARD - GUESS, POLICY_GUESS, ONES),
            0.5 + 1.25 / 4,
        ),
        (switch_doubly_robust(WEIGHTS, REWARD - GUESS, POLICY_GUESS, 1.5), 0.5 + 0.25 / 4),
    ],
)  # fmt: skip
def test_estimators_by_hand(ratios: Ratios, by_hand: float) -> None:
    assert sum(ratio.value for ratio in ratios) == pytest.approx(by_hand)


def test_overlap_by_hand() -> None:
    with np.errstate(divide="ignore"):
        found = measure_overlap(np.log([1.0, 3.0, 0.0, 4.0]), np.array([0, 0, 1, 1]), 3.5)
    assert found.effective_sample_size == pytest.approx(64 / 26)
    assert found.effective_sessions == pytest.approx(2)
    assert (found.mean_weight, found.largest_weight) == (pytest.approx(2), pytest.approx(4))
    assert (found.clipped_share, found.outside_share) == (0.25, 0.25)
    assert found.mean_weight_error == pytest.approx(0)


@pytest.mark.parametrize("log_weight", [400.0, 800.0])
def test_weights_whose_squares_overflow_are_worth_one_round(log_weight: float) -> None:
    """As products of a long session's weights: no warning, and an honest effective sample."""
    found = measure_overlap(np.array([log_weight, 0.0, 0.0]), np.array([0, 1, 2]), 20.0)
    assert found.effective_sample_size == pytest.approx(1)
    assert found.effective_sessions == pytest.approx(1)
    assert not np.isfinite(found.mean_weight_error)


def two_step_log(copies: int) -> tuple[Rounds, float]:
    """Each path through two steps as often as the logger takes it, and the policy's exact value.

    The first action 0 ends the session; after action 1 there is a second choice. Logger (1/2, 1/2)
    and then (1/4, 3/4), policy (0.2, 0.8) and then (0.7, 0.3).
    """
    paths = [(0,)] * 4 + [(1, 0)] * 1 + [(1, 1)] * 3
    logger, policy = ((0.5, 0.5), (0.25, 0.75)), ((0.2, 0.8), (0.7, 0.3))
    reward = {(0,): 1.0, (1,): 2.0, (1, 0): 10.0, (1, 1): -4.0}
    rows = [
        (
            math.log(policy[step][path[step]]),
            math.log(logger[step][path[step]]),
            reward[path[: step + 1]],
            session,
            step,
        )
        for session, path in enumerate(paths * copies)
        for step in range(len(path))
    ]
    discounted = 0.2 * 1 + 0.8 * (2 + 0.9 * (0.7 * 10 + 0.3 * -4))
    return Rounds(*(np.array(column) for column in zip(*rows, strict=True))), discounted


def test_per_decision_is_the_exact_value_of_two_steps() -> None:
    rounds, value = two_step_log(copies=100)
    found = evaluate(rounds, discount=0.9)
    assert found.estimates["pdis"].value == pytest.approx(value)
    # The sessions that ended at once count in the second step's weights, which then sum to 1.
    assert found.estimates["snpdis"].value == pytest.approx(value)
    assert found.session_overlap is not None
    assert found.session_overlap.mean_weight == pytest.approx(1)


def test_order_of_rounds_does_not_matter() -> None:
    rounds, _ = two_step_log(copies=50)
    shuffled = np.random.default_rng(0).permutation(len(rounds.rewards))
    columns = ("log_policy", "log_propensities", "rewards", "sessions", "positions")
    other = Rounds(*(getattr(rounds, name)[shuffled] for name in columns))
    expected = evaluate(rounds).estimates
    for name, estimate in evaluate(other).estimates.items():
        assert estimate.value == pytest.approx(expected[name].value)
        assert (estimate.low, estimate.high) == pytest.approx(
            (expected[name].low, expected[name].high)
        )


@pytest.mark.parametrize("set_size", [2, 3])
def test_sets_have_the_summed_value_of_their_items(set_size: int) -> None:
    rounds, contexts, _ = contextual_log(40_000, seed=5)
    alpha = 1 - (1 - POLICY) ** set_size
    truth = float(CONTEXTS @ (alpha * REWARDS).sum(1))
    found = evaluate(
        replace(
            rounds,
            policy_reward_model=(alpha * REWARDS).sum(1)[contexts],
            expected_set_sizes=alpha.sum(1)[contexts],
        ),
        set_size=set_size,
        cap=math.inf,
        resamples=200,
    )
    assert set(found.missing) == set(PER_SESSION)
    for name, estimate in found.estimates.items():
        assert estimate.value == pytest.approx(truth, rel=0.02), name
        assert estimate.value != pytest.approx(exact_value(), rel=0.2)
    assert found.overlap.mean_weight == pytest.approx(alpha.sum(1) @ CONTEXTS, rel=0.02)
    unknown = evaluate(rounds, set_size=set_size, resamples=200)
    assert "size" in unknown.missing["snips"] and "ips" in unknown.estimates


@pytest.mark.parametrize(("pi", "k", "alpha"), [(0.1, 2, 0.19), (0.01, 16, 0.14854), (1, 16, 1)])
def test_probability_of_being_in_a_set(pi: float, k: int, alpha: float) -> None:
    assert np.exp(log_set_probability(np.log([pi]), k))[0] == pytest.approx(alpha, abs=1e-4)


def test_a_set_probability_keeps_its_digits_where_it_is_small() -> None:
    assert log_set_probability(np.array([-600.0, -np.inf]), 16) == pytest.approx(
        [-600 + math.log(16), -np.inf]
    )


def test_actions_that_the_policy_never_takes_weigh_nothing() -> None:
    policy = POLICY.copy()
    policy[:, 2] = 0
    policy /= policy.sum(1, keepdims=True)
    rounds, _, actions = contextual_log(20_000, seed=10, policy=policy)
    found = evaluate(rounds)
    assert found.overlap.outside_share == pytest.approx((actions == 2).mean())
    estimate = found.estimates["ips"]
    assert estimate.low < exact_value(policy) < estimate.high
    assert np.isfinite([found.estimates[name].value for name in PER_SESSION]).all()


def test_clip_sweep_rises_to_ips_as_fewer_weights_are_clipped() -> None:
    rounds, _, _ = contextual_log(3000, seed=11)
    found = evaluate(rounds, cap=math.e)
    values = [point.value for point in found.clip_sweep]
    shares = [point.clipped_share for point in found.clip_sweep]
    assert values == sorted(values) and shares == sorted(shares, reverse=True)
    assert shares[0] > 0.1 and shares[-1] == 0
    assert values[-1] == found.estimates["ips"].value
    assert found.clip_sweep[1].value == found.estimates["clipped_ips"].value
    assert found.clip_sweep[1].clipped_share == found.overlap.clipped_share
