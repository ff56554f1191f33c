"""What keeps TOCR's weights in bounds, where its behaviour comes from, and its warm start."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from models.common.policy.importance_weights import action_weight
from models.tocr import Tocr, TocrConfig
from tests.models.logs import make_log, random_log, trained, weights
from tests.models.tocr.test_tocr_training import after_steps, config

LOG = random_log(30, n_items=9, longest=12, seed=3)


def test_normalised_ratios_sum_to_their_number() -> None:
    log_beta = torch.tensor([0.3, 0.1], dtype=torch.float64).log()
    log_pi = torch.tensor([0.3, 0.3], dtype=torch.float64).log()
    raw = action_weight(log_pi, log_beta, k=1, cap=math.inf)
    torch.testing.assert_close(raw, torch.tensor([1.0, 3.0], dtype=torch.float64))
    normalised = action_weight(log_pi, log_beta, k=1, cap=math.inf, normalised=True)
    torch.testing.assert_close(normalised, torch.tensor([0.5, 1.5], dtype=torch.float64))
    capped = action_weight(log_pi, log_beta, k=1, cap=2.0, normalised=True)
    torch.testing.assert_close(capped, torch.tensor([2 / 3, 4 / 3], dtype=torch.float64))


def test_equal_ratios_normalised_are_ones_and_lambda_stays() -> None:
    log_pi = torch.tensor([0.2, 0.2]).log()
    weight = action_weight(log_pi, log_pi - 1, k=2, cap=math.inf, normalised=True)
    torch.testing.assert_close(weight, torch.tensor([1.6, 1.6]))
    empty = torch.zeros(0)
    assert len(action_weight(empty, empty, k=2, cap=math.inf, normalised=True)) == 0


def test_kl_pulls_the_policy_to_all_logged_actions() -> None:
    """After a come b rewarded and c not, as often; a strong pull shows the policy both."""
    log = make_log(["ab", "ac"] * 10, rewards=[1, 1, 1, 0] * 10, catalogue="abc")
    options: dict[str, Any] = {
        "epochs": 150, "batch_size": 20, "truncation": 1, "K": 1, "cap": 1.0,
    }  # fmt: skip

    def probabilities(kl: float) -> list[float]:
        model, _ = trained(Tocr, config(**options, kl=kl), log)
        logits = torch.from_numpy(model.score(make_log(["ab"], catalogue="abc")))
        return torch.softmax(logits, dim=1)[0, 1:].tolist()

    without, pulled = probabilities(0.0), probabilities(50.0)
    assert without[0] > 0.95
    np.testing.assert_allclose(pulled, [0.5, 0.5], atol=0.03)


def test_a_behaviour_network_apart_never_moves_the_policy_s_state() -> None:
    """Without ratio the policy does not read beta, so a head and a network give the same policy."""
    options: dict[str, Any] = {"off_policy": False, "epochs": 2}
    head, _ = trained(Tocr, config(**options), LOG)
    apart, _ = trained(Tocr, config(**options, behaviour="network"), LOG)
    one, two = weights(head), weights(apart)
    assert {name for name in two if name.startswith("behaviour network.encoder.")}
    for name in ("inputs", "policy", *(name for name in one if name.startswith("encoder."))):
        torch.testing.assert_close(one[name], two[name], rtol=0, atol=1e-6, msg=name)


def test_a_behaviour_network_learns_on_a_state_of_its_own() -> None:
    before = after_steps(LOG, config(behaviour="network", learning_rate=1e-30), 1)
    after = after_steps(LOG, config(behaviour="network"), 1)
    for name, value in after.items():
        assert not torch.equal(value, before[name]), name


def test_warm_start_is_cross_entropy_until_the_weights_act() -> None:
    """The epochs of the warm start are those of the ladder's lowest rung, with the same batches."""
    lowest = config(reward_weighted=False, off_policy=False, K=1, epochs=2)
    cross_entropy, _ = trained(Tocr, lowest, LOG)
    model = Tocr(config(warm_start=2, epochs=4), seed=1, device="cpu")
    ended = []
    for progress in model.fit(LOG):
        if not progress.epoch_ended:
            continue
        ended.append(progress.warming_up)
        if progress.epoch == 2:
            warm = {name: value.clone() for name, value in weights(model).items()}
    assert ended == [True, True, False, False]
    for name, value in weights(cross_entropy).items():
        torch.testing.assert_close(warm[name], value, rtol=0, atol=1e-6, msg=name)
    assert not torch.equal(weights(model)["policy"], warm["policy"])


@pytest.mark.parametrize("behaviour", ["head", "network"])
def test_all_options_together_train_and_load(behaviour: Any, tmp_path: Any) -> None:
    options = config(
        behaviour=behaviour, normalised=True, kl=0.1, warm_start=1, epochs=3,
        full_softmax_items=1, negatives=4, temperature=1.5,
    )  # fmt: skip
    model, _ = trained(Tocr, options, LOG)
    model.save(tmp_path)
    other = Tocr(options, seed=9, device="cpu")
    other.load(tmp_path)
    np.testing.assert_array_equal(other.score(LOG), model.score(LOG))


def test_the_defaults_are_the_paper_s() -> None:
    defaults = TocrConfig()
    assert (defaults.K, defaults.cap, defaults.cell) == (16, math.e**3, "cfn")
    assert not (defaults.normalised or defaults.kl or defaults.warm_start)
    assert defaults.behaviour == "head"


def test_the_behaviour_may_be_scored_on_fewer_negatives_than_the_policy() -> None:
    """Without ratio the policy does not read beta, so that it stays, and the behaviour changes."""
    options: dict[str, Any] = {"off_policy": False, "epochs": 2, "full_softmax_items": 1}
    many, _ = trained(Tocr, config(**options, negatives=40), LOG)
    few, _ = trained(Tocr, config(**options, negatives=40, behaviour_negatives=5), LOG)
    one, two = weights(many), weights(few)
    assert all(torch.equal(one[name], two[name]) for name in one if name != "behaviour")
    assert not torch.equal(one["behaviour"], two["behaviour"])


@pytest.mark.parametrize("behaviour", ["head", "network"])
def test_propensities_of_what_was_logged_go_to_its_frequencies(behaviour: str) -> None:
    """After a comes b three times of four, whatever the reward."""
    log = make_log(["ab", "ab", "ab", "ac"] * 5, rewards=[1, 0] * 20, catalogue="abc")
    model, _ = trained(
        Tocr, config(epochs=200, batch_size=20, truncation=1, behaviour=behaviour), log
    )
    propensities = np.exp(model.log_propensities(make_log(["ab", "ac", "a"], catalogue="abc")))
    np.testing.assert_allclose(propensities, [0.75, 0.25], atol=0.05)
