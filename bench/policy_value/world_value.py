"""True value of a trained model in a simulated world: the mean summed reward of its sessions.

At every step the model shows a page: its first K items (greedy); K distinct items, drawn from its
policy softmax(score / T) one after another without replacement (distinct); or K independent draws
with duplicates dropped, so that the page is shorter than K (duplicates_dropped; what eq. 8 of Chen
et al., WSDM 2019, assumes). The session likes each item of the page or not, independently, and
clicks one of those that it likes, at random: at most one item a page, as the paper's top-K
correction assumes. One event enters the history: the click, else one of the items shown, with
reward 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from bench.ranking.score_blocks import equal_sessions_per_block, last_scores
from bench.stats.estimate import Estimate
from datasets.session_log import IntArray, SessionLog
from datasets.simulation.sessions import item_ids
from datasets.simulation.worlds import Table, World, draw_items
from models.recommender import Recommender, policy_temperature

Page = Literal["greedy", "distinct", "duplicates_dropped"]
PAGES: tuple[Page, ...] = get_args(Page)
"""How a model fills a page of K."""


@dataclass(frozen=True)
class WorldValues:
    """Mean summed reward of simulated sessions by page; drawn pages need a stochastic policy."""

    greedy: Estimate
    """Of the first K items; of items that tie, those of lower codes come first."""
    distinct: Estimate | None = None
    """Of K distinct items drawn from the policy."""
    duplicates_dropped: Estimate | None = None
    """Of K draws from the policy with replacement, each item shown once."""


def world_values(
    world: World, model: Recommender, *, set_size: int, n_sessions: int, seed: int
) -> WorldValues:
    """Value of `model` in `world`, by `n_sessions` simulated sessions for each page.

    Models given the same seed meet users of the same interests and entry items; what happens later
    is drawn for each. `world` is that of the model's catalogue (`World.catalogue`). Raises
    ValueError if scores are NaN or of another catalogue, or the world has fewer than `set_size`
    items, or there are fewer than 2 sessions.
    """
    options = {"set_size": set_size, "n_sessions": n_sessions, "seed": seed}
    pages = PAGES[:1] if policy_temperature(model) is None else PAGES
    return WorldValues(**{page: estimate(rollout(world, model, page, **options)) for page in pages})


def estimate(sums: Table) -> Estimate:
    """Mean of independent sums, (n,), and its normal 95 % interval."""
    mean, error = float(sums.mean()), float(sums.std(ddof=1)) / len(sums) ** 0.5
    return Estimate(mean, mean - 1.96 * error, mean + 1.96 * error)


def rollout(
    world: World, model: Recommender, page: Page, *, set_size: int, n_sessions: int, seed: int
) -> Table:
    """Summed reward of each simulated session, (n_sessions,).

    Raises ValueError as `world_values` does, and if a drawn page has no stochastic policy.
    """
    temperature = policy_temperature(model)
    if temperature is None and page != "greedy":
        raise ValueError(f"a {page} page needs a stochastic policy, with a policy_temperature")
    if n_sessions < 2 or not 1 <= set_size <= world.n_items:
        raise ValueError(
            f"a rollout needs 2 sessions or more and 1 to {world.n_items} items in a set, "
            f"not {n_sessions} and {set_size}"
        )
    rng = np.random.default_rng(seed)
    interests, entries = world.begin(n_sessions, rng)
    items = np.empty((n_sessions, world.horizon + 1), dtype=np.int64)
    rewards = np.zeros((n_sessions, world.horizon + 1))
    items[:, 0], rewards[:, 0] = entries, 1.0
    alive = np.arange(n_sessions)
    for step in range(world.horizon):
        shown = np.empty((len(alive), set_size), dtype=np.int64)
        histories = items[alive, : step + 1], rewards[alive, : step + 1]
        for rows, scores in _scores_after(world, model, *histories):
            shown[rows] = _fill_page(page, scores / (temperature or 1.0), set_size, rng)
        liked = world.likes(interests, shown, step, rng)
        # Liked items come first, in random order; an item that was drawn twice is shown once.
        order = np.where(_repeated(shown), -1.0, rng.random(shown.shape) + liked)
        chosen = order.argmax(axis=1)
        taken = np.arange(len(alive)), chosen
        clicked = np.asarray(liked[taken])
        items[alive, step + 1] = shown[taken]
        rewards[alive, step + 1] = np.where(clicked, world.values[shown[taken]], 0.0)
        interests, continues = world.move(interests, shown[taken], clicked, rng)
        alive, interests = alive[continues], interests[continues]
    return np.asarray(rewards[:, 1:].sum(axis=1))


def histories_log(world: World, items: IntArray, rewards: Table) -> SessionLog:
    """Histories of equal length, both (n, t), with one more event, which no prefix contains."""
    n, length = items.shape
    padded = np.concatenate([items, items[:, -1:]], axis=1)
    paid = np.concatenate([rewards, np.zeros((n, 1))], axis=1)
    return SessionLog(
        items=padded.ravel().astype(np.int32),
        rewards=paid.ravel().astype(np.float32),
        offsets=np.arange(n + 1, dtype=np.int64) * (length + 1),
        item_ids=item_ids(world.n_items),
        session_ids=item_ids(n),
    )


def _scores_after(
    world: World, model: Recommender, items: IntArray, rewards: Table
) -> Iterator[tuple[slice, Table]]:
    """Scores of every item after each history, in blocks of histories, (n_block, n_items)."""
    length = items.shape[1]
    block = equal_sessions_per_block(model, length, world.n_items)
    for start in range(0, len(items), block):
        rows = slice(start, start + block)
        log = histories_log(world, items[rows], rewards[rows])
        yield rows, scores_in_world(world, model, log)


def scores_in_world(world: World, model: Recommender, log: SessionLog) -> Table:
    """Scores after each session's last prefix, (n_sessions, n_items); raises as `world_values`."""
    scores = last_scores(model, log).astype(np.float64)
    if scores.shape != (log.n_sessions, world.n_items):
        raise ValueError(
            f"scores have shape {scores.shape}, expected {(log.n_sessions, world.n_items)}; "
            "give the world of the model's catalogue"
        )
    if np.isnan(scores).any():
        raise ValueError("a score is NaN, so no set can be shown")
    return scores


def policy(logits: Table) -> Table:
    """Softmax of each row, (n, n_items)."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _fill_page(page: Page, logits: Table, k: int, rng: np.random.Generator) -> IntArray:
    """k items for each row of logits, duplicates included, (n, k)."""
    if page == "duplicates_dropped":
        rows = np.repeat(np.arange(len(logits)), k)
        return draw_items(policy(logits), rows, rng).reshape(-1, k)
    if page == "distinct":
        # The order of logits with Gumbel noise is one of draws without replacement.
        logits = logits + rng.gumbel(size=logits.shape)
    return np.argsort(-logits, axis=1, kind="stable")[:, :k]


def _repeated(shown: IntArray) -> NDArray[np.bool_]:
    """Whether the same item occurs earlier in its row, shape of `shown`."""
    order = np.argsort(shown, axis=1, kind="stable")
    ordered = np.take_along_axis(shown, order, axis=1)
    repeated = np.zeros(shown.shape, dtype=np.bool_)
    np.put_along_axis(repeated, order[:, 1:], ordered[:, 1:] == ordered[:, :-1], axis=1)
    return repeated
