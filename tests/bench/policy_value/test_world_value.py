"""The true value of a policy: rollouts against enumeration, closed forms and logged means."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from bench.policy_value.world_value import PAGES, Page, estimate, rollout, world_values
from bench.ranking import score_blocks
from datasets.session_log import SessionLog
from datasets.simulation.loggers import make_logger
from datasets.simulation.sessions import draw_log
from datasets.simulation.worlds import WORLDS, World, make_world
from experiments.ordering.table_policy import TablePolicy
from models.recommender import FloatMatrix
from tests.bench.policy_value.world_enumeration import exact_value

N_SESSIONS = 20_000


class ByHistory:
    """Scores that depend on every event of the prefix and on what was clicked."""

    def __init__(self, n_items: int, temperature: float | None) -> None:
        self.policy_temperature = temperature
        self._weights = np.random.default_rng(5).normal(size=(2, n_items, n_items))

    def score(self, sessions: SessionLog) -> FloatMatrix:
        clicked = (sessions.rewards > 0).astype(int)
        terms = self._weights[clicked, sessions.items]
        sums = np.cumsum(terms, axis=0)
        before = sums[sessions.offsets[:-1]] - terms[sessions.offsets[:-1]]
        by_event = sums - before[sessions.session_of_event]
        last = np.zeros(sessions.n_events, dtype=bool)
        last[sessions.offsets[1:] - 1] = True
        return by_event[~last].astype(np.float32)


def small_world(name: str) -> World:
    world = make_world(name, n_items=4, n_interests=2, seed=3)
    # Likelier clicks and few steps, so that the choice among several liked items counts.
    chance = np.minimum(3 * world.click_probability, 0.9)
    return replace(world, click_probability=chance, horizon=3)


@pytest.mark.parametrize(
    ("name", "set_size"), [*product(WORLDS, [2]), ("boredom", 1), ("drift", 3)]
)
@pytest.mark.parametrize("page", PAGES)
def test_enumeration_equals_rollout(name: str, set_size: int, page: Page) -> None:
    world = small_world(name)
    model = ByHistory(4, 1.5)
    exact = exact_value(world, model, page, set_size=set_size)
    sums = rollout(world, model, page, set_size=set_size, n_sessions=N_SESSIONS, seed=1)
    error = sums.std() / N_SESSIONS**0.5
    assert sums.mean() == pytest.approx(exact, abs=4 * error + 1e-9)
    assert exact > 0.1


def test_one_step_by_hand() -> None:
    world = replace(
        make_world("static", n_items=2, n_interests=1),
        click_probability=np.array([[0.5, 0.2]]),
        values=np.array([1.0, 3.0]),
        horizon=1,
    )
    table = TablePolicy(world, np.array([[0.25, 0.75]]))
    one = exact_value(world, table, "distinct", set_size=1)
    assert one == pytest.approx(0.25 * 0.5 + 0.75 * 0.2 * 3)
    both = (0.5 * 0.8 + 0.5 * 0.2 / 2) * 1 + (0.2 * 0.5 + 0.5 * 0.2 / 2) * 3
    assert exact_value(world, table, "greedy", set_size=2) == pytest.approx(both)
    assert exact_value(world, table, "distinct", set_size=2) == pytest.approx(both)
    # Two draws: the first item alone 1/16, the second alone 9/16, else both.
    drawn = exact_value(world, table, "duplicates_dropped", set_size=2)
    assert drawn == pytest.approx(0.5 / 16 + 0.6 * 9 / 16 + both * 6 / 16)


@pytest.mark.parametrize("name", ["static", "drift", "boredom", "positions", "prices"])
@pytest.mark.parametrize("logger_name", ["popularity", "softmax-warm"])
def test_a_loggers_own_value_is_what_its_log_pays(name: str, logger_name: str) -> None:
    world = make_world(name, n_items=20, n_interests=4, seed=2)
    logger = make_logger(logger_name, world)
    log = draw_log(world, logger, N_SESSIONS, seed=7)
    paid = np.bincount(log.session_of_event, weights=log.rewards) - 1
    logged = estimate(paid)
    values = world_values(
        world,
        TablePolicy(world, logger.table),
        set_size=1,
        n_sessions=N_SESSIONS,
        seed=8,
    )
    drawn = values.distinct
    assert drawn is not None
    spread = np.hypot(logged.high - logged.value, drawn.high - drawn.value)
    assert drawn.value == pytest.approx(logged.value, abs=2 * spread)


def test_every_policy_is_worth_the_same_where_every_page_pays_one() -> None:
    world = make_world("constant", n_items=10, n_interests=2)
    for set_size, seed in [(1, 1), (3, 2)]:
        values = world_values(
            world, ByHistory(10, 1.0), set_size=set_size, n_sessions=50, seed=seed
        )
        assert values.distinct == values.duplicates_dropped == values.greedy
        assert (values.greedy.value, values.greedy.low, values.greedy.high) == (10, 10, 10)


def test_the_best_items_are_worth_more_than_any_and_the_set_more_than_one() -> None:
    world = make_world("static", n_items=40, n_interests=4)
    good = TablePolicy(world, world.click_probability**4)
    anything = TablePolicy(world, np.ones((4, 40)))
    of_good, of_any, of_one = (
        world_values(world, model, set_size=k, n_sessions=4000, seed=1)
        for model, k in [(good, 3), (anything, 3), (good, 1)]
    )
    assert of_good.greedy.low > of_any.greedy.high
    assert of_good.distinct is not None
    assert of_any.distinct is not None
    assert of_good.distinct.low > of_any.distinct.high
    assert of_good.duplicates_dropped is not None
    assert of_good.distinct.low > of_good.duplicates_dropped.high, "a full page is worth more"
    assert of_good.greedy.low > of_one.greedy.high


def test_only_a_stochastic_policy_has_drawn_pages() -> None:
    world = make_world("drift", n_items=10, n_interests=2)
    values = world_values(world, ByHistory(10, None), set_size=2, n_sessions=100, seed=1)
    assert values.distinct is None
    assert values.duplicates_dropped is None
    with pytest.raises(ValueError, match="needs a stochastic policy"):
        rollout(world, ByHistory(10, None), "distinct", set_size=2, n_sessions=9, seed=1)
    assert values.greedy.low < values.greedy.value < values.greedy.high


def test_equal_seeds_give_equal_values() -> None:
    world = make_world("boredom", n_items=10, n_interests=2)
    first, again, other = (
        world_values(world, ByHistory(10, 1.0), set_size=2, n_sessions=100, seed=seed)
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_values_do_not_depend_on_how_many_scores_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world("boredom", n_items=10, n_interests=2)
    found = []
    for n_scores in (score_blocks.SCORES_PER_BLOCK, 300, 1):
        monkeypatch.setattr(score_blocks, "SCORES_PER_BLOCK", n_scores)
        found.append(world_values(world, ByHistory(10, 1.0), set_size=2, n_sessions=60, seed=1))
    assert found[0] == found[1] == found[2]


def test_the_world_of_a_smaller_catalogue_shows_only_its_items() -> None:
    world = make_world("static", n_items=30, n_interests=3)
    left = world.catalogue(np.array(["4", "7", "29"]))
    assert left.values.shape == (3,)
    assert left.click_probability[:, 1].tolist() == world.click_probability[:, 7].tolist()
    assert left.entry.sum(axis=1) == pytest.approx(1)
    assert world_values(left, ByHistory(3, 1.0), set_size=3, n_sessions=9, seed=1)


def test_refuses_another_catalogue_nan_and_too_large_a_set() -> None:
    world = make_world("static", n_items=10, n_interests=2)
    with pytest.raises(ValueError, match="the model's catalogue"):
        world_values(world, ByHistory(11, 1.0), set_size=2, n_sessions=9, seed=1)
    with pytest.raises(ValueError, match="1 to 10 items in a set"):
        world_values(world, ByHistory(10, 1.0), set_size=11, n_sessions=9, seed=1)
    broken = TablePolicy(world, np.full((2, 10), np.nan))
    with pytest.raises(ValueError, match="NaN"):
        world_values(world, broken, set_size=2, n_sessions=9, seed=1)
