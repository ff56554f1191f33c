"""Every known fault of TOCR, put into the real code, is caught; the real code passes each check.

A mutant that has a fixed point of its own must land there: it is the fault, and not merely broken.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from experiments.published import paper_policies
from experiments.published.paper_policies import OFF_POLICY, TOP_K, Objective, Simulation
from models.common.policy import importance_weights
from models.tocr import Tocr, TocrConfig
from tests.models.logs import make_log, trained, weights
from tests.models.tocr import tocr_mutants as mutants
from tests.models.tocr.tocr_mutants import Mutant

E3 = math.e**3
SIMULATIONS = {"6.1.1": OFF_POLICY, "6.1.2": TOP_K}
NAIVE = {
    "6.1.1": [i * (11 - i) / 220 for i in range(1, 11)],
    "6.1.2": [10 / 27, 9 / 27, *[1 / 27] * 8],
}


def learnt(simulation: Simulation, k: int) -> Tensor:
    """Policy without cap from logits near zero; all equal, some faults could not choose."""
    start = torch.randn(10, generator=torch.Generator().manual_seed(1), dtype=torch.float64) / 100
    return paper_policies.descend(
        # Looked up now, so that it may be a mutant.
        lambda logits: paper_policies.policy_gradient(logits, simulation, Objective(k=k)),
        n_steps=200,
        start=start,
    )


def config(**options: Any) -> TocrConfig:
    return TocrConfig(
        **(
            {
                "width": 6,
                "dropout_embedding": 0.0,
                "dropout_hidden": 0.0,
                "learning_rate": 0.1,
                "truncation": 2,
            }
            | options
        )
    )


def probabilities(model: Tocr, log: Any, head: str) -> Tensor:
    """What a head gives each item after every prefix, (n_prefixes, n_items)."""
    states = torch.from_numpy(model.factors(log).states)
    return torch.softmax(states @ weights(model)[head].T, dim=1)


def later_and_earlier(k: int) -> tuple[float, float]:
    """Policy of the last and of the middle action of "sab", logged alone; returns are 1 and 2."""
    log = make_log(["sab"] * 4)
    options = config(epochs=60, batch_size=4, discount=1.0, K=k)
    after = probabilities(trained(Tocr, options, log)[0], make_log(["sab"]), "policy")
    return float(after[1, 1]), float(after[0, 0])


def cloned_shares() -> list[float]:
    """What cross-entropy over drawn negatives learns of b and c, logged nine times and once."""
    log = make_log(["ab"] * 9 + ["ac"], catalogue="abc")
    options = config(
        epochs=100, batch_size=10, reward_weighted=False, off_policy=False, K=1,
        full_softmax_items=1, negatives=64, negative_alpha=1.0,
    )  # fmt: skip
    one = make_log(["ab"], catalogue="abc")
    shares: list[float] = probabilities(trained(Tocr, options, log)[0], one, "policy")[0].tolist()
    return shares[1:]


def check_simulation(name: str, k: int) -> None:
    """O10, O12: the uncapped policy is the closed form's."""
    exact = paper_policies.fixed_point(SIMULATIONS[name], Objective(k=k))
    np.testing.assert_allclose(learnt(SIMULATIONS[name], k), exact, rtol=0, atol=0.01)


def check_cap(k: int) -> None:
    """O4: a ratio of 100 counts e^3, and lambda_K comes after."""
    log_pi = torch.tensor([0.1], dtype=torch.float64).log()
    weight = importance_weights.action_weight(log_pi, log_pi - math.log(100), k=k, cap=E3)
    np.testing.assert_allclose(weight, [E3 * k * 0.9 ** (k - 1)], rtol=1e-6)


def check_policy_loss_leaves_the_behaviour_head(k: int) -> None:
    """O6: other rewards are another L_pi of the same actions, and the same head, bitwise."""
    heads = []
    for rewards in ([0, 1, 0, 0, 1, 0, 1, 0], [0, 0, 5, 1, 0, 0, 1, 1]):
        log = make_log(["abcde", "bca"], rewards=rewards)
        options = config(epochs=1, truncation=16, zero_reward_in_state=True, K=k)
        heads.append(weights(trained(Tocr, options, log)[0])["behaviour"])
    assert torch.equal(*heads)


def check_sampled_softmax() -> None:
    """O21: negatives that are drawn by support do not change what is learnt."""
    np.testing.assert_allclose(cloned_shares(), [0.9, 0.1], atol=0.03)


def check_positive_returns_raise_actions(k: int) -> None:
    """Both actions have a return above 0, so the policy takes to both."""
    later, earlier = later_and_earlier(k)
    assert later > 0.6
    assert earlier > 0.6


Check = Callable[[], None]
CAUGHT: dict[str, tuple[Check, Mutant]] = {
    **{
        f"{fault}-{name}-K{k}": (partial(check_simulation, name, k), mutant)
        for name in SIMULATIONS
        for fault, mutant, ks in (
            ("F1", mutants.F1, (1, 2)),
            ("F1b", mutants.F1B, (1, 2)),
            ("F2", mutants.F2, (1, 2)),
            ("O14", mutants.O14, (1, 2)),
            ("F12", mutants.F12, (2, 16)),
        )
        for k in ks
    },
    **{
        f"{fault}-K{k}": (partial(check, k), mutant)
        for fault, check, mutant, ks in (
            ("F3", check_policy_loss_leaves_the_behaviour_head, mutants.F3, (1, 2)),
            ("F8", check_positive_returns_raise_actions, mutants.F8, (1, 2)),
            ("F11-product", check_cap, mutants.F11_PRODUCT, (2, 16)),
            ("F11-none", check_cap, mutants.F11_NONE, (1, 2, 16)),
        )
        for k in ks
    },
    "F7": (check_sampled_softmax, mutants.F7),
}
CHECKS = {
    f"{check.func.__name__}{check.args}" if isinstance(check, partial) else check.__name__: check
    for check, _ in CAUGHT.values()
}


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
def test_the_real_code_passes(check: Check) -> None:
    check()


@pytest.mark.parametrize(("check", "mutant"), CAUGHT.values(), ids=CAUGHT)
def test_the_mutant_is_caught(check: Check, mutant: Mutant) -> None:
    with mutant.installed(), pytest.raises(AssertionError):
        check()


@pytest.mark.parametrize(
    ("mutant", "name", "k", "own"),
    [
        *[(mutants.F1, name, k, NAIVE[name]) for name in SIMULATIONS for k in (1, 2)],
        (mutants.F1B, "6.1.1", 1, [0.0815, 0.095, 0.1036, 0.1088, 0.1112]),
        (mutants.F1B, "6.1.1", 2, [0.0761, 0.0933, 0.1044, 0.1114, 0.1148]),
        (mutants.F1B, "6.1.2", 1, [0.1763, 0.1689, *[0.0819] * 8]),
        (mutants.F1B, "6.1.2", 2, [0.2326, 0.2138, *[0.0692] * 8]),
        (mutants.F2, "6.1.1", 1, [1.0, *[0.0] * 9]),
        (mutants.F2, "6.1.1", 2, [1.0, *[0.0] * 9]),
        (mutants.F2, "6.1.2", 1, [0.0, 0.0]),
        (mutants.F2, "6.1.2", 2, [0.0, 0.0]),
        (mutants.F12, "6.1.2", 2, [11 / 19, 8 / 19, *[0.0] * 8]),
        (mutants.O14, "6.1.1", 1, NAIVE["6.1.1"]),
        (mutants.O14, "6.1.2", 1, NAIVE["6.1.2"]),
        (mutants.O14, "6.1.2", 2, [0.3265, 0.3037, *[0.0462] * 8]),
    ],
)
def test_the_mutant_lands_where_its_fault_lands(
    mutant: Mutant, name: str, k: int, own: list[float]
) -> None:
    with mutant.installed():
        policy = learnt(SIMULATIONS[name], k)
    np.testing.assert_allclose(policy[: len(own)], own, rtol=0, atol=1e-3)


@pytest.mark.parametrize("mutant", [mutants.F11_PRODUCT, mutants.F12], ids=["F11", "F12"])
def test_other_places_of_lambda_and_cap_are_right_without_top_k(mutant: Mutant) -> None:
    with mutant.installed():
        check_cap(1)
        check_simulation("6.1.2", 1)


@pytest.mark.parametrize("k", [1, 2])
def test_an_attached_denominator_lets_the_policy_loss_raise_the_behaviour(k: int) -> None:
    log_pi = torch.tensor([0.3], dtype=torch.float64).log()
    log_beta = torch.tensor([0.2], dtype=torch.float64).log().requires_grad_()
    weight = mutants.attached_denominator(log_pi, log_beta, k=k, cap=E3)
    (gradient,) = torch.autograd.grad(-weight * log_pi, log_beta)
    expected = 1.5 * k * 0.7 ** (k - 1) * math.log(0.3)
    assert float(gradient) == pytest.approx(expected)
    assert expected < 0


@pytest.mark.parametrize("k", [1, 2])
def test_normalised_returns_drive_the_later_action_to_zero(k: int) -> None:
    with mutants.F8.installed():
        later, _ = later_and_earlier(k)
    assert later < 0.05


def test_without_log_q_the_shares_are_those_of_the_faulty_loss() -> None:
    """Per update b is drawn 28.8 and c 3.2 times, so t = pi(b) / pi(c) solves t^2 = 25.6 t + 1."""
    ratio = 12.8 + math.sqrt(12.8**2 + 1)
    with mutants.F7.installed():
        shares = cloned_shares()
    np.testing.assert_allclose(shares, [ratio / (1 + ratio), 1 / (1 + ratio)], atol=0.01)
