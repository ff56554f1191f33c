"""Speed of ranking a whole catalogue beside one matrix product of the same shape, in one run.

States, items and biases are drawn at random, since the speed depends on their number and width
alone; sessions and targets are the test's. Ranking `ROWS` prefixes without exposure of the first K
items, ranking as many with it, and two bare products of as many states with all items take turns: a
plain one, into a buffer made before, and one by the tiles that ranking uses. A figure is the median
over all turns of all rounds, as a virtual machine stands still now and then. What ranking prepares
once for tens of thousands of prefixes the median does not see, so that it is measured apart and
added. The last line is one JSON object.

    python experiments/speed/ranking_speed.py --dataset train.csv.gz --test test.csv.gz
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from tabulate import tabulate

# Of this repository, Python would search the script's own folder alone.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.ranking.rank_targets import TILE_SHAPE, rank_steps
from bench.ranking.score_blocks import PREFIXES_PER_BLOCK
from bench.ranking.tile_passes import compiled_passes
from bench.running.stopwatch import peak_memory_bytes
from bench.store.ranks import unranked
from datasets.registry import load_dataset, load_event_table
from datasets.session_log import SessionLog
from datasets.splitting.held_out import HeldOut
from datasets.splitting.splits import SplitOptions, make_split
from experiments.script import K, tell
from models.recommender import Factors, Recommender

ROWS = 1024
"""Prefixes of a turn: alike for ranking and products, so that a stall meets all of them alike."""
TURNS = 8
"""Turns of each kind in a round."""


class RandomFactors:
    """Factors drawn once; the states of a block are the first rows, whatever its sessions."""

    def __init__(self, n_prefixes: int, n_items: int, width: int) -> None:
        generator = np.random.default_rng(1)

        def normal(*shape: int) -> NDArray[np.float32]:
            return generator.standard_normal(shape, dtype=np.float32)

        self.parts = Factors(normal(n_prefixes, width), normal(n_items, width), normal(n_items))

    def factors(self, sessions: SessionLog) -> Factors:
        """As many states as the sessions have prefixes, and all items."""
        return self.parts._replace(states=self.parts.states[: sessions.n_targets])


def distinct_state_share(log: SessionLog) -> float:
    """Distinct prefixes over all prefixes: a model has one state for sessions that begin alike."""
    position = log.position_in_session
    is_prefix_end = np.append(position[1:] > 0, False)
    parents = np.zeros(log.n_sessions, dtype=np.int64)
    distinct = 0
    for place in range(int(log.lengths.max()) - 1):
        ends = np.flatnonzero(is_prefix_end & (position == place))
        sessions = log.session_of_event[ends]
        pairs = parents[sessions] * log.n_items + log.items[ends]
        in_order, numbers = np.unique(pairs, return_inverse=True)
        parents[sessions] = numbers
        distinct += len(in_order)
    return distinct / log.n_targets


def with_catalogue(test: HeldOut, n_items: int) -> HeldOut:
    """The same sessions, of items drawn at random from a catalogue of `n_items`."""
    items = np.random.default_rng(2).integers(n_items, size=test.log.n_events, dtype=np.int32)
    log = dataclasses.replace(test.log, items=items, item_ids=np.arange(n_items).astype(np.str_))
    return dataclasses.replace(test, log=log)


class SteppedRanking:
    """Ranking that is timed turn by turn, and begins again where it ends."""

    def __init__(self, model: RandomFactors, test: HeldOut, ks: list[int]) -> None:
        self._model, self._test, self._ks = cast(Recommender, model), test, ks
        self._steps: Iterator[int] = iter(())
        self.first_seconds: list[float] = []
        """What each first step took, which prepares the others."""

    def begin(self) -> int:
        """Take the first step; returns its events."""
        ranks = unranked(self._test, self._ks)
        self._steps = rank_steps(self._model, self._test, ranks, model_name="random")
        start = time.perf_counter()
        n_events = next(self._steps)
        self.first_seconds.append(time.perf_counter() - start)
        return n_events

    def turn(self) -> float:
        """Seconds that `ROWS` events or a few more take, for each of them."""
        done = 0
        start = time.perf_counter()
        while done < ROWS:
            done += next(self._steps, 0) or self.begin()
        return (time.perf_counter() - start) / done


def products(model: RandomFactors) -> dict[str, Callable[[], float]]:
    """Seconds a row of the product of states with all items and nothing else, in two ways."""
    states, items = torch.from_numpy(model.parts.states[:ROWS]), torch.from_numpy(model.parts.items)
    tile_rows, tile_items = TILE_SHAPE
    columns = [part.T.contiguous() for part in items.split(tile_items)]
    scores, tile = torch.ones(len(states), len(items)), torch.ones(TILE_SHAPE)

    def plain() -> float:
        start = time.perf_counter()
        torch.mm(states, items.T, out=scores)
        return (time.perf_counter() - start) / len(states)

    def tiled() -> float:
        start = time.perf_counter()
        for rows in states.split(tile_rows):
            for part in columns:
                torch.mm(rows, part, out=tile[: len(rows), : part.shape[1]])
        return (time.perf_counter() - start) / len(states)

    return {"plain": plain, "tiled": tiled}


def measure(test: HeldOut, width: int, rounds: int) -> tuple[dict[str, float], int]:
    """Median seconds an event of each kind, and peak memory in bytes before any plain product."""
    model = RandomFactors(test.log.n_targets, test.log.n_items, width)
    compiled_passes()
    rankings = {
        "ranking": SteppedRanking(model, test, []),
        "with exposure": SteppedRanking(model, test, [K]),
    }
    for ranking in rankings.values():
        ranking.begin()
    peak = peak_memory_bytes()
    works = {name: ranking.turn for name, ranking in rankings.items()} | products(model)
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        for ranking in rankings.values():
            ranking.begin()
        for _ in range(TURNS):
            for name, work in works.items():
                found.setdefault(name, []).append(work())
    median = {name: statistics.median(times) for name, times in found.items()}
    prefixes = min(PREFIXES_PER_BLOCK, test.log.n_targets)
    for name, ranking in rankings.items():
        first_step = statistics.median(ranking.first_seconds)
        rows = min(TILE_SHAPE[0], prefixes)
        median[name] += max(first_step - rows * median[name], 0) / prefixes
    return median, peak


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="ml-latest-small", help="name or table")
    parser.add_argument("--test", type=Path, help="table of test sessions")
    parser.add_argument("--items", type=int, help="size of a catalogue at random instead")
    parser.add_argument("--hidden", type=int, default=100, help="width of the states")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds")
    options = parser.parse_args()
    dataset = load_dataset(options.dataset, notify=tell)
    table = None if options.test is None else load_event_table(options.test, notify=tell)
    split = SplitOptions("fixed" if table else "session-holdout", valid_share=0)
    test = make_split(
        dataset.log, split, test_log=None if table is None else table.log, source=options.dataset
    ).test
    share = distinct_state_share(test.log)
    if options.items is not None:
        test = with_catalogue(test, options.items)
    median, peak = measure(test, options.hidden, options.rounds)
    figures = {
        "events_per_second": 1 / median["ranking"],
        "events_per_second_with_exposure": 1 / median["with exposure"],
        "plain_product_events_per_second": 1 / median["plain"],
        "tiled_product_events_per_second": 1 / median["tiled"],
        "gemm_fraction": median["plain"] / median["ranking"],
        "gemm_fraction_with_exposure": median["plain"] / median["with exposure"],
        "distinct_state_share": share,
        "peak_mb": peak / 1e6,
    }
    print(tabulate(figures.items(), ("figure", "median"), floatfmt=",.2f", tablefmt="github"))
    run = {
        "dataset": dataset.name,
        "items": test.log.n_items,
        "hidden": options.hidden,
        "k": K,
        "threads": torch.get_num_threads(),
        "rounds": options.rounds,
    }
    print(json.dumps(figures | run))


if __name__ == "__main__":
    main()
