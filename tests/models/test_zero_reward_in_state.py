"""Which events enter the user state, where it is left to the log."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datasets.session_log import SessionLog
from models.behaviour_cloning import BehaviourCloning, BehaviourCloningConfig
from models.tocr import Tocr, TocrConfig
from tests.models.logs import make_log, random_log, trained

RATINGS = random_log(30, n_items=9, longest=12, seed=3)
IMPRESSIONS = replace(RATINGS, propensities=np.full(RATINGS.n_events, 1 / 9, dtype=np.float32))
WITHOUT = make_log(["afbghcd"], rewards=[1, 0, 1, 0, 0, 1, 1], catalogue="abcdefghi")
"""f, g and h have no reward."""


def moves(model: Any) -> list[bool]:
    """Whether the second to the sixth event of `WITHOUT` change the state."""
    states = model.factors(WITHOUT).states
    return [bool((now != before).any()) for before, now in pairwise(states)]


@pytest.mark.parametrize(
    ("model_class", "config"), [(Tocr, TocrConfig), (BehaviourCloning, BehaviourCloningConfig)]
)
@pytest.mark.parametrize(
    ("log", "option", "all_enter"),
    [
        (RATINGS, None, True),
        (IMPRESSIONS, None, False),
        (RATINGS, False, False),
        (IMPRESSIONS, True, True),
    ],
    ids=["ratings", "impressions", "ratings as set", "impressions as set"],
)
def test_the_log_decides_unless_the_option_does(
    model_class: Any,
    config: Any,
    log: SessionLog,
    option: bool | None,
    all_enter: bool,
    tmp_path: Path,
) -> None:
    """Also of sessions that come without propensities, to a model that was loaded."""
    options = config(width=6, epochs=1, zero_reward_in_state=option)
    model, _ = trained(model_class, options, log)
    expected = [all_enter, True, all_enter, all_enter, True]
    assert moves(model) == expected
    model.save(tmp_path)
    other = model_class(options, seed=9, device="cpu")
    other.load(tmp_path)
    assert moves(other) == expected
    np.testing.assert_array_equal(other.score(WITHOUT), model.score(WITHOUT))


def test_training_sees_what_scoring_sees() -> None:
    for log, option in ((RATINGS, True), (IMPRESSIONS, False)):
        by_log, set_so = (
            trained(Tocr, TocrConfig(width=6, epochs=2, zero_reward_in_state=chosen), log)[0]
            for chosen in (None, option)
        )
        np.testing.assert_array_equal(by_log.score(WITHOUT), set_so.score(WITHOUT))


def test_an_event_with_a_negative_reward_enters_the_state() -> None:
    """Whoever dislikes an item has noticed it."""
    options = TocrConfig(width=6, epochs=1, zero_reward_in_state=False, baseline="mean")
    model, _ = trained(Tocr, options, RATINGS)
    disliked = replace(WITHOUT, rewards=np.where(WITHOUT.rewards > 0, WITHOUT.rewards, -1))
    states = model.factors(disliked).states
    assert all((now != before).any() for before, now in pairwise(states))


def test_propensities_tell_whether_events_were_seen() -> None:
    assert RATINGS.zero_reward_is_seen and not IMPRESSIONS.zero_reward_is_seen
    assert not IMPRESSIONS.sessions(3, 5).zero_reward_is_seen
    assert RATINGS.keep_events(RATINGS.rewards > 0).zero_reward_is_seen
