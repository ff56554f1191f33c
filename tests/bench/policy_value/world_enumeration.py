"""Exact value of a policy in a small simulated world, by all histories that a session can have.

The tree of histories is walked level by level. Each history carries its joint probability with
every latent interest, filtered forward: what a model shows depends on the history alone, so nothing
else is needed. The cost grows as (2 n) ** horizon histories and n ** K draws.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from bench.policy_value.world_value import Page, histories_log, policy, scores_in_world
from datasets.session_log import IntArray
from datasets.simulation.worlds import Table, World
from models.recommender import Recommender, policy_temperature
from tests.datasets.simulation.world_law import transition


def exact_value(world: World, model: Recommender, page: Page, *, set_size: int) -> float:
    """Expected sum of what a session pays that `model` serves, as `world_value.rollout` draws it.

    Args:
        world: a few items and steps.
        model: trained on the world's catalogue.
        page: how it is filled.
        set_size: K.
    """
    n, m = world.n_items, world.n_interests
    draws = np.array(list(product(range(n), repeat=set_size)))
    items = np.arange(n)[:, None]
    rewards = np.ones((n, 1))
    weight = world.entry.T / m
    moves = np.array(
        [[transition(world, a, clicked) for a in range(n)] for clicked in (True, False)]
    )
    value = 0.0
    for step in range(world.horizon):
        scores = scores_in_world(world, model, histories_log(world, items, rewards))
        if page == "greedy":
            first = np.argsort(-scores, axis=1, kind="stable")[:, :set_size]
            shown = (draws == first[:, None]).all(axis=2).astype(np.float64)
        else:
            pi = policy(scores / (policy_temperature(model) or 1.0))
            shown = pi[:, draws].prod(axis=2)
            if page == "distinct":
                shown /= _chance_left(pi, draws)
        used = shown.any(axis=0)
        clicked, passed = zip(*(_outcomes(world, draw, step) for draw in draws[used]), strict=True)
        # Probability of each event, given the history and each interest: (histories, m, n).
        by_event = np.array(
            [
                np.einsum("hd,dmn->hmn", shown[:, used], np.array(table))
                for table in (clicked, passed)
            ]
        )
        joint = weight[None, :, :, None] * by_event
        value += float((joint[0] * world.values).sum())
        after = np.einsum("chma,camk->chak", joint, moves)
        kinds, histories, events = np.nonzero(after.sum(axis=3))
        paid = np.where(kinds == 0, world.values[events], 0.0)
        items = np.concatenate([items[histories], events[:, None]], axis=1)
        rewards = np.concatenate([rewards[histories], paid[:, None]], axis=1)
        weight = after[kinds, histories, events]
    return value


def _chance_left(pi: Table, draws: IntArray) -> Table:
    """Product over a page's draws of 1 - pi(those before); infinite where an item stands twice."""
    before = np.cumsum(pi[:, draws], axis=2) - pi[:, draws]
    again = [len(set(draw)) < len(draw) for draw in draws.tolist()]
    return np.where(again, np.inf, (1 - before).prod(axis=2))


def _outcomes(world: World, draw: IntArray, step: int) -> tuple[Table, Table]:
    """P(event is a click on a), P(event is a, unclicked), given each interest, (m, n) each."""
    shown = np.unique(draw)
    clicked, passed = np.zeros((2, world.n_interests, world.n_items))
    like = world.click_probability * world.attention_at(step)
    for likes in product((True, False), repeat=len(shown)):
        chance = np.where(likes, like[:, shown], 1 - like[:, shown]).prod(axis=1)
        if any(likes):
            clicked[:, shown[list(likes)]] += chance[:, None] / sum(likes)
        else:
            passed[:, shown] += chance[:, None] / len(shown)
    return clicked, passed
