"""Faults of public copies of TOCR, as small replacements of what `models.tocr` calls.

Each is one row of a list of faults in other people's code. In the simulation of section 6.1 the
weight gets all ten actions, each once, so that what a copy draws is replaced by its expectation.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from experiments.published.paper_policies import Objective, Simulation
from models.common.policy import importance_weights
from models.common.policy.importance_weights import top_k_factor, top_k_inclusion
from models.common.policy.returns import rewarded_returns
from models.common.sampling.sampled_softmax import draw_log_weights


@dataclass(frozen=True)
class Mutant:
    """One fault: what it replaces, where it is looked up, and by what."""

    replacements: Mapping[str, Callable[..., Any]]
    """What stands in for what, by the name through which the code calls it."""

    @contextmanager
    def installed(self) -> Iterator[None]:
        """The code with this fault in it."""
        with ExitStack() as stack:
            for target, replacement in self.replacements.items():
                stack.enter_context(patch(target, replacement))
            yield


def weight_of_sampled_actions(
    log_pi: Tensor, log_beta: Tensor, *, k: int, cap: float, **_: Any
) -> Tensor:
    """F1: ratio and lambda_K at a' ~ pi and a'' ~ beta; the mean is n sum pi^2 lambda_K for all."""
    pi = log_pi.detach().exp()
    return torch.full_like(pi, float(len(pi) * (pi**2 * top_k_factor(pi.log(), k)).sum()))


def attached_weight_of_sampled_actions(
    log_pi: Tensor, log_beta: Tensor, *, k: int, cap: float, **_: Any
) -> Tensor:
    """F1b: the same with nothing detached; what is drawn from pi has no gradient by its drawing."""
    pi = log_pi.exp()
    factor = k * (1 - pi) ** (k - 1)
    return (len(pi) * (pi.detach() * pi * factor).sum()).expand(len(pi))


def attached_denominator(
    log_pi: Tensor, log_beta: Tensor, *, k: int, cap: float, **_: Any
) -> Tensor:
    """F3: L_pi is minimised over the behaviour head too."""
    ratio = torch.exp(log_pi.detach() - log_beta).clamp(max=cap)
    return ratio * top_k_factor(log_pi.detach(), k)


@torch.no_grad()
def capped_product(log_pi: Tensor, log_beta: Tensor, *, k: int, cap: float, **_: Any) -> Tensor:
    """F11: the cap acts on the ratio times lambda_K."""
    return (torch.exp(log_pi - log_beta) * top_k_factor(log_pi, k)).clamp(max=cap)


@torch.no_grad()
def uncapped(log_pi: Tensor, log_beta: Tensor, *, k: int, cap: float, **_: Any) -> Tensor:
    """F11: no cap."""
    return torch.exp(log_pi - log_beta) * top_k_factor(log_pi, k)


@torch.no_grad()
def inclusion_ratio(log_pi: Tensor, log_beta: Tensor, *, k: int, cap: float, **_: Any) -> Tensor:
    """F12: alpha / beta before the gradient of log pi instead of that of log alpha."""
    return (top_k_inclusion(log_pi, k) / log_beta.exp()).clamp(max=cap)


def draw_weights_without_log_q(draws: Tensor, n_items: int, probabilities: Tensor) -> Tensor:
    """F7: each draw counts 1, however likely it was."""
    return draw_log_weights(draws, n_items, torch.full_like(probabilities, 1 / len(draws)))


def normalised_returns(*arguments: Any, **options: Any) -> tuple[Any, Any]:
    """F8: returns less their mean, over their standard deviation."""
    rewarded, returns = rewarded_returns(*arguments, **options)
    standardised = (returns - returns.mean()) / returns.std()
    return rewarded, standardised.astype(np.float32)


def gradient_with_subscript_j(
    logits: Tensor, simulation: Simulation, objective: Objective
) -> Tensor:
    """O14: the update of section 6.1.2 as printed, with pi(a_j) / beta(a_j) before theta_j."""
    log_pi = torch.log_softmax(logits, dim=0)
    pi, beta = log_pi.exp(), simulation.behaviour
    taken = beta * simulation.rewards * top_k_factor(log_pi, objective.k)
    return -(pi / beta) * (taken - pi * taken.sum())


WEIGHTS = (
    "models.tocr.action_weight",
    "models.common.policy.importance_weights.action_weight",
)
"""Where training and the simulation of section 6.1 look the weight up."""


def _weight(replacement: Callable[..., Any]) -> Mutant:
    return Mutant(dict.fromkeys(WEIGHTS, replacement))


F1 = _weight(weight_of_sampled_actions)
F1B = _weight(attached_weight_of_sampled_actions)
F2 = _weight(inspect.unwrap(importance_weights.action_weight))
"""The weight is not detached: the real code without its `no_grad`."""
F3 = _weight(attached_denominator)
F7 = Mutant({"models.common.sampling.sampled_softmax.draw_log_weights": draw_weights_without_log_q})
F8 = Mutant({"models.common.policy.returns.rewarded_returns": normalised_returns})
F11_PRODUCT = _weight(capped_product)
F11_NONE = _weight(uncapped)
F12 = _weight(inclusion_ratio)
O14 = Mutant({"experiments.published.paper_policies.policy_gradient": gradient_with_subscript_j})
