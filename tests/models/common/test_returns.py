"""Discounted returns: worked values, horizon and session boundaries."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.common.policy.returns import discounted_returns
from tests.models.logs import make_log


def returns(
    sessions: list[str], rewards: list[float], discount: float, **options: object
) -> object:
    times = options.pop("times", None)
    log = make_log(sessions, rewards=rewards, times=times)  # type: ignore[arg-type]
    return discounted_returns(log, discount=discount, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("discount", "expected"),
    [(0.9, [2.62, 1.8, 2, 0]), (0.0, [1, 0, 2, 0]), (1.0, [3, 2, 2, 0])],
)
def test_returns_have_the_worked_values(discount: float, expected: list[float]) -> None:
    np.testing.assert_allclose(returns(["abcd"], [1, 0, 2, 0], discount), expected, rtol=1e-6)


def test_no_reward_flows_over_a_session_s_end() -> None:
    found = returns(["ab", "c", "abc"], [0, 1, 5, 0, 0, 2], 0.5)
    np.testing.assert_allclose(found, [0.5, 1, 5, 0.5, 1, 2], rtol=1e-6)


def test_rewards_beyond_the_horizon_are_left_out() -> None:
    found = returns(
        ["abcd", "ab"], [1, 1, 1, 1, 1, 1], 1.0, times=[0, 10, 20, 31, 31, 35], horizon=10
    )
    np.testing.assert_allclose(found, [2, 2, 1, 1, 2, 1])


def test_a_horizon_without_times_is_refused() -> None:
    with pytest.raises(ValueError, match="horizon needs a log with times"):
        returns(["ab"], [1, 1], 0.9, horizon=5.0)


@given(st.data())
def test_returns_are_the_sum_of_their_definition(data: st.DataObject) -> None:
    lengths = data.draw(st.lists(st.integers(1, 7), min_size=1, max_size=6))
    n = sum(lengths)
    rewards = data.draw(st.lists(st.sampled_from([0.0, 1.0, 2.5]), min_size=n, max_size=n))
    gaps = data.draw(st.lists(st.integers(0, 9), min_size=n, max_size=n))
    horizon = data.draw(st.none() | st.integers(1, 20))
    discount = data.draw(st.sampled_from([0.0, 0.5, 0.9, 1.0]))
    times = np.cumsum(gaps)
    log = make_log(["x" * length for length in lengths], rewards=rewards, times=times.tolist())
    expected = np.zeros(n)
    for first, end in zip(log.offsets[:-1], log.offsets[1:], strict=True):
        for t in range(first, end):
            for later in range(t, end):
                if horizon is None or times[later] - times[t] <= horizon:
                    expected[t] += discount ** (later - t) * rewards[later]
    found = discounted_returns(log, discount=discount, horizon=horizon)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
