"""Simulated logs of any size: sessions that follow interests, drawn from a seed.

The catalogue is divided into interests. A session keeps an interest for some events, then changes
to another; items are drawn by popularity within the interest, and occasionally from all items. The
last items of a session thus predict the next one, less so once its events are shuffled. Items may
repeat in a session.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from datasets.session_log import FloatArray, IntArray, ItemCodes, SessionLog, StringArray

Shape = Literal["users", "clicks"]

EVENTS_PER_CHUNK = 2**18
"""Events drawn at once, few enough for the processor's cache. Changing it changes the log."""
MEAN_EVENT_GAP = 60
"""Seconds between two events of a session, on average."""
MEAN_SESSION_GAP = 600
"""Seconds between the starts of two sessions, on average."""
LONGEST_USER = 9254
"""Events of MovieLens 20M's longest history."""
LEAST_QUALITY = 0.1
UNMET = np.float32(0.5)
"""Factor of an item's quality if it does not meet the session's interest."""


@dataclass(frozen=True)
class SimulationOptions:
    """What sessions are like; raises `ValueError` where an option is out of its range."""

    shape: Shape = "users"
    """users: whole histories of 20 events or more, as long as MovieLens 20M has them.
    clicks: 2 events or more, 5 on average."""
    popularity_exponent: float = 1.0
    """a: the item of rank r = 1, 2, ... is drawn in proportion to (r + interests) ** -a."""
    interests: int = 30
    """Parts of the catalogue, equal in size and near to equal in popularity."""
    keep: float = 0.85
    """Probability that the next event keeps the session's interest and draws no other."""
    stray: float = 0.1
    """Share of events that are drawn from all items, whatever the interest."""

    def __post_init__(self) -> None:
        if self.shape not in get_args(Shape):
            raise ValueError(f"shape must be one of {', '.join(get_args(Shape))}, not {self.shape}")
        if not 0 <= self.popularity_exponent <= 10:
            raise ValueError(
                f"popularity_exponent must be from 0 to 10, not {self.popularity_exponent}"
            )
        if self.interests < 1:
            raise ValueError(f"interests must be at least 1, not {self.interests}")
        for name in ("keep", "stray"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be from 0 to 1, not {getattr(self, name)}")


@dataclass(frozen=True)
class _Catalogue:
    """All items, those of one interest side by side."""

    items: ItemCodes
    """Code of the item at each place, (n_items,)."""
    bounds: IntArray
    """First place of each interest, and the end, (interests + 1,)."""
    popularity: NDArray[np.float64]
    """Popularity of all places before each one, rising from 0 to 1, (n_items + 1,)."""
    quality: FloatArray
    """Probability that the item at each place is liked where it meets the interest, (n_items,)."""


def simulated_log(
    n_events: int, n_items: int, *, seed: int, options: SimulationOptions | None = None
) -> SessionLog:
    """Draw a log of exactly `n_events` events over a catalogue of `n_items`.

    Rewards are 1 or 0, times rise by a second or more inside a session, and sessions stand in the
    order in which they start. The last session is cut short, to two events at least, where it would
    go beyond `n_events`. Items that no event happens to have stay in the catalogue. The same
    arguments give the same log, bit for bit, with the same version of numpy.

    Args:
        n_events: at least 2.
        n_items: at least the number of interests.
        seed: of catalogue and sessions, 0 or greater.
        options: None for the defaults.

    Raises:
        ValueError: if an argument is out of its range.
    """
    options = options or SimulationOptions()
    if n_events < 2:
        raise ValueError(f"n_events must be at least 2, not {n_events}")
    if n_items < options.interests:
        raise ValueError(
            f"n_items must be at least the {options.interests} interests, not {n_items}"
        )
    if seed < 0:
        raise ValueError(f"seed must be 0 or greater, not {seed}")
    rng = np.random.default_rng(seed)
    catalogue = _catalogue(n_items, options, rng)
    lengths = _session_lengths(n_events, options.shape, rng)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    session_starts = np.cumsum(_gaps(len(lengths), MEAN_SESSION_GAP, rng))
    items = np.empty(n_events, dtype=np.int32)
    rewards = np.empty(n_events, dtype=np.float32)
    times = np.empty(n_events, dtype=np.int64)
    cuts = np.searchsorted(offsets, np.arange(0, n_events, EVENTS_PER_CHUNK))
    for first, stop in pairwise([*dict.fromkeys(cuts.tolist()), len(lengths)]):
        chunk = slice(offsets[first], offsets[stop])
        first_events = offsets[first:stop] - offsets[first]
        places, liked = _draw_events(catalogue, first_events, lengths[first:stop], options, rng)
        items[chunk] = catalogue.items[places]
        rewards[chunk] = liked
        times[chunk] = _draw_times(
            session_starts[first:stop], first_events, lengths[first:stop], rng
        )
    return SessionLog(
        items=items,
        rewards=rewards,
        offsets=offsets,
        item_ids=_ids(n_items),
        session_ids=_ids(len(lengths)),
        times=times,
    )


def _catalogue(n_items: int, options: SimulationOptions, rng: np.random.Generator) -> _Catalogue:
    ranks = np.arange(n_items)
    # Dealt out like cards, so that every interest has popular items and rare ones. The ranks are
    # shifted by the interests because the first item of a plain Zipf law has a tenth of all events,
    # and would be nearly all of its interest; the first of MovieLens 20M has 0.3 %.
    by_interest = np.argsort(ranks % options.interests, kind="stable")
    weights = (1.0 + by_interest + options.interests) ** -options.popularity_exponent
    sizes = np.bincount(ranks % options.interests)
    popularity = np.concatenate([[0.0], np.cumsum(weights)])
    return _Catalogue(
        items=rng.permutation(n_items).astype(np.int32),
        bounds=np.concatenate([[0], np.cumsum(sizes)]),
        popularity=popularity / popularity[-1],
        quality=rng.uniform(LEAST_QUALITY, 1, n_items).astype(np.float32),
    )


def _session_lengths(n_events: int, shape: Shape, rng: np.random.Generator) -> IntArray:
    """Events of each session, their sum `n_events`."""
    lengths = np.empty(0, dtype=np.int64)
    while (missing := n_events - int(lengths.sum())) > 0:
        if shape == "users":
            # A log-normal of median 48 and mean 124, above the 20 events that each user has: the
            # median is exp(mu), the mean exp(mu + sigma ** 2 / 2).
            sigma = math.sqrt(2 * math.log(124 / 48))
            above_least = rng.lognormal(math.log(48), sigma, 1 + missing // 144)
            drawn = 20 + np.minimum(np.rint(above_least).astype(np.int64), LONGEST_USER - 20)
        else:
            drawn = 1 + rng.geometric(1 / 4, 1 + missing // 5)
        lengths = np.concatenate([lengths, drawn])
    ends = np.cumsum(lengths)
    last = int(np.searchsorted(ends, n_events))
    lengths = lengths[: last + 1]
    lengths[last] -= ends[last] - n_events
    if lengths[last] == 1:
        lengths = lengths[:last]
        lengths[-1] += 1
    return lengths


def _draw_events(
    catalogue: _Catalogue,
    first_events: IntArray,
    lengths: IntArray,
    options: SimulationOptions,
    rng: np.random.Generator,
) -> tuple[IntArray, NDArray[np.bool_]]:
    """Place in the catalogue of each event's item, and whether it was liked, both (n_events,)."""
    n_events = int(lengths.sum())
    turns = rng.random(n_events, dtype=np.float32) >= options.keep
    turns[first_events] = True
    interest_bounds = catalogue.popularity[catalogue.bounds]
    # In proportion to their popularity, so that over all events each item has its own.
    taken_up = np.searchsorted(interest_bounds, rng.random(int(turns.sum())), side="right") - 1
    interests = taken_up[np.cumsum(turns) - 1]
    first, last = catalogue.bounds[interests], catalogue.bounds[interests + 1] - 1

    strays = rng.random(n_events, dtype=np.float32) < options.stray
    low = np.where(strays, 0.0, interest_bounds[interests])
    high = np.where(strays, 1.0, interest_bounds[interests + 1])
    # Rounded up to `high` it would be an item of the next interest.
    drawn = np.minimum(low + (high - low) * rng.random(n_events), np.nextafter(high, 0))
    places = np.searchsorted(catalogue.popularity, drawn, side="right") - 1
    meets = (places >= first) & (places <= last)
    chance = catalogue.quality[places] * np.where(meets, np.float32(1), UNMET)
    return places, rng.random(n_events, dtype=np.float32) < chance


def _draw_times(
    session_starts: IntArray, first_events: IntArray, lengths: IntArray, rng: np.random.Generator
) -> IntArray:
    """Time of each event in seconds, (n_events,)."""
    elapsed = np.cumsum(_gaps(int(lengths.sum()), MEAN_EVENT_GAP, rng))
    return elapsed + np.repeat(session_starts - elapsed[first_events], lengths)


def _gaps(n: int, mean: int, rng: np.random.Generator) -> IntArray:
    """Whole seconds between events, at least 1, (n,)."""
    return np.rint(1 + rng.exponential(mean - 1, n)).astype(np.int64)


def _ids(n: int) -> StringArray:
    return np.arange(n).astype(f"<U{len(str(n - 1))}")
