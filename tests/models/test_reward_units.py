"""The unit of rewards does not matter: euros or cents, seconds or milliseconds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from datasets.session_log import SessionLog
from models.common.policy.returns import discounted_returns, reward_unit, rewarded_returns
from models.reinforce import Reinforce, ReinforceConfig
from models.sqn import Sqn, SqnConfig
from models.tocr import Tocr, TocrConfig
from models.tocr_replica import TocrReplica, TocrReplicaConfig
from models.weighted_likelihood import WeightedLikelihood, WeightedLikelihoodConfig
from tests.models.logs import make_log, random_log, trained

ONES = random_log(40, n_items=9, longest=12, seed=3)
PRICED = replace(
    ONES,
    rewards=(ONES.rewards * np.random.default_rng(4).lognormal(size=ONES.n_events)).astype("f4"),
)
SMALL: dict[str, Any] = {"width": 6, "epochs": 3}


def in_units(log: SessionLog, unit: float) -> SessionLog:
    return replace(log, rewards=(log.rewards * unit).astype(np.float32))


@pytest.mark.parametrize("unit", [1e-3, 1000.0, 30_000.0])
@pytest.mark.parametrize(
    ("model_class", "config"),
    [
        (Tocr, TocrConfig(**SMALL)),
        (Tocr, TocrConfig(**SMALL, kl=0.3, warm_start=1, normalised=True)),
        (Reinforce, ReinforceConfig(**SMALL)),
        (WeightedLikelihood, WeightedLikelihoodConfig(**SMALL)),
        (TocrReplica, TocrReplicaConfig(**SMALL, K=2)),
        (Sqn, SqnConfig(**SMALL)),
    ],
    ids=["tocr", "tocr with kl", "reinforce", "weighted_likelihood", "tocr_replica", "sqn"],
)
def test_rewards_in_another_unit_give_the_same_model(
    model_class: Any, config: Any, unit: float
) -> None:
    one, losses = trained(model_class, config, PRICED)
    other, others = trained(model_class, config, in_units(PRICED, unit))
    np.testing.assert_allclose(other.score(ONES), one.score(ONES), rtol=0, atol=1e-4)
    assert [p.loss for p in others] == pytest.approx([p.loss for p in losses], rel=1e-4)


@pytest.mark.parametrize("discount", [0.0, 0.9])
def test_returns_of_rewards_that_are_0_or_1_are_as_they_are(discount: float) -> None:
    _, returns = rewarded_returns(ONES, discount=discount, horizon=np.inf, model="tocr")
    assert returns.dtype == np.float32
    np.testing.assert_array_equal(returns, discounted_returns(ONES, discount=discount))


def test_the_unit_is_the_mean_size_of_rewards_other_than_0() -> None:
    log = make_log(["abcd", "ab"], rewards=[0, 3, 0, 1.5, -6, 0])
    assert reward_unit(log) == 3.5
    rewarded, returns = rewarded_returns(
        replace(log, rewards=np.abs(log.rewards)), discount=1.0, horizon=np.inf, model="tocr"
    )
    assert rewarded.tolist() == [False, True, False, True, True, False]
    np.testing.assert_allclose(returns, np.array([4.5, 4.5, 1.5, 1.5, 6, 0]) / 3.5, rtol=1e-6)


@pytest.mark.parametrize("model_class", [Tocr, Reinforce, WeightedLikelihood])
def test_a_few_rewards_far_above_the_others_do_not_end_a_fit(model_class: Any) -> None:
    rewards = ONES.rewards.copy()
    rewards[np.flatnonzero(rewards)[::40]] = 30_000
    _, progress = trained(model_class, model_class.Config(**SMALL), replace(ONES, rewards=rewards))
    assert progress[-1].epoch_ended
