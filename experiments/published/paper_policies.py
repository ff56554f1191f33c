"""Policies over ten actions without a state (Chen et al. 2019, section 6.1), learnt and exact.

They are learnt with the importance weights of `models.tocr`; the fixed points are closed forms.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from models.common.policy import importance_weights

N_ACTIONS = 10
DESCENT_STEPS = 2000
"""Actions that die do so like 1 / steps, so the steps set how near the policy comes."""
BATCH_SIZE = 64


@dataclass(frozen=True)
class Simulation:
    """What each action pays and how often the logger takes it."""

    rewards: Tensor
    """r, float64 (10,)."""
    behaviour: Tensor
    """beta, float64 (10,)."""


@dataclass(frozen=True)
class Objective:
    """Which correction is on."""

    k: int = 1
    cap: float = math.inf
    off_policy: bool = True


Gradient = Callable[[Tensor], Tensor]
"""Of logits (10,): the gradient of the loss, (10,)."""

NUMBERS = torch.arange(1, N_ACTIONS + 1, dtype=torch.float64)
OFF_POLICY = Simulation(rewards=NUMBERS, behaviour=(11 - NUMBERS) / 55)
TOP_K = Simulation(
    rewards=torch.tensor([10.0, 9.0] + [1.0] * 8, dtype=torch.float64),
    behaviour=torch.full((N_ACTIONS,), 0.1, dtype=torch.float64),
)


def policy_gradient(
    logits: Tensor, simulation: Simulation, objective: Objective, shares: Tensor | None = None
) -> Tensor:
    """Gradient of the mean loss of a batch of logged actions, by `tocr`'s weight.

    Args:
        logits: theta, (10,).
        simulation: rewards and logger.
        objective: K, cap, and whether the ratio is used.
        shares: share of each action in the batch, (10,); None: beta, the expected gradient.
    """
    theta = logits.detach().requires_grad_()
    log_pi = torch.log_softmax(theta, dim=0)
    weight = importance_weights.action_weight(
        log_pi,
        simulation.behaviour.log(),
        k=objective.k,
        cap=objective.cap,
        off_policy=objective.off_policy,
    )
    losses = -weight * simulation.rewards * log_pi
    loss = ((simulation.behaviour if shares is None else shares) * losses).sum()
    return torch.autograd.grad(loss, theta)[0]


def descend(
    gradient: Gradient, *, n_steps: int = DESCENT_STEPS, start: Tensor | None = None
) -> Tensor:
    """Policy that gradient descent with momentum reaches from `start` (None: zeros), (10,)."""
    logits = torch.zeros(N_ACTIONS, dtype=torch.float64) if start is None else start.clone()
    velocity = torch.zeros_like(logits)
    for _ in range(n_steps):
        velocity = 0.9 * velocity - 0.2 * gradient(logits)
        logits = logits + velocity
        if float(velocity.abs().max()) < 1e-9:
            break
    return torch.softmax(logits, dim=0)


def sampled_descent(
    simulation: Simulation, objective: Objective, *, n_steps: int, seed: int
) -> Tensor:
    """Mean policy over the second half of plain SGD on batches of 64 logged actions, (10,)."""
    counts = np.random.default_rng(seed).multinomial(
        BATCH_SIZE, simulation.behaviour.numpy(), size=n_steps
    )
    logits = torch.zeros(N_ACTIONS, dtype=torch.float64)
    total = torch.zeros_like(logits)
    for step, shares in enumerate(torch.from_numpy(counts / BATCH_SIZE)):
        logits = logits - 0.02 * policy_gradient(logits, simulation, objective, shares)
        if step >= n_steps // 2:
            total += torch.softmax(logits, dim=0)
    return total / total.sum()


def naive_fixed_point(simulation: Simulation) -> Tensor:
    """pi proportional to r beta: what the loss without correction learns."""
    weighted = simulation.rewards * simulation.behaviour
    return weighted / weighted.sum()


def capped_fixed_point(simulation: Simulation, cap: float) -> Tensor:
    """Where K = 1 with the ratio min(pi / beta, cap) ends; no cap: all to the best action.

    In a fixed point r min(1, cap beta / pi) has one value S over all living actions. So those that
    pay more than S are capped, pi = cap beta r / S, those that pay less die, and the one that pays
    S, if there is one, takes what is left.
    """
    mass = cap * simulation.behaviour * simulation.rewards

    def policy(level: float) -> Tensor:
        return torch.where(simulation.rewards > level, mass / level, 0.0)

    level = root(lambda level: float(policy(level).sum()) - 1, float(simulation.rewards.max()))
    capped = policy(level)
    capped[(simulation.rewards - level).abs().argmin()] += 1 - capped.sum()
    return capped


def top_k_fixed_point(simulation: Simulation, k: int) -> Tensor:
    """Where the uncapped loss ends for K > 1: water filling.

    pi = max(0, 1 - (mu / (K r))^(1 / (K - 1))), with mu such that the sum is 1.
    """

    def policy(mu: float) -> Tensor:
        return (1 - (mu / (k * simulation.rewards)) ** (1 / (k - 1))).clamp(min=0)

    return policy(root(lambda mu: float(policy(mu).sum()) - 1, float(k * simulation.rewards.max())))


def root(falling: Callable[[float], float], high: float) -> float:
    """Where a falling function leaves the positive numbers between 0 and `high`."""
    low = 0.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
    return high


def fixed_point(simulation: Simulation, objective: Objective) -> Tensor:
    """The policy that a run of this experiment should reach, (10,)."""
    if not objective.off_policy:
        return naive_fixed_point(simulation)
    if objective.k == 1:
        return capped_fixed_point(simulation, objective.cap)
    if math.isfinite(objective.cap):
        raise ValueError("for K > 1 with a cap there is no closed form here")
    return top_k_fixed_point(simulation, objective.k)


@dataclass(frozen=True)
class Learnt:
    """One run."""

    name: str
    objective: Objective
    policy: Tensor
    """By expected gradients, (10,)."""
    sampled: Tensor | None
    """By SGD on sampled batches, (10,)."""
    exact: Tensor
    """The fixed point, (10,)."""


def learn(
    simulation: Simulation,
    runs: Mapping[str, Objective],
    *,
    n_steps: int = DESCENT_STEPS,
    sampled_steps: int = 0,
) -> list[Learnt]:
    """Run every objective, by expected gradients and for `sampled_steps` by samples."""
    learnt = []
    for seed, (name, objective) in enumerate(runs.items()):
        gradient = partial(policy_gradient, simulation=simulation, objective=objective)
        policy = descend(gradient, n_steps=n_steps)
        sampled = None
        if sampled_steps:
            sampled = sampled_descent(simulation, objective, n_steps=sampled_steps, seed=seed)
        learnt.append(Learnt(name, objective, policy, sampled, fixed_point(simulation, objective)))
    return learnt


def expected_reward(policy: Tensor, simulation: Simulation) -> float:
    """Mean reward of one draw."""
    return float((policy * simulation.rewards).sum())


def set_value(policy: Tensor, simulation: Simulation, k: int) -> float:
    """Mean total reward of the set that K draws make, the sum of alpha_K r (section 4.3)."""
    return float((importance_weights.top_k_inclusion(policy.log(), k) * simulation.rewards).sum())
