"""Simulated worlds: how a session responds to any item that is shown to it.

A session has a latent interest. An item has one interest that it meets, a probability to be clicked
by sessions of each interest, and a value that a click pays. A click may move the session's interest
to that of the item and decides whether the session continues, so that it has a return beyond its
value. A policy sees clicks alone, never the interest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from datasets.errors import InputError, nearest_hint
from datasets.session_log import IntArray

BoolArray = NDArray[np.bool_]
Table = NDArray[np.float64]

WORLDS: dict[str, str] = {
    "static": "the interest stays, sessions have ten steps: nothing but the item shown decides",
    "prices": "as static, and what is clicked most pays least",
    "positions": "as static, and attention falls over the five rows of a page",
    "drift": "clicks draw the interest to their own; it also drifts",
    "boredom": "sessions end, and go on the longer the more what is clicked satisfies",
    "constant": "every page pays 1 and nothing ends a session before ten steps",
}
"""Name of each world to a line about it."""

UNMET = 0.3
"""Factor of an item's click probability if it does not meet the interest."""
ENTRY_MEETS = 0.8
"""Share of sessions whose entry item is drawn among those that meet their interest."""


@dataclass(frozen=True, eq=False)
class World:
    """Items and users of n items and m interests; items are coded 0 to n - 1.

    A session opens with an entry item that counts as clicked, is shown by no policy and pays
    nothing. After it come steps 0, 1, ..., each with one page of one item or a set.
    """

    name: str
    interests: IntArray
    """Interest that each item meets, (n,)."""
    click_probability: Table
    """Click probability of each item by a session of each interest that looks at it, (m, n)."""
    values: Table
    """What a click on each item pays, above 0, (n,)."""
    popularity: Table
    """Popularity: probability of each item to be found by those who know it, sums to 1, (n,)."""
    entry: Table
    """Distribution of the entry item for each interest, rows sum to 1, (m, n)."""
    stay: Table
    """Probability that the session continues after a click on each item, (n,)."""
    stay_unclicked: float = 1.0
    """Probability that it continues without a click."""
    pull: float = 0.0
    """Probability that a click moves the session's interest to the item's."""
    drift: float = 0.0
    """Probability that an interest not moved by a click is drawn again from all interests."""
    attention: tuple[float, ...] = (1.0,)
    """Probability that a page is looked at by its row: step t has row t % len(attention)."""
    horizon: int = 10
    """Steps after the entry at which every session ends."""

    @property
    def n_items(self) -> int:
        """Items of the catalogue, n."""
        return len(self.interests)

    @property
    def n_interests(self) -> int:
        """Latent interests, m."""
        return len(self.click_probability)

    def catalogue(self, item_ids: ArrayLike) -> World:
        """The world with only these items, coded in this order: those that a training log has.

        `item_ids` are a simulated log's ids of items. Sessions that would enter by another item
        enter by one of these.
        """
        codes = np.asarray(item_ids).astype(np.int64)
        entry = self.entry[:, codes]
        return replace(
            self,
            interests=self.interests[codes],
            click_probability=self.click_probability[:, codes],
            values=self.values[codes],
            popularity=self.popularity[codes] / self.popularity[codes].sum(),
            entry=entry / entry.sum(axis=1, keepdims=True),
            stay=self.stay[codes],
        )

    def begin(self, n: int, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
        """Interest and entry item of `n` new sessions, both (n,)."""
        interests = rng.integers(self.n_interests, size=n)
        return interests, draw_items(self.entry, interests, rng)

    def likes(
        self, interests: IntArray, items: IntArray, step: int, rng: np.random.Generator
    ) -> BoolArray:
        """Whether each session would click each item that it is shown at `step`, shape of `items`.

        `items` is (n,) or (n, K), each in a session of the interest in (n,).
        """
        interests = interests.reshape(-1, *[1] * (items.ndim - 1))
        chance = self.click_probability[interests, items] * self.attention_at(step)
        return np.asarray(rng.random(items.shape) < chance)

    def attention_at(self, step: int) -> float:
        """Probability that the page of `step` is looked at."""
        return self.attention[step % len(self.attention)]

    def move(
        self, interests: IntArray, items: IntArray, clicked: BoolArray, rng: np.random.Generator
    ) -> tuple[IntArray, BoolArray]:
        """Interest after each item, clicked or not, and whether the session continues, (n,)."""
        n = len(interests)
        chance = rng.random((3, n))
        pulled = clicked & (chance[0] < self.pull)
        drawn = np.where(chance[1] < self.drift, rng.integers(self.n_interests, size=n), interests)
        after = np.where(pulled, self.interests[items], drawn)
        continues = chance[2] < np.where(clicked, self.stay[items], self.stay_unclicked)
        return after, continues


def make_world(
    name: str,
    *,
    n_items: int = 100,
    n_interests: int = 5,
    correlation: float = 0.0,
    seed: int = 1,
) -> World:
    """One of `WORLDS`: the same arguments give the same world, with the same version of numpy.

    Popularity falls as 1 / rank. A fifth of the items is clicked often where it meets the interest,
    most are not. `correlation`, from 0 to 1, is that of the normal scores of popularity and of what
    an item is worth, its mean click probability times its value: 0 is popularity by chance, 1 the
    order of worth.

    Raises:
        InputError: if there is no such world, or nothing in it for popularity to correlate with.
        ValueError: if there are fewer than one interest, or fewer items than interests, or the
            correlation is not from 0 to 1.
    """
    if name not in WORLDS:
        raise InputError(f"unknown world '{name}'; {nearest_hint(name, WORLDS, 'choose one of')}")
    if not 1 <= n_interests <= n_items:
        raise ValueError(f"{n_items} items cannot meet {n_interests} interests; use more items")
    if not 0 <= correlation <= 1:
        raise ValueError(f"correlation must be from 0 to 1, not {correlation}")
    rng = np.random.default_rng(seed)
    interests = rng.permutation(np.arange(n_items) % n_interests)
    popularity = 1.0 / rng.permutation(np.arange(1, n_items + 1))
    popularity /= popularity.sum()
    meets = interests == np.arange(n_interests)[:, None]
    quality = 0.05 + 0.45 * rng.random(n_items) ** 3
    plain = World(
        name=name,
        interests=interests,
        click_probability=quality * np.where(meets, 1.0, UNMET),
        values=np.ones(n_items),
        popularity=popularity,
        entry=_entry(popularity, interests, n_interests),
        stay=np.ones(n_items),
    )
    world = _SPECIAL[name](plain, rng)
    return world if correlation == 0 else _correlated(world, correlation)


def _entry(popularity: Table, interests: IntArray, n_interests: int) -> Table:
    """Distribution of the entry item for each interest, (m, n)."""
    among_meeting = popularity * (interests == np.arange(n_interests)[:, None])
    among_meeting /= among_meeting.sum(axis=1, keepdims=True)
    entry: Table = ENTRY_MEETS * among_meeting + (1 - ENTRY_MEETS) * popularity
    return entry


def _correlated(world: World, correlation: float) -> World:
    """The world with popularities reassigned by a Gaussian copula with worth."""
    worth = (world.click_probability * world.values).mean(axis=0)
    if worth.max() - worth.min() < 1e-12:
        raise InputError(
            f"correlation: all items of the world '{world.name}' are worth the same; leave it out"
        )
    mixed = correlation * _normal_scores(worth)
    mixed += (1 - correlation**2) ** 0.5 * _normal_scores(world.popularity)
    popularity = np.empty_like(world.popularity)
    popularity[np.argsort(mixed)] = np.sort(world.popularity)
    entry = _entry(popularity, world.interests, world.n_interests)
    return replace(world, popularity=popularity, entry=entry)


def _normal_scores(values: Table) -> Table:
    """Standard normal quantiles at the ranks of `values`, (n,)."""
    ranks = np.empty(len(values))
    ranks[np.argsort(values)] = np.arange(1, len(values) + 1)
    quantile = NormalDist().inv_cdf
    return np.array([quantile(rank / (len(values) + 1)) for rank in ranks])


def _static(plain: World, rng: np.random.Generator) -> World:
    return plain


def _prices(plain: World, rng: np.random.Generator) -> World:
    # The more an item costs the more a purchase pays, and the fewer buy it; what it pays on average
    # still differs, since appeal is drawn apart from price.
    price = np.exp(rng.normal(0.0, 1.0, plain.n_items))
    chance = np.minimum(plain.click_probability / price**0.5, 0.95)
    return replace(plain, click_probability=chance, values=price)


def _positions(plain: World, rng: np.random.Generator) -> World:
    return replace(plain, attention=(1.0, 0.8, 0.65, 0.5, 0.4))


def _drift(plain: World, rng: np.random.Generator) -> World:
    return replace(plain, pull=0.5, drift=0.1)


def _boredom(plain: World, rng: np.random.Generator) -> World:
    satisfaction = rng.random(plain.n_items)
    return replace(
        plain,
        stay=0.6 + 0.38 * satisfaction,
        stay_unclicked=0.85,
        pull=0.3,
        drift=0.05,
        horizon=20,
    )


def _constant(plain: World, rng: np.random.Generator) -> World:
    return replace(plain, click_probability=np.ones_like(plain.click_probability))


_SPECIAL: dict[str, Callable[[World, np.random.Generator], World]] = {
    "static": _static,
    "prices": _prices,
    "positions": _positions,
    "drift": _drift,
    "boredom": _boredom,
    "constant": _constant,
}


def draw_items(table: Table, rows: IntArray, rng: np.random.Generator) -> IntArray:
    """An item drawn from each of `rows` of a table of distributions over items, (len(rows),)."""
    # Row r of the cumulative table is between r and r + 1, so that one search serves all rows.
    ends = np.cumsum(table, axis=1)
    ends = ends / ends[:, -1:] + np.arange(len(table))[:, None]
    places = np.searchsorted(ends.ravel(), rows + rng.random(len(rows)), side="right")
    return np.asarray(np.clip(places - rows * table.shape[1], 0, table.shape[1] - 1))
