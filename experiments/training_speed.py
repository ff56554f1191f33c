"""Speed of training and ranking beside the machine's own matrix products, in one run.

GRU4Rec at its authors' settings (hidden 100, batch 64, cross-entropy, 2,048 negatives, one-step
truncation, no dropout), TOCR at the same ones with either cell, and the bare matrix products that
one step of GRU4Rec needs, take turns in rounds. A figure is the median over rounds of the median
step of a round: a virtual machine stands still for hundreds of milliseconds now and then, and such
a stall lengthens a few steps very much and the median step not at all. Negatives are drawn for many
updates at once, which the median step does not see either, so that their share is measured apart
and added. The last line is one JSON object.

    python experiments/training_speed.py --dataset path/to/train.csv.gz
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

import torch
from tabulate import tabulate

# Started as a file, Python looks for modules in this folder alone.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.ranking import rank_targets
from datasets.held_out import HeldOut
from datasets.registry import load_dataset
from datasets.session_log import SessionLog
from datasets.splits import SplitOptions, make_split
from models.common import training_log
from models.common.negative_sampler import DRAWS_AHEAD, NegativeSampler
from models.gru4rec import Gru4Rec, Gru4RecConfig
from models.recommender import Progress, Recommender
from models.tocr import Tocr, TocrConfig

BATCH, HIDDEN, NEGATIVES = 64, 100, 2048
GRU4REC = Gru4RecConfig(
    epochs=10**6, learning_rate=0.05, batch_size=BATCH, truncation=1, layers=(HIDDEN,),
    embedding="constrained", loss="cross-entropy", negatives=NEGATIVES, negative_alpha=0.5, logq=0,
    dropout_embedding=0, dropout_hidden=0,
)  # fmt: skip
TOCR = TocrConfig(
    epochs=10**6, learning_rate=0.05, batch_size=BATCH, truncation=1, width=HIDDEN,
    negatives=NEGATIVES, negative_alpha=0.5, full_softmax_items=1,
    dropout_embedding=0, dropout_hidden=0,
)  # fmt: skip
FLOP_PER_EVENT = 6 * HIDDEN * (BATCH + NEGATIVES + 6 * HIDDEN)
"""Scores and the two products of the cell, forward and twice backward."""
WARM_UP_STEPS = 20
RANKED_SESSIONS = 20
"""Few, for the same reason: most blocks then end before the machine stands still."""


class SteppedFit:
    """A fit that is timed step by step, and begins again where its epochs end."""

    def __init__(self, model: Gru4Rec | Tocr, train: SessionLog) -> None:
        self._fit: Iterator[Progress] = iter(model.fit(train))
        self.seconds_per_event(WARM_UP_STEPS)

    def seconds_per_event(self, steps: int) -> float:
        """Median over `steps` updates of the seconds an update takes for each of its events."""
        times: list[float] = []
        while len(times) < steps:
            start = time.perf_counter()
            progress = next(self._fit)
            if progress.events:
                times.append((time.perf_counter() - start) / progress.events)
        return statistics.median(times)


def median_seconds(work: Callable[[], object], repeats: int) -> float:
    """Median duration of `work`."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def draw_seconds_per_event(train: SessionLog) -> Callable[[], float]:
    """What drawing an update's negatives takes for each of its events, when called."""
    sampler = NegativeSampler(
        train.item_counts(), alpha=GRU4REC.negative_alpha, seed=1, device=torch.device("cpu")
    )

    def draw() -> None:
        for _ in range(DRAWS_AHEAD):
            sampler.draw(NEGATIVES)

    return lambda: median_seconds(draw, 5) / (DRAWS_AHEAD * BATCH)


def ranking_seconds_per_event(model: Gru4Rec, test: HeldOut) -> float:
    """Median over blocks of `RANKED_SESSIONS` of what ranking takes for each of their events."""
    seconds = []
    for first in range(0, test.log.n_sessions, RANKED_SESSIONS):
        last = min(first + RANKED_SESSIONS, test.log.n_sessions)
        events = slice(test.log.offsets[first], test.log.offsets[last])
        block = HeldOut(test.log.sessions(first, last), test.is_target[events], test.missed)
        start = time.perf_counter()
        rank_targets(cast(Recommender, model), block, model_name="gru4rec")
        seconds.append((time.perf_counter() - start) / block.n_targets)
    return statistics.median(seconds)


def products_of_a_step() -> Callable[[], object]:
    """The matrix products of one step of GRU4Rec at `GRU4REC`: forward, and twice backward."""
    n_columns = BATCH + NEGATIVES
    states, items = torch.randn(BATCH, HIDDEN), torch.randn(n_columns, HIDDEN)
    by_score = torch.randn(BATCH, n_columns)
    gates, by_gate = torch.randn(3 * HIDDEN, HIDDEN), torch.randn(BATCH, 3 * HIDDEN)

    def multiply() -> None:
        states @ items.t(), by_score @ items, by_score.t() @ states
        for _ in ("input", "state"):
            states @ gates.t(), by_gate @ gates, by_gate.t() @ states

    return multiply


def measure(log: SessionLog, source: str, rounds: int, steps: int) -> dict[str, float]:
    """Medians over rounds: seconds for an event of each kind, a step's products, and a GEMM."""
    split = make_split(
        log, SplitOptions("session-holdout", test_share=0.02, valid_share=0), source=source
    )
    # Every step is then a yield, so that steps can be timed one by one.
    training_log.YIELDS_PER_EPOCH = split.train.n_events
    gru4rec = Gru4Rec(GRU4REC, seed=1, device="cpu")
    fits = {
        "gru4rec": SteppedFit(gru4rec, split.train),
        "tocr": SteppedFit(Tocr(TOCR, seed=1, device="cpu"), split.train),
        "tocr gru": SteppedFit(
            Tocr(dataclasses.replace(TOCR, cell="gru"), seed=1, device="cpu"), split.train
        ),
    }
    products, square = products_of_a_step(), torch.randn(1024, 1024)
    draws = draw_seconds_per_event(split.train)
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        drawing = draws()
        found.setdefault("draws", []).append(drawing)
        for name, fit in fits.items():
            found.setdefault(name, []).append(fit.seconds_per_event(steps) + drawing)
        found.setdefault("products", []).append(median_seconds(products, steps))
        found.setdefault("square", []).append(median_seconds(lambda: square @ square, 10))
        found.setdefault("ranking", []).append(ranking_seconds_per_event(gru4rec, split.test))
    return {name: statistics.median(values) for name, values in found.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="ml-latest-small", help="name or table")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds")
    parser.add_argument("--steps", type=int, default=200, help="steps of a round and model")
    options = parser.parse_args()
    dataset = load_dataset(options.dataset, notify=lambda line: print(line, file=sys.stderr))
    median = measure(dataset.log, options.dataset, options.rounds, options.steps)
    gflops = 2 * 1024**3 / median["square"] / 1e9
    figures = {
        "gru4rec_events_per_second": 1 / median["gru4rec"],
        "tocr_over_gru4rec": median["tocr"] / median["gru4rec"],
        "tocr_gru_cell_over_gru4rec": median["tocr gru"] / median["gru4rec"],
        "gemm_fraction": median["products"] / (BATCH * median["gru4rec"]),
        "gemm_gflops": gflops,
        "share_of_gemm_rate": FLOP_PER_EVENT / median["gru4rec"] / 1e9 / gflops,
        "draws_fraction": median["draws"] / median["gru4rec"],
        "ranking_events_per_second": 1 / median["ranking"],
    }
    print(tabulate(figures.items(), ("figure", "median"), floatfmt=",.2f", tablefmt="github"))
    run = {
        "dataset": dataset.name,
        "items": dataset.log.n_items,
        "threads": torch.get_num_threads(),
        "rounds": options.rounds,
        "steps": options.steps,
    }
    print(json.dumps(figures | run))


if __name__ == "__main__":
    main()
