"""Ranks by popularity and by a Markov chain, equal to those of the models, from counts alone.

A rank is a difference of positions in sorted columns, which takes seconds for millions of events
and items.
"""

from __future__ import annotations

import numpy as np

from bench.store.ranks import Ranks, unranked
from datasets.session_log import IntArray, SessionLog
from datasets.simulation.loggers import Logger
from datasets.simulation.sessions import observed_classes
from datasets.simulation.worlds import World
from datasets.splitting.held_out import HeldOut
from models.common.neighbours.popularity_ties import popularity_levels, ranks_in_rows


def popularity_ranks(train: SessionLog, test: HeldOut) -> Ranks:
    """What `rank_targets` gives for `models/popularity.py` fitted on `train`, without exposure."""
    support = train.item_counts()
    targets = test.log.items[test.is_target]
    return _ranks(test, *_at_least_and_equal(np.sort(support), support[targets]))


def markov_ranks(train: SessionLog, test: HeldOut) -> Ranks:
    """What `rank_targets` gives for `models/markov.py` fitted on `train`, without exposure.

    First come the items that followed the last one in training, by count and then popularity, then
    all others by popularity.
    """
    n_items = train.n_items
    levels = popularity_levels(train.item_counts())
    inside = train.position_in_session[1:] > 0
    codes = train.items.astype(np.int64)
    pairs, counts = np.unique((codes[:-1] * n_items + codes[1:])[inside], return_counts=True)
    items, followers = np.divmod(pairs, n_items)
    places = ranks_in_rows(items, counts, levels[followers])

    events = np.flatnonzero(test.is_target)
    last = test.log.items[events - 1].astype(np.int64)
    targets = test.log.items[events].astype(np.int64)
    wanted = last * n_items + targets
    found = np.searchsorted(pairs, wanted)
    followed = np.append(pairs, -1)[found] == wanted

    # One sorted column holds all rows in turn, as no place or level reaches `width`.
    width = n_items + 1
    own_place = np.append(places, 0)[found]
    at_least, equal = _at_least_and_equal(
        np.sort(items * width + places), last * width + own_place, (last + 1) * width
    )
    own_level = levels[targets]
    of_all = _at_least_and_equal(np.sort(levels), own_level)
    of_followers = _at_least_and_equal(
        np.sort(items * width + levels[followers]), last * width + own_level, (last + 1) * width
    )
    n_followers = np.bincount(items, minlength=n_items)[last]
    return _ranks(
        test,
        np.where(followed, at_least, n_followers + of_all[0] - of_followers[0]),
        np.where(followed, equal, of_all[1] - of_followers[1]),
    )


def logger_ranks(world: World, logger: Logger, test: HeldOut) -> Ranks:
    """By the logger's own probabilities of what it shows next: the best ranking on average.

    The history determines the row of its table from which it draws; of equally likely items those
    of lower codes come first. (A cascade's rules alternate by day, which this ranking ignores.)
    """
    codes = np.asarray(test.log.item_ids).astype(np.int64)
    order = np.argsort(-logger.table[:, codes], axis=1, kind="stable")
    places = np.argsort(order, axis=1)
    classes = observed_classes(world.catalogue(test.log.item_ids), test.log)
    events = np.flatnonzero(test.is_target)
    at_least = places[classes[events - 1], test.log.items[events]] + 1
    return _ranks(test, at_least, np.ones_like(at_least))


def _at_least_and_equal(
    ascending: IntArray, values: IntArray, below: IntArray | None = None
) -> tuple[IntArray, IntArray]:
    """How many of `ascending` are >= each of `values` (and < `below`), and how many equal it."""
    first = np.searchsorted(ascending, values, side="left")
    end = len(ascending) if below is None else np.searchsorted(ascending, below, side="left")
    return end - first, np.searchsorted(ascending, values, side="right") - first


def _ranks(test: HeldOut, at_least: IntArray, equal: IntArray) -> Ranks:
    """Ranks in the order of the test events; the target itself counts in both columns."""
    ranks = unranked(test, ())
    ranks.ranks[: len(at_least)] = at_least
    ranks.ties[: len(equal)] = equal - 1
    return ranks
