"""What theory says of TOCR where the behaviour is known, and which loss moves the state."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from experiments.published.paper_policies import (
    OFF_POLICY,
    Objective,
    Simulation,
    descend,
    policy_gradient,
)
from models.reinforce import Reinforce, ReinforceConfig
from models.tocr import Tocr, TocrConfig
from tests.models.logs import random_log, weights

CONSTANT = Simulation(rewards=torch.full((10,), 3.0).double(), behaviour=OFF_POLICY.behaviour)
"""One reward for all actions, as clicks have."""


@pytest.mark.parametrize("seed", range(5))
def test_with_one_reward_for_all_the_corrected_gradient_is_zero(seed: int) -> None:
    logits = 3 * torch.randn(10, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    assert policy_gradient(logits, CONSTANT, Objective()).abs().max() < 1e-12
    uncorrected = policy_gradient(logits, CONSTANT, Objective(off_policy=False))
    assert uncorrected.abs().max() > 0.1


@pytest.mark.parametrize(
    ("objective", "uniform"),
    [
        (Objective(k=2), True),
        (Objective(k=16), True),
        (Objective(cap=0.5), False),
        (Objective(cap=1.0), False),
        (Objective(off_policy=False), False),
    ],
    ids=["K2", "K16", "cap0.5", "cap1", "naive"],
)
def test_with_one_reward_for_all_the_policy_is_uniform_or_the_logger_s(
    objective: Objective, uniform: bool
) -> None:
    start = torch.randn(10, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    policy = descend(
        lambda logits: policy_gradient(logits, CONSTANT, objective), n_steps=600, start=start
    )
    expected = torch.full_like(policy, 0.1) if uniform else CONSTANT.behaviour
    torch.testing.assert_close(policy, expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("full_softmax_items", [1, 2048], ids=["sampled", "full"])
def test_beside_the_behaviour_loss_state_and_policy_step_bitwise_as_without_it(
    full_softmax_items: int,
) -> None:
    """`reinforce` is the policy loss alone, with no behaviour head in the network."""
    log = random_log(30, n_items=9, longest=12, seed=3)
    options: dict[str, Any] = {
        "width": 6, "epochs": 1, "full_softmax_items": full_softmax_items, "negatives": 5,
        "dropout_embedding": 0.0, "dropout_hidden": 0.0,
    }  # fmt: skip
    both = Tocr(TocrConfig(**options, off_policy=False, K=1), seed=1, device="cpu")
    alone = Reinforce(ReinforceConfig(**options), seed=1, device="cpu")
    for model in (both, alone):
        assert not next(iter(model.fit(log))).epoch_ended
    after = weights(both)
    for name, value in weights(alone).items():
        assert torch.equal(after[name], value), name
    untrained = Tocr(
        TocrConfig(**options, off_policy=False, K=1, learning_rate=1e-30), seed=1, device="cpu"
    )
    next(iter(untrained.fit(log)))
    for name, value in weights(untrained).items():
        assert not torch.equal(after[name], value), name
