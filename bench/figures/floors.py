"""Metrics of random, popularity and Markov rankings, as a floor for those of models.

On a simulated log there is a ceiling too, the ranking by the logger's own probabilities.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.figures.results import averages, event_values
from bench.ranking.floor_ranks import logger_ranks, markov_ranks, popularity_ranks
from bench.stats.metrics import METRICS
from bench.store.events import TestEvents
from bench.store.files import reading_arrays
from bench.store.ranks import Ranks
from datasets.errors import InputError
from datasets.session_log import IntArray, SessionLog
from datasets.simulation.loggers import Logger
from datasets.simulation.worlds import World
from datasets.splitting.held_out import HeldOut
from datasets.splitting.splits import Split

Simulation = tuple[World, Logger]

FLOORS = "floors.npz"
RANDOM = "random"
"""Expected metrics of a uniformly drawn order of the catalogue."""
_RANKED: dict[str, Callable[[SessionLog, HeldOut], Ranks]] = {
    "popularity": popularity_ranks,
    "markov": markov_ranks,
}
"""By the names of the same models in `--models`."""
CEILING = "logger"


def store_floors(split: Split, folder: Path, simulation: Simulation | None = None) -> None:
    """Rank the test of `split` by popularity and by Markov, and write `floors.npz` into `folder`.

    With the `simulation` that drew the log, by its logger too. Popularity and Markov count
    `split.train`, without validation, as every model does.
    """
    columns: dict[str, NDArray[np.uint32]] = {}
    found = {name: rank(split.train, split.test) for name, rank in _RANKED.items()}
    if simulation is not None:
        found[CEILING] = logger_ranks(*simulation, split.test)
    for name, ranks in found.items():
        columns |= {f"{name}_ranks": ranks.ranks, f"{name}_ties": ranks.ties}
    np.savez_compressed(folder / FLOORS, allow_pickle=False, **columns)


def read_floors(folder: Path) -> Mapping[str, Ranks]:
    """What `store_floors` wrote; raises InputError if the file is missing or damaged."""
    fix = "delete it and run the benchmark's own command again"
    with reading_arrays(folder / FLOORS, fix) as columns:
        names = [*_RANKED, *([CEILING] if f"{CEILING}_ranks" in columns else [])]
        return {name: Ranks(columns[f"{name}_ranks"], columns[f"{name}_ties"]) for name in names}


def floor_metrics(
    floors: Mapping[str, Ranks], events: TestEvents, support: IntArray, ks: Sequence[int], ties: str
) -> dict[str, dict[str, float]]:
    """Metrics of each floor by table name, of `random` first and then of those in `floors`.

    `support` counts the training events of each item, (n_items,). `random` is the exact expectation
    under an order of the items drawn uniformly for each event, and has no ties. A missed event is a
    miss for every floor. Raises InputError if the ranks of a floor are not of these test events.
    """
    for name, ranks in floors.items():
        if len(ranks.ranks) != len(events):
            raise InputError(
                f"{FLOORS} of the split has {len(ranks.ranks)} ranks by {name} for {len(events)} "
                "test events; delete it and run the benchmark's own command again"
            )
    values = {RANDOM: _random_values(events, len(support), ks)}
    values |= {name: event_values(ranks, ks, ties) for name, ranks in floors.items()}
    return {
        floor: {
            name + way.suffix: float(np.average(of_floor[name][way.rows], weights=way.weights))
            for way in averages(events, list(of_floor), support)
            for name in way.names
        }
        for floor, of_floor in values.items()
    }


def _random_values(
    events: TestEvents, n_items: int, ks: Sequence[int]
) -> dict[str, NDArray[np.float64]]:
    """Expected metrics of each event, (n_events,), if ranks 1 to `n_items` are equally likely."""
    scored = (np.asarray(events.targets) >= 0).astype(np.float64)
    first_ranks = {k: np.arange(1, min(k, n_items) + 1) for k in ks}
    return {
        f"{name}@{k}": scored * metric(first_ranks[k], k).sum() / n_items
        for name, metric in METRICS.items()
        for k in ks
    }
