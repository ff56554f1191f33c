"""TOCR on small inputs that have tripped other projects, from the folder of known hard cases."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from datasets.registry import load_dataset
from datasets.session_log import SessionLog
from models.common.policy.importance_weights import action_weight
from models.tocr import Tocr, TocrConfig
from tests.models.logs import random_log, trained, weights


def tensors(case: Path) -> dict[str, Any]:
    return json.loads((case / "tensors.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def log_of(value: float) -> Tensor:
    return torch.tensor([value], dtype=torch.float64).log()


def test_r086_both_probabilities_are_the_logged_action_s(cases_dir: Path) -> None:
    case = tensors(cases_dir / "R086-ratio-same-action")
    action = slice(case["logged_action"], case["logged_action"] + 1)
    logits = torch.tensor(case["pi"], dtype=torch.float64).log().requires_grad_()
    log_pi = torch.log_softmax(logits, dim=0)[action]
    log_beta = torch.tensor(case["beta"], dtype=torch.float64).log()[action]
    weight = action_weight(log_pi, log_beta, k=1, cap=math.inf)
    assert float(weight) == pytest.approx(case["weight_uncapped"])
    assert not weight.requires_grad
    (-weight * case["reward"] * log_pi).sum().backward()
    assert logits.grad is not None
    np.testing.assert_allclose(logits.grad, case["grad_wrt_policy_logits_K1"], atol=1e-12)


def test_r088_the_ratio_is_capped_and_inf_is_no_cap(cases_dir: Path) -> None:
    case = tensors(cases_dir / "R088-weight-cap")
    log_pi, log_beta = log_of(case["pi"]), log_of(case["beta"])
    capped = action_weight(log_pi, log_beta, k=1, cap=case["cap"])
    assert float(capped) == pytest.approx(case["weight"], rel=1e-9)
    raw = action_weight(log_pi, log_beta, k=1, cap=math.inf)
    assert float(raw) == pytest.approx(case["raw"], rel=1e-9)
    assert TocrConfig().cap == pytest.approx(case["cap"])


@pytest.mark.parametrize(("cap", "share"), [(1e-9, 1.0), (math.inf, 0.0)])
def test_r088_every_epoch_tells_the_share_capped_and_the_mean_raw_ratio(
    cap: float, share: float
) -> None:
    """A step so small leaves all weights as they are, so both fits see the same raw ratios."""
    log = random_log(20, n_items=6, longest=8, seed=3)
    ratios = []
    for chosen in (cap, 1.0):
        config = TocrConfig(epochs=2, width=6, cap=chosen, learning_rate=1e-30)
        ends = [p for p in trained(Tocr, config, log)[1] if p.epoch_ended]
        assert len(ends) == 2
        ratios.append([p.diagnostics["pi/beta"] for p in ends])
        if chosen == cap:
            assert [p.diagnostics["share capped"] for p in ends] == [share, share]
    assert ratios[0] == ratios[1]
    assert ratios[0][0] == pytest.approx(1, abs=0.5)


@pytest.mark.parametrize("cap", [0.0, -1.0])
def test_r088_a_cap_that_is_not_positive_is_refused_by_name(cap: float) -> None:
    with pytest.raises(ValueError, match=r"^cap must be greater than 0"):
        TocrConfig(cap=cap)


def ratings(case: Path, reward: str | None = None) -> SessionLog:
    return load_dataset(str(case), reward=reward, notify=lambda line: None).log


def test_r094_a_log_without_positive_reward_is_refused_with_the_fix(cases_dir: Path) -> None:
    case = cases_dir / "R094-beta-head-leak"
    log = ratings(case)
    assert (log.n_sessions, log.n_events, float(log.rewards.max())) == (8, 40, 0.0)
    with pytest.raises(ValueError, match="no positive reward in training; use --reward all"):
        trained(Tocr, TocrConfig(epochs=1), log)
    _, progress = trained(Tocr, TocrConfig(epochs=1, width=6), ratings(case, "all"))
    assert progress[-1].epoch_ended


@pytest.mark.parametrize("zero_reward_in_state", [False, True])
@pytest.mark.parametrize("full_softmax_items", [1, 2048], ids=["sampled", "full"])
def test_r094_a_step_without_reward_moves_the_behaviour_head_alone(
    cases_dir: Path, zero_reward_in_state: bool, full_softmax_items: int
) -> None:
    """The last event gets a reward, so that the log is accepted; user 1's session comes first."""
    log = ratings(cases_dir / "R094-beta-head-leak")
    rewards = np.zeros(log.n_events, dtype=np.float32)
    rewards[-1] = 1
    log = dataclasses.replace(log, rewards=rewards)
    after = []
    for learning_rate in (1e-30, 0.1):
        config = TocrConfig(
            learning_rate=learning_rate, batch_size=1, truncation=4, width=6, dropout_hidden=0.0,
            dropout_embedding=0.0, zero_reward_in_state=zero_reward_in_state,
            full_softmax_items=full_softmax_items, negatives=4,
        )  # fmt: skip
        model = Tocr(config, seed=1, device="cpu")
        assert not next(iter(model.fit(log))).epoch_ended
        after.append(weights(model))
    before, moved = after
    # Left out of the state, no event has shown itself: the state, and with it the head's
    # gradient, is zero.
    changed = {name for name, value in moved.items() if not torch.equal(value, before[name])}
    assert changed == ({"behaviour"} if zero_reward_in_state else set())
