"""The correction of TOCR against the paper's formulas and worked values."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from models.common.policy.importance_weights import (
    action_weight,
    diagnostic_columns,
    diagnostics,
    top_k_factor,
    top_k_inclusion,
)
from models.common.policy.softmax_policy import SoftmaxPolicy
from models.common.sampling.sampled_softmax import ScoredItems
from models.tocr import TocrConfig

E3 = math.e**3


def log_of(*probabilities: float) -> Tensor:
    return torch.tensor(probabilities, dtype=torch.float64).log()


def close(actual: Tensor, expected: object, tolerance: float) -> None:
    expected = torch.as_tensor(expected, dtype=actual.dtype)
    torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)


def loss_gradient(
    logits: Tensor, action: int, *, log_beta: float, k: int, cap: float, returns: float = 1.0
) -> Tensor:
    """d L_pi / d logits for one logged action."""
    logits = logits.clone().requires_grad_()
    log_pi = torch.log_softmax(logits, dim=0)[action : action + 1]
    beta = torch.tensor([log_beta], dtype=logits.dtype)
    weight = action_weight(log_pi, beta, k=k, cap=cap)
    (-weight * returns * log_pi).sum().backward()
    assert logits.grad is not None
    return logits.grad


def test_top_k_factor_has_the_values_of_eq_8() -> None:
    close(top_k_factor(log_of(0, 0.1, 0.5, 1), 1), [1, 1, 1, 1], 0)
    close(top_k_factor(log_of(0, 0.1, 0.5, 1), 2), [2, 1.8, 1, 0], 1e-12)
    close(top_k_factor(log_of(0, 0.01, 0.1, 0.5, 1), 16), [16, 13.7609, 3.2943, 4.8828e-4, 0], 1e-4)


@given(st.floats(1e-6, 0.99), st.floats(1e-4, 0.009), st.integers(2, 64))
def test_top_k_factor_falls_as_the_policy_grows_surer(pi: float, more: float, k: int) -> None:
    lower, higher = top_k_factor(log_of(pi, pi + more), k)
    assert higher < lower


def test_top_k_inclusion_has_the_values_of_section_4_3() -> None:
    close(top_k_inclusion(log_of(0.1), 2), [0.19], 1e-12)
    close(top_k_inclusion(log_of(0.01, 0.1), 16), [0.14854, 0.81470], 1e-4)
    close(top_k_inclusion(log_of(0.2, 0.7, 1), 1), [0.2, 0.7, 1], 1e-12)


@pytest.mark.parametrize("k", [1, 2, 16])
@pytest.mark.parametrize("pi", [0.01, 0.3, 0.9])
def test_top_k_factor_is_the_derivative_of_the_inclusion(k: int, pi: float) -> None:
    above, below = top_k_inclusion(log_of(pi + 1e-6, pi - 1e-6), k)
    close(top_k_factor(log_of(pi), k), [(above - below) / 2e-6], 1e-6)


def test_top_k_inclusion_is_how_often_k_draws_hold_the_item() -> None:
    policy = torch.tensor([0.05, 0.15, 0.3, 0.5], dtype=torch.float64)
    draws = 40_000
    generator = torch.Generator().manual_seed(5)
    sets = torch.multinomial(policy.expand(draws, -1), 3, replacement=True, generator=generator)
    for item, log_pi in enumerate(policy.log()):
        alpha = float(top_k_inclusion(log_pi, 3))
        share = float((sets == item).any(dim=1).double().mean())
        assert abs(share - alpha) < 3 * math.sqrt(alpha * (1 - alpha) / draws)


def test_the_gradient_of_the_loss_is_that_of_the_inclusion() -> None:
    logits = torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64)
    log_pi = torch.log_softmax(logits, dim=0)[1]
    close(top_k_inclusion(log_pi, 2), 0.429565, 1e-5)
    close(top_k_factor(log_pi, 2), 1.510543, 1e-5)
    gradient = loss_gradient(logits, 1, log_beta=0.0, k=2, cap=math.inf)
    close(gradient, [0.033282, -0.279203, 0.245922], 1e-5)


@pytest.mark.parametrize(
    ("pi", "beta", "k", "coefficient"),
    [
        (0.5, 0.01, 2, E3),
        (0.1, 0.001, 16, 66.167),
        (0.3, 1e-6, 1, 20.0855369),
        (0.5, 0.2, 1, 2.5),
    ],
)
def test_the_cap_acts_on_the_ratio_before_the_top_k_factor(
    pi: float, beta: float, k: int, coefficient: float
) -> None:
    weight = action_weight(log_of(pi), log_of(beta), k=k, cap=E3)
    close(weight, [coefficient], 1e-4 if k == 16 else 1e-7)


def test_without_a_cap_or_off_policy_weights() -> None:
    close(action_weight(log_of(0.3), log_of(1e-6), k=1, cap=math.inf), [300_000], 1e-9)
    plain = action_weight(log_of(0.3), log_of(1e-6), k=2, cap=E3, off_policy=False)
    close(plain, [2 * 0.7], 1e-9)


def test_a_ratio_beyond_the_largest_float_has_a_finite_weight() -> None:
    """lambda_K of a sure action is 0, whatever its ratio; both are of one product."""
    log_pi = torch.tensor([0.0, -1e-30, -1e-3])
    log_beta = torch.full((3,), -100.0)
    weight = action_weight(log_pi, log_beta, k=3, cap=math.inf)
    expected = [
        0.0,
        3 * math.exp(100) * 1e-60,
        3 * math.exp(100 - 1e-3) * (1 - math.exp(-1e-3)) ** 2,
    ]
    assert expected[2] > 1e37
    torch.testing.assert_close(weight, torch.tensor(expected), rtol=1e-4, atol=0)


@pytest.mark.parametrize("k", [1, 2, 16])
def test_normalised_ratios_stay_finite_where_a_ratio_does_not(k: int) -> None:
    log_pi = torch.tensor([math.log(0.5), math.log(0.25), -300.0])
    log_beta = torch.tensor([-200.0, -200.0, -1.0])
    weight = action_weight(log_pi, log_beta, k=k, cap=math.inf, normalised=True)
    expected = torch.tensor([2.0, 1.0, 0.0]) * top_k_factor(log_pi, k)
    torch.testing.assert_close(weight, expected, rtol=1e-4, atol=0)


@given(st.floats(-60, -1e-12), st.floats(-60, -1e-12), st.integers(1, 64), st.booleans())
def test_the_weight_is_the_product_of_its_definition(
    log_pi: float, log_beta: float, k: int, capped: bool
) -> None:
    cap = E3 if capped else math.inf
    expected = min(math.exp(log_pi - log_beta), cap) * k * (-math.expm1(log_pi)) ** (k - 1)
    weight = action_weight(
        torch.tensor([log_pi], dtype=torch.float64),
        torch.tensor([log_beta], dtype=torch.float64),
        k=k,
        cap=cap,
    )
    assert float(weight) == pytest.approx(expected, rel=1e-9)


def test_both_probabilities_are_those_of_the_logged_action() -> None:
    gradient = loss_gradient(log_of(0.5, 0.3, 0.2), 0, log_beta=math.log(0.2), k=1, cap=math.inf)
    close(gradient, [-1.25, 0.75, 0.5], 1e-9)


@pytest.mark.parametrize("k", [1, 2, 16])
def test_the_weight_is_detached(k: int) -> None:
    logits = torch.tensor([0.3, -0.2, 1.1], dtype=torch.float64)
    pi = torch.softmax(logits, dim=0)
    coefficient = min(float(pi[2]) / 0.04, E3) * k * (1 - float(pi[2])) ** (k - 1) * 1.7
    expected = coefficient * (pi - torch.tensor([0.0, 0.0, 1.0]))
    gradient = loss_gradient(logits, 2, log_beta=math.log(0.04), k=k, cap=E3, returns=1.7)
    close(gradient, expected.tolist(), 1e-6)


def test_the_behaviour_changes_the_coefficient_and_gets_no_gradient() -> None:
    log_pi = log_of(0.5, 0.3).requires_grad_()
    log_beta = log_of(0.2, 0.25).requires_grad_()
    weight = action_weight(log_pi, log_beta, k=2, cap=E3)
    (-weight * log_pi).sum().backward()
    assert log_beta.grad is None
    assert not torch.equal(weight, action_weight(log_pi, log_beta.detach() / 2, k=2, cap=E3))


def head_probabilities(logits: list[float], temperature: float) -> Tensor:
    """Probability that a head gives each item, where the state is 1 and the width is 1."""
    n = len(logits)
    policy = SoftmaxPolicy(TocrConfig(width=1), n, torch.device("cpu"), ["policy"])
    policy.heads["policy"].weights.copy_(torch.tensor(logits)[:, None])
    scored = ScoredItems(torch.arange(n), torch.arange(n), None)
    log_pi = policy.log_probability("policy", torch.ones(n, 1), scored, temperature)
    return log_pi.detach().exp()


def test_the_temperature_divides_the_logits() -> None:
    logits = [0.0, math.log(3)]
    close(head_probabilities(logits, 1.0), [0.25, 0.75], 1e-6)
    close(head_probabilities(logits, 2.0), [0.36603, 0.63397], 1e-5)
    close(head_probabilities(logits, 1e-3), [0.0, 1.0], 1e-6)


def test_diagnostics_show_raw_ratio_and_share_capped() -> None:
    log_pi, log_beta = log_of(0.3, 0.2), log_of(1e-6, 0.5, 0.4)
    columns = diagnostic_columns(log_pi, log_beta, log_beta[[0, 2]])
    found = diagnostics(columns, cap=TocrConfig().cap, k=2)
    means = {name: float(values.double().mean()) for name, values in found.items()}
    assert means["pi/beta"] == pytest.approx((300_000 + 0.5) / 2)
    assert means["share capped"] == 0.5
    assert means["lambda_K"] == pytest.approx((2 * 0.7 + 2 * 0.8) / 2)
    assert means["behaviour loss"] == pytest.approx(-float(log_beta.mean()))


@pytest.mark.parametrize("name", ["cap", "K", "temperature", "horizon", "width"])
@pytest.mark.parametrize("value", [0, -1, math.nan])
def test_options_that_must_be_positive_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be greater than 0"):
        TocrConfig(**{name: value})  # type: ignore[arg-type]


def test_no_cap_is_infinity() -> None:
    assert TocrConfig(cap=math.inf).cap == math.inf
