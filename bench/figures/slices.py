"""A metric by group of test events, which shows what the total hides."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.figures.event_groups import groupings
from bench.stats.estimate import Estimate
from bench.stats.significance import interval
from bench.store.catalogue import Catalogue
from bench.store.events import TestEvents
from datasets.session_log import IntArray

RESAMPLES = 500
"""Enough for the third digit of an interval's end."""
ROWS_PER_BLOCK = 2**9
"""Sessions of a product: as floats they fit a core's second-level cache."""
ROUNDING = 1e-6
"""Difference of means between equal models by single-precision sums."""


@dataclass(frozen=True)
class Slice:
    """The events of one kind."""

    dimension: str
    name: str
    n_events: int
    n_sessions: int
    """Sessions that have such an event."""
    values: dict[str, Estimate]
    """Mean over the events of the slice, by model."""
    ahead: frozenset[tuple[str, str]]
    """Pairs of which the first model is ahead: the 95 % interval of the difference is above 0."""


def slices(
    models: Mapping[str, NDArray[np.float64]], events: TestEvents, catalogue: Catalogue
) -> list[Slice]:
    """Mean of a metric over each kind of event that occurs, dimension by dimension.

    `models` gives each model's values of the metric, (n_events,), by label. The interval is a
    percentile bootstrap of sum of values / number of events over all test sessions, `RESAMPLES` of
    them, the same for all models and slices; resamples without an event of a slice are left out of
    its interval. A dimension whose column is absent, or that has a single kind, is absent.
    """
    session_of_event = np.unique(events.sessions, return_inverse=True)[1]
    resampled = _resampled_sessions(int(session_of_event.max()) + 1)
    found = []
    for grouping in groupings(events, catalogue):
        for group, name in enumerate(grouping.names):
            rows = np.flatnonzero(grouping.group_of_event == group)
            if len(rows):
                sums, sessions = _session_sums(models, rows, session_of_event[rows])
                totals = _totals(resampled, sums, sessions)
                n_events, n_sessions = len(rows), len(sessions)
                values, ahead = _figures(list(models), sums.sum(axis=0), totals)
                found.append(Slice(grouping.dimension, name, n_events, n_sessions, values, ahead))
    return found


def reversals(found: Sequence[Slice]) -> list[str]:
    """A warning for each dimension and pair of models whose order in total most slices contradict.

    All models are judged on the same events, so a total is one weighted mean of its slices for all
    of them, and its order cannot be reversed in every slice (as in Simpson's paradox). It can
    depend on few: the sentence stands where the model that leads in total is behind in at least
    half of the dimension's slices, in each by more than chance (`Slice.ahead`).
    """
    sentences = []
    for dimension, grouped in itertools.groupby(found, key=lambda part: part.dimension):
        parts = list(grouped)
        sizes = np.array([part.n_events for part in parts])
        totals = {
            label: float(sizes @ [part.values[label].value for part in parts]) / sizes.sum()
            for label in parts[0].values
        }
        for one, other in itertools.combinations(totals, 2):
            if totals[one] == totals[other]:
                continue
            leader, second = (one, other) if totals[one] > totals[other] else (other, one)
            behind = [part.name for part in parts if (second, leader) in part.ahead]
            if 2 * len(behind) >= len(parts):
                sentences.append(
                    f"{leader} leads {second} over all events, but is behind it in "
                    f"{len(behind)} of {len(parts)} slices by {dimension}: {'; '.join(behind)}"
                )
    return sentences


def _resampled_sessions(n_sessions: int) -> NDArray[np.uint8]:
    """How often each session is drawn by each resample, (n_sessions, RESAMPLES)."""
    rng = np.random.default_rng(0)
    # More than 255 of n draws are one session with a probability below 1 / 256!.
    times = np.empty((RESAMPLES, n_sessions), dtype=np.uint8)
    for of_resample in times:
        drawn = rng.integers(n_sessions, size=n_sessions, dtype=np.int32)
        of_resample[:] = np.bincount(drawn, minlength=n_sessions)
    return np.ascontiguousarray(times.T)


def _session_sums(
    models: Mapping[str, NDArray[np.float64]], rows: IntArray, session_of_row: IntArray
) -> tuple[NDArray[np.float64], IntArray]:
    """Events and each model's sum in the sessions of `rows`, (n, 1 + n_models), and these, (n,)."""
    sessions, place, sizes = np.unique(session_of_row, return_inverse=True, return_counts=True)
    sums = [np.bincount(place, weights=values[rows]) for values in models.values()]
    return np.column_stack([sizes.astype(np.float64), *sums]), sessions


def _totals(
    resampled: NDArray[np.uint8], sums: NDArray[np.float64], sessions: IntArray
) -> NDArray[np.float64]:
    """Sums over the sessions of each resample, (RESAMPLES, 1 + n_models)."""
    totals = np.zeros((sums.shape[1], RESAMPLES))
    for start in range(0, len(sessions), ROWS_PER_BLOCK):
        block = slice(start, start + ROWS_PER_BLOCK)
        # Single precision is twice as fast, with an error in the seventh digit.
        times = resampled[sessions[block]].astype(np.float32)
        totals += sums[block].T.astype(np.float32) @ times
    return totals.T


def _figures(
    labels: Sequence[str], sums: NDArray[np.float64], totals: NDArray[np.float64]
) -> tuple[dict[str, Estimate], frozenset[tuple[str, str]]]:
    """Values and the significantly different pairs, from sums over the slice and its resamples."""
    means = totals[totals[:, 0] > 0]
    means = means[:, 1:] / means[:, :1]
    lows, highs = interval(means)
    values = {
        label: Estimate(float(sums[1 + i] / sums[0]), float(lows[i]), float(highs[i]))
        for i, label in enumerate(labels)
    }
    lows, _ = interval(means[:, :, None] - means[:, None, :])
    pairs = zip(*np.nonzero(lows > ROUNDING), strict=True)
    return values, frozenset((labels[first], labels[second]) for first, second in pairs)
