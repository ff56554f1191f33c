"""Copies of sessions that end otherwise: what a model is asked to show that it sees no future."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from datasets.session_log import IntArray, SessionLog
from models.recommender import is_factored

SCORES_SAMPLED = 2**22
"""About how many scores are compared: of large catalogues fewer sessions are taken."""
STATES_SAMPLED = 2**12
"""About for how many prefixes a factored model is asked, beside those of the longest session."""
LONGEST_TAIL = 16
"""Most events at the end of a copy."""


@dataclass(frozen=True, eq=False)
class Copies:
    """Copies of some sessions in random order: true events until a cut, then random ones."""

    log: SessionLog
    sessions: IntArray
    """Which session each copy is of, shape (n_copies,)."""
    cuts: IntArray
    """How many events of each copy are true, at least one, shape (n_copies,)."""


def affordable_rows(model: Any, n_items: int) -> int:
    """For how many prefixes `model` may be asked, beside those of one session."""
    factored = is_factored(model)
    return STATES_SAMPLED if factored else max(SCORES_SAMPLED // n_items, 1)


def altered_copies(
    model: Any, sessions: SessionLog, sample: int, rng: np.random.Generator
) -> Copies:
    """Copies of `sample` sessions of at least two events, fewer where they cost too much.

    An eighth are the longest sessions, cut in their last quarter; the others are of all lengths,
    cut at places spread evenly. The items after a cut are uniform draws from the catalogue, their
    rewards and propensities those of random events. The longest session is always among them.
    """
    chosen = _spread_over_lengths(sessions, sample, rng)
    n_long = -(-len(chosen) // 8)
    share = (rng.permutation(len(chosen)) + rng.random(len(chosen))) / len(chosen)
    share[:n_long] = 0.75 + share[:n_long] / 4
    cuts = 1 + np.floor(share * (sessions.lengths[chosen] - 1)).astype(np.int64)
    tails = np.where(rng.random(len(chosen)) < 0.5, 1, rng.integers(1, LONGEST_TAIL + 1))
    tails[0] = LONGEST_TAIL
    states, scores = affordable_rows(model, sessions.n_items), SCORES_SAMPLED // sessions.n_items
    kept = np.zeros(len(chosen), dtype=np.bool_)
    # The longest alone before the others: a few more like it would use up what is affordable.
    for copy in (0, *range(n_long, len(chosen)), *range(1, n_long)):
        asked, scored = cuts[copy] + tails[copy] - 1, tails[copy] + 3
        kept[copy] = copy == 0 or (asked <= states and scored <= scores)
        if kept[copy]:
            states -= asked if copy else 0
            scores -= scored
    order = rng.permutation(np.flatnonzero(kept))
    chosen, cuts, tails = chosen[order], cuts[order], tails[order]
    return Copies(_with_tails(sessions, chosen, cuts, tails, rng), chosen, cuts)


def _spread_over_lengths(sessions: SessionLog, sample: int, rng: np.random.Generator) -> IntArray:
    """The longest sessions, then as many of each length as there are, in random order."""
    eligible = np.flatnonzero(sessions.lengths >= 2)
    by_length = rng.permutation(eligible)
    by_length = by_length[np.argsort(-sessions.lengths[by_length], kind="stable")]
    sample = min(sample, len(by_length))
    n_long = -(-sample // 8)
    ends = np.linspace(n_long, len(by_length), sample - n_long + 1).astype(np.int64)
    others = rng.permutation(rng.integers(ends[:-1], ends[1:]))
    found: IntArray = by_length[np.concatenate([np.arange(n_long), others])]
    return found


def _with_tails(
    sessions: SessionLog,
    chosen: IntArray,
    cuts: IntArray,
    tails: IntArray,
    rng: np.random.Generator,
) -> SessionLog:
    """Each session until its cut, then as many random events as `tails` says."""
    lengths = cuts + tails
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    copy = np.repeat(np.arange(len(chosen)), lengths)
    place = np.arange(offsets[-1]) - offsets[:-1][copy]
    later = place >= cuts[copy]
    events = sessions.offsets[:-1][chosen][copy] + np.minimum(place, cuts[copy] - 1)
    items = sessions.items[events]
    items[later] = rng.integers(0, sessions.n_items, int(later.sum()))
    times = None
    if sessions.times is not None:
        steps = np.cumsum(rng.integers(1, 1000, len(place)))
        times = sessions.times[events]
        times[later] += (steps - steps[offsets[:-1][copy] + cuts[copy] - 1])[later]
    # Of what else an event has, that of a random one.
    events[later] = rng.integers(0, sessions.n_events, int(later.sum()))
    propensities = sessions.propensities
    return dataclasses.replace(
        sessions,
        items=items,
        rewards=sessions.rewards[events],
        offsets=offsets,
        session_ids=sessions.session_ids[chosen],
        times=times,
        propensities=None if propensities is None else propensities[events],
    )
