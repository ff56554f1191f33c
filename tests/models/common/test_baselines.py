"""Negative rewards, and the baseline that keeps TOCR's loss bounded where there are any."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from experiments.published.paper_policies import OFF_POLICY, Objective, Simulation, policy_gradient
from models.common.policy.baselines import RUNNING_RATE, Baseline, BaselineKind
from models.common.policy.importance_weights import top_k_inclusion
from models.reinforce import Reinforce
from models.tocr import Tocr, TocrConfig
from models.tocr_replica import TocrReplica
from models.weighted_likelihood import WeightedLikelihood
from tests.models.logs import make_log, random_log, trained, weights

MIXED = make_log(["abcda", "bcd"] * 10, rewards=[0, 1, -1, 0, 2, 0, 1, -3] * 10)
SMALL: dict[str, Any] = {"width": 6, "dropout_embedding": 0.0, "dropout_hidden": 0.0}


@pytest.mark.parametrize(
    ("model_class", "name"),
    [
        (Tocr, "tocr"),
        (Reinforce, "reinforce"),
        (WeightedLikelihood, "weighted_likelihood"),
        (TocrReplica, "tocr_replica"),
    ],
)
def test_negative_rewards_are_refused_before_training(model_class: Any, name: str) -> None:
    model = model_class(model_class.Config(), seed=1, device="cpu")
    with pytest.raises(ValueError) as caught:
        next(iter(model.fit(MIXED)))
    assert str(caught.value) == (
        "20 of 80 training events have a negative reward, from which "
        f"{name} cannot learn without a baseline; "
        "use tocr with baseline=mean, rewards of 0 or more, or --reward all"
    )


@pytest.mark.parametrize("baseline", ["mean", "running"])
@pytest.mark.parametrize("options", [{}, {"full_softmax_items": 1, "negatives": 3, "kl": 0.1}])
def test_with_a_baseline_negative_rewards_train(
    baseline: BaselineKind, options: dict[str, Any]
) -> None:
    config = TocrConfig(**SMALL, **options, epochs=40, baseline=baseline)
    model, progress = trained(Tocr, config, MIXED)
    assert np.isfinite([p.loss for p in progress]).all()
    assert all(torch.isfinite(value).all() for value in weights(model).values())


@pytest.mark.parametrize("baseline", ["mean", "running"])
def test_the_policy_leaves_what_is_punished_for_what_is_not(baseline: BaselineKind) -> None:
    """After a come b, c and d, which pay 0, -1 and -2; the logger has b least."""
    log = make_log(
        ["ab", *["ac"] * 2, *["ad"] * 4] * 6,
        rewards=[0, 0, *[0, -1] * 2, *[0, -2] * 4] * 6,
        catalogue="abcd",
    )
    config = TocrConfig(
        **SMALL, epochs=200, batch_size=42, truncation=1, K=1, discount=0.0, baseline=baseline,
        zero_reward_in_state=True,
    )  # fmt: skip
    model, _ = trained(Tocr, config, log)
    logits = torch.from_numpy(model.score(make_log(["ab"], catalogue="abcd")))
    assert torch.softmax(logits, dim=1)[0, 1] > 0.9


def without(constant: float) -> Simulation:
    return Simulation(OFF_POLICY.rewards - constant, OFF_POLICY.behaviour)


@pytest.mark.parametrize("constant", [4.0, -3.0])
def test_a_constant_baseline_leaves_the_expected_corrected_gradient(constant: float) -> None:
    logits = 2 * torch.randn(10, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    gradient = policy_gradient(logits, OFF_POLICY, Objective())
    shifted = policy_gradient(logits, without(constant), Objective())
    torch.testing.assert_close(shifted, gradient, rtol=0, atol=1e-12)
    assert gradient.abs().max() > 0.1
    naive = Objective(off_policy=False)
    change = policy_gradient(logits, without(constant), naive) - policy_gradient(
        logits, OFF_POLICY, naive
    )
    assert change.abs().max() > 0.1


def test_with_top_k_a_baseline_charges_for_the_distinct_items_of_the_set() -> None:
    """The change of the gradient is that of b times sum alpha, the expected size of the set."""
    logits = torch.randn(10, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    objective = Objective(k=3)
    change = policy_gradient(logits, without(4.0), objective) - policy_gradient(
        logits, OFF_POLICY, objective
    )
    theta = logits.requires_grad_()
    size = 4 * top_k_inclusion(torch.log_softmax(theta, dim=0), 3).sum()
    torch.testing.assert_close(change, torch.autograd.grad(size, theta)[0], rtol=0, atol=1e-12)


def test_a_mean_baseline_lowers_the_variance_of_the_gradient() -> None:
    """Over batches of one logged action, at the uniform policy."""
    logits = torch.zeros(10, dtype=torch.float64)

    def variance(simulation: Simulation) -> float:
        actions = torch.eye(10, dtype=torch.float64)
        of_action = [policy_gradient(logits, simulation, Objective(), one) for one in actions]
        gradients = torch.stack(of_action)
        mean = simulation.behaviour @ gradients
        return float(simulation.behaviour @ (gradients - mean).square().sum(dim=1))

    mean_reward = float(OFF_POLICY.behaviour @ OFF_POLICY.rewards)
    assert variance(without(mean_reward)) < 0.5 * variance(OFF_POLICY)


def test_the_mean_is_that_of_training_actions_and_not_of_first_events() -> None:
    log = make_log(["abc", "ab"])
    returns = np.array([100, 1, 2, 100, 6], dtype=np.float32)
    baseline = Baseline("mean", log, returns)
    for _ in range(2):
        np.testing.assert_array_equal(baseline.advantages(returns[[1, 4]]), [-2, 3])
    np.testing.assert_array_equal(Baseline("none", log, returns).advantages(returns), returns)


def test_the_running_mean_is_of_the_batches_before() -> None:
    baseline = Baseline("running", make_log(["abc"]), np.zeros(3, dtype=np.float32))
    batches = [np.array([value, value + 2], dtype=np.float32) for value in (1, 3, 5)]
    found = [baseline.advantages(batch).tolist() for batch in batches]
    assert found == [[1, 3], [1, 3], [2, 4]]
    assert baseline.advantages(np.empty(0, dtype=np.float32)).tolist() == []
    for _ in range(1000):
        baseline.advantages(np.zeros(1, dtype=np.float32))
    baseline.advantages(np.ones(1, dtype=np.float32))
    last = baseline.advantages(np.zeros(1, dtype=np.float32))
    np.testing.assert_allclose(last, [-RUNNING_RATE], atol=1e-3)


def test_an_action_without_reward_counts_as_a_return_of_zero() -> None:
    """Whatever comes after it, as without a baseline it is no part of the loss."""
    log = random_log(20, n_items=6, longest=8, seed=3)
    rewards = np.zeros_like(log.rewards)
    rewards[log.offsets[1:] - 1] = 1
    last_alone = replace(log, rewards=rewards)
    options: dict[str, Any] = {**SMALL, "epochs": 1, "baseline": "mean"}
    now, later = (
        weights(trained(Tocr, TocrConfig(**options, discount=discount), last_alone)[0])["policy"]
        for discount in (0.0, 0.9)
    )
    assert torch.equal(now, later)


@pytest.mark.parametrize("options", [{"off_policy": False}, {"reward_weighted": False}])
def test_a_baseline_without_the_ratio_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(
        ValueError, match=r"^baseline=mean needs off_policy=true and reward_weighted"
    ):
        TocrConfig(**options, baseline="mean")
