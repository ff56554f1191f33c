"""Which loss moves which weights of TOCR, on its own training steps.

A step that holds no rewarded action shows L_beta alone. Full softmax and no dropout unless said, so
that logs that differ in one thing give steps that differ in one thing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from datasets.session_log import SessionLog
from models.tocr import Tocr, TocrConfig
from tests.models.logs import make_log, random_log, trained, weights

TRAINED_BY_POLICY = ("inputs", "policy", "encoder.")


def config(**options: Any) -> TocrConfig:
    return TocrConfig(
        **(
            {
                "width": 6,
                "epochs": 1,
                "learning_rate": 0.1,
                "dropout_embedding": 0.0,
                "dropout_hidden": 0.0,
                "zero_reward_in_state": True,
            }
            | options
        )
    )


def after_steps(log: SessionLog, options: TocrConfig, n_steps: int) -> dict[str, Tensor]:
    """Weights after the first steps of a fit."""
    model = Tocr(options, seed=1, device="cpu")
    fit = model.fit(log)
    for _ in range(n_steps):
        assert not next(fit).epoch_ended
    return weights(model)


def initial(log: SessionLog, options: dict[str, Any]) -> dict[str, Tensor]:
    """A step so small leaves every number as it is."""
    return after_steps(log, config(**(options | {"learning_rate": 1e-30})), 1)


def test_the_behaviour_loss_moves_the_behaviour_head_alone() -> None:
    """The first step holds four actions without reward, the second a rewarded one."""
    log = make_log(["abcdeab"], rewards=[0, 0, 0, 0, 0, 1, 0])
    options = {"truncation": 4, "cell": "gru"}
    before = initial(log, options)
    unrewarded = after_steps(log, config(**options), 1)
    for name, value in unrewarded.items():
        assert torch.equal(value, before[name]) == (name != "behaviour"), name
    rewarded = after_steps(log, config(**options), 2)
    for name, value in rewarded.items():
        assert not torch.equal(value, unrewarded[name]), name


@pytest.mark.parametrize("full_softmax_items", [1, 2048], ids=["sampled", "full"])
def test_the_policy_loss_leaves_the_behaviour_head_bitwise(full_softmax_items: int) -> None:
    """Other rewards make another L_pi of the same actions, and the same L_beta."""
    options = config(full_softmax_items=full_softmax_items, negatives=4, dropout_hidden=0.2)
    first = make_log(["abcde", "bca"], rewards=[0, 1, 0, 0, 1, 0, 1, 0])
    other = make_log(["abcde", "bca"], rewards=[0, 0, 5, 1, 0, 0, 1, 1])
    one, two = after_steps(first, options, 1), after_steps(other, options, 1)
    assert torch.equal(one["behaviour"], two["behaviour"])
    assert not torch.equal(one["policy"], two["policy"])
    assert not torch.equal(one["behaviour"], initial(first, {})["behaviour"])


@pytest.mark.parametrize("off_policy", [False, True])
def test_the_behaviour_head_acts_on_the_policy_through_the_weight_alone(off_policy: bool) -> None:
    """Actions without reward in a session of their own change L_beta; they enter no other state.

    In the second step the behaviour heads differ, and with them the weights pi / beta.
    """
    options = config(off_policy=off_policy, truncation=2, K=1)
    rewards = [0, 1, 1, 1, 1]
    without = after_steps(make_log(["abcde"], rewards=rewards), options, 2)
    extra = make_log(["abcde", "eaeae"], rewards=[*rewards, 0, 0, 0, 0, 0])
    with_extra = after_steps(extra, options, 2)
    difference = {name: float((without[name] - with_extra[name]).abs().max()) for name in without}
    assert difference["behaviour"] > 1e-2
    for name in difference:
        if name.startswith(TRAINED_BY_POLICY):
            assert (difference[name] > 1e-4) == off_policy, name


def test_actions_without_reward_are_no_part_of_the_policy_loss_nor_of_the_state() -> None:
    """Skips are put between the actions of a log of rewarded ones."""
    options = config(zero_reward_in_state=False, off_policy=False, discount=1.0)
    skips = make_log(["aebeecde"], rewards=[1, 0, 1, 0, 0, 1, 1, 0], catalogue="abcde")
    plain = after_steps(make_log(["abcd"], catalogue="abcde"), options, 1)
    with_skips = after_steps(skips, options, 1)
    for name, value in with_skips.items():
        close = torch.allclose(value, plain[name], rtol=0, atol=1e-6)
        assert close == (name != "behaviour"), name


def test_the_state_after_click_and_skip_is_that_after_the_click() -> None:
    log = random_log(30, n_items=9, longest=12, seed=3)
    model, _ = trained(Tocr, config(zero_reward_in_state=False), log)
    clicks = make_log(["abcd"], catalogue="abcdefghi")
    skips = make_log(["afbghcd"], rewards=[1, 0, 1, 0, 0, 1, 1], catalogue="abcdefghi")
    seen, with_skips = model.factors(clicks).states, model.factors(skips).states
    np.testing.assert_array_equal(with_skips, seen[[0, 0, 1, 1, 1, 2]])
    all_in, _ = trained(Tocr, config(zero_reward_in_state=True), log)
    states = all_in.factors(skips).states
    assert (states[0] != states[1]).any()


@pytest.mark.parametrize("zero_reward_in_state", [False, True])
def test_a_log_without_positive_reward_is_refused_before_training(
    zero_reward_in_state: bool,
) -> None:
    log = make_log(["abcdb", "abc"], rewards=[0.0] * 8)
    model = Tocr(config(zero_reward_in_state=zero_reward_in_state), seed=1, device="cpu")
    with pytest.raises(ValueError, match=r"no positive reward in training; use --reward all"):
        next(iter(model.fit(log)))


def test_rewards_do_not_matter_where_actions_are_not_weighted_by_them() -> None:
    log = make_log(["abcdb", "abc"], rewards=[0.0] * 8)
    ones = make_log(["abcdb", "abc"])
    options = config(reward_weighted=False)
    unweighted, of_ones = after_steps(log, options, 1), after_steps(ones, options, 1)
    for name, value in unweighted.items():
        assert torch.equal(value, of_ones[name]), name


@pytest.mark.parametrize(("truncation", "reached"), [(1, "d"), (2, "cd"), (4, "abcd")])
def test_gradients_reach_as_many_steps_back_as_the_truncation_says(
    truncation: int, reached: str
) -> None:
    """Only the last action, e, is rewarded, so only it moves the inputs before it."""
    log = make_log(["abcde"], rewards=[0, 0, 0, 0, 1])
    options = {"truncation": truncation}
    before = initial(log, options)["inputs"]
    model, _ = trained(Tocr, config(**options), log)
    moved = (weights(model)["inputs"] != before).any(dim=1)
    assert "".join(np.array(list("abcde"))[moved.numpy()]) == reached


def test_the_return_counts_later_rewards_and_no_other_session_s() -> None:
    """Two rewarded actions with discount 0 and a reward of 2 are as returns of 2 and discount 1.

    First events are no actions; theirs make the mean reward, the unit of returns, the same.
    """
    options = {"off_policy": False, "truncation": 8}
    summed = make_log(["abc", "ca"], rewards=[2, 1, 1, 0, 2])
    given = make_log(["abc", "ca"], rewards=[1, 2, 1, 0, 2])
    one = after_steps(summed, config(discount=1.0, **options), 1)
    two = after_steps(given, config(discount=0.0, **options), 1)
    for name, value in one.items():
        assert torch.equal(value, two[name]), name


def test_a_horizon_cuts_later_rewards_from_the_return() -> None:
    times = [0, 10, 100]
    with_horizon = make_log(["abc"], times=times)
    weighed = make_log(["abc"], rewards=[1, 2, 3], times=times)
    one = after_steps(with_horizon, config(discount=1.0, off_policy=False, horizon=20.0), 1)
    two = after_steps(make_log(["abc"]), config(discount=0.0, off_policy=False), 1)
    for name, value in one.items():
        assert torch.equal(value, two[name]), name
    long = after_steps(weighed, config(discount=1.0, off_policy=False, horizon=200.0), 1)
    assert not torch.equal(long["policy"], one["policy"])


def test_a_horizon_without_times_is_refused() -> None:
    model = Tocr(config(horizon=10.0), seed=1, device="cpu")
    with pytest.raises(ValueError, match="horizon needs a log with times"):
        next(iter(model.fit(make_log(["abc"]))))


def test_the_curve_carries_what_the_correction_does() -> None:
    _, progress = trained(Tocr, config(), random_log(30, n_items=9, longest=12, seed=3))
    found = progress[-1].diagnostics
    assert set(found) == {"behaviour loss", "pi/beta", "share capped", "lambda_K"}
    assert 0 <= found["share capped"] <= 1
    assert 0 < found["lambda_K"] < 16


def test_items_are_ranked_by_the_policy_head() -> None:
    log = random_log(30, n_items=9, longest=12, seed=3)
    model, _ = trained(Tocr, config(), log)
    states, items, bias = model.factors(log)
    np.testing.assert_array_equal(items, weights(model)["policy"].numpy())
    assert not bias.any()
    np.testing.assert_allclose(model.score(log), states @ items.T, rtol=1e-6)
