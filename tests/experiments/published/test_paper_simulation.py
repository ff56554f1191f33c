"""The paper's section 6.1 against its fixed points, printed and by the functions behind it."""

from __future__ import annotations

import json
import math
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from experiments.published.paper_policies import (
    OFF_POLICY,
    TOP_K,
    Objective,
    Simulation,
    capped_fixed_point,
    descend,
    expected_reward,
    fixed_point,
    policy_gradient,
    sampled_descent,
    set_value,
    top_k_fixed_point,
)
from tests.experiments.conftest import run_script

E3 = math.e**3
NAIVE = [i * (11 - i) / 220 for i in range(1, 11)]
CAPPED_E3 = {9: 1 - E3 * 10 / (55 * 9), 10: E3 * 10 / (55 * 9)}


def policy(**probabilities: float) -> Tensor:
    """Ten probabilities, `a9` and such, 0 where not given."""
    values = torch.zeros(10, dtype=torch.float64)
    for action, probability in probabilities.items():
        values[int(action[1:]) - 1] = probability
    return values


def learnt(simulation: Simulation, objective: Objective, n_steps: int = 400) -> Tensor:
    return descend(
        partial(policy_gradient, simulation=simulation, objective=objective), n_steps=n_steps
    )


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path]:
    """Lines of a shortened run, as the docs start it, and the folder of its figures."""
    figures = tmp_path_factory.mktemp("figures") / "new"
    done = run_script(
        "published/paper_simulation.py", "--figures", str(figures),
        "--steps", "300", "--sampled-steps", "5",
    )  # fmt: skip
    return done.stdout.splitlines(), figures


def test_the_last_line_holds_the_fixed_points(printed: tuple[list[str], Path]) -> None:
    found = {name: np.array(values) for name, values in json.loads(printed[0][-1]).items()}
    assert list(found) == ["naive", "corrected", "capped_e3", "top_1", "top_2", "top_16"]
    exact = {
        "naive": (NAIVE, 1e-3),
        "corrected": (policy(a10=1), 1e-2),
        "capped_e3": (policy(a9=CAPPED_E3[9], a10=CAPPED_E3[10]), 2e-3),
        "top_1": (policy(a1=1), 1e-2),
        "top_2": (policy(a1=10 / 19, a2=9 / 19), 1e-3),
        "top_16": ([0.20595, 0.20036, *[0.07421] * 8], 1e-4),
    }
    for name, (expected, tolerance) in exact.items():
        np.testing.assert_allclose(found[name], expected, rtol=0, atol=tolerance, err_msg=name)
    assert (np.diff(found["corrected"]) >= 0).all()
    assert 0.5 * np.abs(found["corrected"] - found["naive"]).sum() > 0.8
    assert found["top_2"][2:].sum() < 0.005
    assert np.abs(found["top_2"][:2] - [11 / 19, 8 / 19]).max() > 0.05


def test_the_tables_hold_each_run_and_its_fixed_point(printed: tuple[list[str], Path]) -> None:
    rows = [line.split("|")[1:3] for line in printed[0] if line.startswith("| ")]
    found = [(name.strip(), source.strip()) for name, source in rows]
    for name in ("naive", "capped_40", "top_1", "top_8", "top_16"):
        assert (name, "learnt") in found
        assert (name, "fixed point") in found
    assert ("capped_e3", "sampled SGD") in found
    assert ("capped_40", "sampled SGD") not in found


def test_the_figures_are_drawn_where_asked(printed: tuple[list[str], Path]) -> None:
    names = {file.name for file in printed[1].iterdir()}
    assert names == {"paper_simulation_off_policy.png", "paper_simulation_top_k.png"}
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in printed[1].iterdir())


@pytest.mark.parametrize(
    ("cap", "expected", "tolerance"),
    [
        (3, policy(a6=0.27273, a7=0.25455, a8=0.21818, a9=0.16364, a10=0.09091), 2e-3),
        (E3, policy(a9=0.59423, a10=0.40577), 2e-3),
        (40, policy(a9=1 - 0.80808, a10=0.80808), 2e-3),
        (49.5, policy(a10=1), 1e-2),
        (60, policy(a10=1), 1e-2),
    ],
)
def test_the_cap_moves_the_fixed_point(cap: float, expected: Tensor, tolerance: float) -> None:
    np.testing.assert_allclose(capped_fixed_point(OFF_POLICY, cap), expected, atol=1e-5)
    found = learnt(OFF_POLICY, Objective(cap=cap))
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


def test_with_a_cap_of_one_a3_dies_slowly() -> None:
    """It pays 3, little less than the 168 / 55 that the living actions come to."""
    expected = [0, 0, 0, *(n / 168 for n in (28, 30, 30, 28, 24, 18, 10))]
    np.testing.assert_allclose(capped_fixed_point(OFF_POLICY, 1), expected, atol=1e-9)
    found = learnt(OFF_POLICY, Objective(cap=1.0), n_steps=600)
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.01)
    assert found[2] > 5 * found[1]


@pytest.mark.parametrize(
    ("k", "expected"),
    [
        (2, [0.52632, 0.47368, *[0] * 8]),
        (3, [0.51317, 0.48683, *[0] * 8]),
        (4, [0.50878, 0.49122, *[0] * 8]),
        (8, [0.31461, 0.30421, *[0.04765] * 8]),
        (16, [0.20595, 0.20036, *[0.07421] * 8]),
    ],
)
def test_k_moves_the_fixed_point(k: int, expected: list[float]) -> None:
    np.testing.assert_allclose(top_k_fixed_point(TOP_K, k), expected, atol=1e-5)
    for objective in (Objective(k=k), Objective(k=k, cap=E3)):
        np.testing.assert_allclose(learnt(TOP_K, objective), expected, rtol=0, atol=1e-3)


def test_two_draws_are_worth_more_under_the_top_2_policy() -> None:
    assert set_value(fixed_point(TOP_K, Objective(k=1)), TOP_K, 2) == pytest.approx(10)
    assert set_value(fixed_point(TOP_K, Objective(k=2)), TOP_K, 2) == pytest.approx(
        14.263, abs=1e-3
    )
    naive = fixed_point(OFF_POLICY, Objective(off_policy=False))
    assert expected_reward(naive, OFF_POLICY) == pytest.approx(5.5)
    assert expected_reward(OFF_POLICY.behaviour, OFF_POLICY) == pytest.approx(4.0)


def test_batches_of_logged_actions_come_to_the_same_point() -> None:
    exact = fixed_point(TOP_K, Objective(k=2))
    found = sampled_descent(TOP_K, Objective(k=2), n_steps=800, seed=3)
    np.testing.assert_allclose(found, exact, rtol=0, atol=0.02)
    again = sampled_descent(TOP_K, Objective(k=2), n_steps=20, seed=3)
    assert torch.equal(again, sampled_descent(TOP_K, Objective(k=2), n_steps=20, seed=3))
    assert not torch.equal(again, sampled_descent(TOP_K, Objective(k=2), n_steps=20, seed=4))


def test_a_cap_beside_top_k_has_no_closed_form_here() -> None:
    with pytest.raises(ValueError, match="no closed form"):
        fixed_point(TOP_K, Objective(k=2, cap=3.0))
