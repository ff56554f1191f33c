"""Models that differ from TOCR in their loss alone: each equals TOCR where the losses are equal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from models.behaviour_cloning import BehaviourCloning, BehaviourCloningConfig
from models.common.policy.config import PolicyConfig
from models.common.sessions.session_batches import SessionBatches
from models.reinforce import Reinforce, ReinforceConfig
from models.tocr import Tocr, TocrConfig
from models.tocr_replica import TocrReplica, TocrReplicaConfig, sampled_action_weight
from models.weighted_likelihood import (
    WeightedLikelihood,
    WeightedLikelihoodConfig,
    propensity_weight,
)
from tests.models.logs import make_log, random_log, trained, weights

LOG = random_log(30, n_items=9, longest=12, seed=3)
SMALL: dict[str, Any] = {
    "width": 6, "epochs": 2, "truncation": 4, "dropout_embedding": 0.0, "dropout_hidden": 0.0,
}  # fmt: skip
SAMPLED = {"full_softmax_items": 1, "negatives": 5}


def assert_same_policy(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    shared = {name for name in one if not name.startswith("behaviour")}
    assert shared == {name for name in other if not name.startswith("behaviour")}
    for name in shared:
        torch.testing.assert_close(one[name], other[name], rtol=0, atol=1e-6, msg=name)


@pytest.mark.parametrize("options", [{}, SAMPLED, {"zero_reward_in_state": True, "cell": "gru"}])
def test_reinforce_is_tocr_without_ratio_and_top_k(options: dict[str, Any]) -> None:
    tocr, _ = trained(Tocr, TocrConfig(**SMALL, **options, off_policy=False, K=1), LOG)
    reinforce, _ = trained(Reinforce, ReinforceConfig(**SMALL, **options), LOG)
    assert_same_policy(weights(reinforce), weights(tocr))


@pytest.mark.parametrize("options", [{}, SAMPLED])
def test_behaviour_cloning_is_the_lowest_rung_of_tocr_s_ladder(options: dict[str, Any]) -> None:
    updates = SessionBatches(LOG, batch_size=4, window=SMALL["truncation"])
    assert len(updates) >= 10
    common = SMALL | options | {"batch_size": 4, "epochs": 1}
    lowest = TocrConfig(**common, reward_weighted=False, off_policy=False, K=1)
    tocr, _ = trained(Tocr, lowest, LOG)
    cloning, _ = trained(BehaviourCloning, BehaviourCloningConfig(**common), LOG)
    assert_same_policy(weights(cloning), weights(tocr))


def test_weighted_likelihood_with_a_floor_of_one_is_reinforce() -> None:
    weighted, _ = trained(WeightedLikelihood, WeightedLikelihoodConfig(**SMALL, floor=1.0), LOG)
    reinforce, _ = trained(Reinforce, ReinforceConfig(**SMALL), LOG)
    assert_same_policy(weights(weighted), weights(reinforce))


def test_a_propensity_below_the_floor_counts_as_the_floor() -> None:
    log_beta = torch.tensor([0.5, 0.02, 0.001]).log().requires_grad_()
    weight = propensity_weight(log_beta, floor=0.01)
    torch.testing.assert_close(weight, torch.tensor([2.0, 50.0, 100.0]))
    assert not weight.requires_grad


def test_weighted_likelihood_undoes_how_often_an_action_was_logged() -> None:
    """After a come b nine times and c once, with equal rewards: pi grows equal, beta does not."""
    log = make_log(["ab"] * 9 + ["ac"], catalogue="abc")
    options: dict[str, Any] = SMALL | {"epochs": 150, "batch_size": 10, "truncation": 1}
    config = WeightedLikelihoodConfig(**options, floor=1e-3)
    model, progress = trained(WeightedLikelihood, config, log)
    # Every session is its first action alone, in the same state.
    logits = torch.from_numpy(model.score(make_log(["ab"], catalogue="abc")))
    np.testing.assert_allclose(torch.softmax(logits, 1)[0, 1:], [0.5, 0.5], atol=0.02)
    cloned, _ = trained(BehaviourCloning, BehaviourCloningConfig(**options), log)
    logits = torch.from_numpy(cloned.score(make_log(["ab"], catalogue="abc")))
    np.testing.assert_allclose(torch.softmax(logits, 1)[0, 1:], [0.9, 0.1], atol=0.02)
    assert 0 <= progress[-1].diagnostics["share at the floor"] < 0.5


def test_the_replica_s_weight_does_not_know_the_logged_action() -> None:
    """Its expectation with a' ~ pi and a'' ~ beta is n sum pi^2 for K = 1, whatever was logged."""
    log_pi = torch.tensor([0.7, 0.2, 0.1], dtype=torch.float64).log().expand(60_000, -1)
    log_beta = torch.tensor([0.2, 0.2, 0.6], dtype=torch.float64).log().expand(60_000, -1)
    torch.manual_seed(1)
    weight = sampled_action_weight(log_pi, log_beta, k=1)
    error = float(weight.std()) / 60_000**0.5
    assert abs(float(weight.mean()) - 3 * (0.49 + 0.04 + 0.01)) < 4 * error


def test_the_replica_blocks_no_gradient_as_tocr_does() -> None:
    """Rewards that L_beta does not see move the replica's behaviour head, and not TOCR's."""
    one = make_log(["abcde", "bca"], rewards=[0, 1, 0, 0, 1, 0, 1, 0])
    other = make_log(["abcde", "bca"], rewards=[0, 0, 5, 1, 0, 0, 1, 1])
    options = SMALL | {"epochs": 1, "truncation": 16, "zero_reward_in_state": True}
    for model_class, config, same in (
        (Tocr, TocrConfig(**options), True),
        (TocrReplica, TocrReplicaConfig(**options), False),
    ):
        heads = [weights(trained(model_class, config, log)[0])["behaviour"] for log in (one, other)]
        assert torch.equal(*heads) == same


@pytest.mark.parametrize("options", [{}, SAMPLED], ids=["full", "sampled"])
def test_the_replica_trains_over_either_softmax(options: dict[str, Any]) -> None:
    _, progress = trained(TocrReplica, TocrReplicaConfig(**SMALL, **options, K=2), LOG)
    assert all(np.isfinite(p.loss) for p in progress if p.loss is not None)
    assert progress[-1].diagnostics["pi(a')/beta(a'') lambda_K"] > 0


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (lambda: WeightedLikelihoodConfig(floor=0), "floor must be above 0 and at most 1, not 0"),
        (lambda: TocrConfig(warm_start=5, epochs=5), r"warm_start \(5\) must be less than epochs"),
        (lambda: TocrConfig(kl=-1), "kl must not be negative, not -1"),
        (lambda: TocrReplicaConfig(K=0), "K must be greater than 0, not 0"),
        (lambda: PolicyConfig(negatives=0), "negatives must be greater than 0, not 0"),
    ],
)
def test_wrong_options_are_refused_by_name(config: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config()


@pytest.mark.parametrize("model_class", [Reinforce, WeightedLikelihood, TocrReplica])
def test_a_log_without_positive_reward_is_refused_before_training(model_class: Any) -> None:
    log = make_log(["abcdb", "abc"], rewards=[0.0] * 8)
    model = model_class(model_class.Config(), seed=1, device="cpu")
    with pytest.raises(ValueError, match="no positive reward in training; use --reward all"):
        next(iter(model.fit(log)))
