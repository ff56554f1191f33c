"""Speed of training beside the machine's own matrix products, in one run.

GRU4Rec at its authors' settings (hidden 100, batch 64, cross-entropy, 2,048 negatives, one-step
truncation, no dropout), the same with windows of four steps an update, a wide one (hidden 512,
batch 128, BPR-max), TOCR and the other trained models at these settings, and the bare matrix
products that an update of GRU4Rec needs, take turns in rounds. A figure is the median over rounds
of a round's tenth percentile: a virtual machine stands still for hundreds of milliseconds now and
then, which lengthens most steps of a slow model, and the median with them. What is timed is a few
steps with one report on them, which a fit makes twenty times an epoch; so it hardly counts, as in a
real epoch. Negatives are drawn for many updates at once, which most of these do not see, so that
their share is measured apart and added. The last line is one JSON object.

    python experiments/speed/training_speed.py --dataset path/to/train.csv.gz
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from tabulate import tabulate

# Started as a file, Python looks for modules in this folder alone.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from datasets.registry import load_dataset
from datasets.session_log import SessionLog
from datasets.splitting.splits import SplitOptions, make_split
from models.common.sampling.negative_sampler import DRAWS_AHEAD, NegativeSampler
from models.common.training import training_log
from models.gru4rec import Gru4Rec, Gru4RecConfig
from models.recommender import Progress
from models.reinforce import Reinforce, ReinforceConfig
from models.sasrec import SasRec, SasRecConfig
from models.sqn import Sqn, SqnConfig
from models.tocr import Tocr, TocrConfig

BATCH, HIDDEN, NEGATIVES = 64, 100, 2048
GRU4REC = Gru4RecConfig(
    epochs=10**6, learning_rate=0.05, batch_size=BATCH, truncation=1, layers=(HIDDEN,),
    embedding="constrained", loss="cross-entropy", negatives=NEGATIVES, negative_alpha=0.5, logq=0,
    dropout_embedding=0, dropout_hidden=0,
)  # fmt: skip
EXACT_LOGQ_GRU4REC = dataclasses.replace(GRU4REC, logq=1, logq_form="exact")
"""Corrected for what is drawn, as TOCR's softmax is; the authors' default is not."""
WINDOW = 4
"""Steps that share an update and its negatives, where they are not one."""
WIDE_BATCH, WIDE_HIDDEN = 128, 512
WIDE_GRU4REC = dataclasses.replace(
    GRU4REC, batch_size=WIDE_BATCH, layers=(WIDE_HIDDEN,), loss="bpr-max"
)
TOCR = TocrConfig(
    epochs=10**6, learning_rate=0.05, batch_size=BATCH, truncation=1, width=HIDDEN,
    negatives=NEGATIVES, negative_alpha=0.5, full_softmax_items=1,
    dropout_embedding=0, dropout_hidden=0,
)  # fmt: skip
REINFORCE = ReinforceConfig(
    epochs=10**6, learning_rate=0.05, batch_size=BATCH, truncation=1, width=HIDDEN,
    negatives=NEGATIVES, negative_alpha=0.5, full_softmax_items=1,
    dropout_embedding=0, dropout_hidden=0,
)  # fmt: skip
SASREC = SasRecConfig(
    epochs=10**6, batch_size=BATCH, width=HIDDEN, negatives=NEGATIVES, full_softmax_items=1
)
SQN = SqnConfig(epochs=10**6, batch_size=BATCH, truncation=1, width=HIDDEN)
Config = TypeVar("Config", Gru4RecConfig, TocrConfig)
WARM_UP_REPORTS = 5
STEPS_OF_A_REPORT = 8
"""Of an update of `BATCH` events; one of more events has fewer."""
SLOW = ("gru4rec_h512", "sasrec", "sqn")
SLOW_SHARE = 4
"""Models whose step takes many times as long make this many times fewer reports in a round."""
OTHERS = ("tocr", "tocr_equal_negatives", "reinforce", "sasrec", "sqn")
PLACES = {
    "gru4rec_h512": WIDE_BATCH,
    "gru4rec_windows": BATCH * WINDOW,
    "tocr_windows": BATCH * WINDOW,
}
"""Of an update, where they are not `BATCH`."""
MOST_ITEMS_OF_SQN = 10_000
"""Its three heads score the whole catalogue, and Adam moves every row of their tables."""


def windowed(config: Config) -> Config:
    """The same settings with `WINDOW` steps an update."""
    return dataclasses.replace(config, truncation=WINDOW)


class SteppedFit:
    """A fit that is timed report by report, and begins again where its epochs end."""

    def __init__(self, model: Any, train: SessionLog) -> None:
        self._fit: Iterator[Progress] = iter(model.fit(train))
        self.seconds_per_event(WARM_UP_REPORTS)

    def seconds_per_event(self, reports: int) -> float:
        """Seconds that the steps of an undisturbed one of `reports` take for each event."""
        times: list[float] = []
        while len(times) < reports:
            start = time.perf_counter()
            progress = next(self._fit)
            if progress.events:
                times.append((time.perf_counter() - start) / progress.events)
        return undisturbed(times)


def report_often(n_events: int, batch: int) -> None:
    """Make fits of `n_events` report every `STEPS_OF_A_REPORT` updates of `batch` events."""
    training_log.YIELDS_PER_EPOCH = max(1, n_events // (batch * STEPS_OF_A_REPORT))


def undisturbed(times: Sequence[float]) -> float:
    """Their tenth percentile: what is seldom reached by luck, and seldom missed for a stall."""
    return sorted(times)[len(times) // 10]


def undisturbed_seconds(work: Callable[[], object], repeats: int, together: int = 1) -> float:
    """Undisturbed duration of `work`, timed `together` times at once."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(together):
            work()
        times.append((time.perf_counter() - start) / together)
    return undisturbed(times)


def draw_seconds(train: SessionLog) -> Callable[[], float]:
    """What drawing an update's negatives takes, when called."""
    sampler = NegativeSampler(
        train.item_counts(), alpha=GRU4REC.negative_alpha, seed=1, device=torch.device("cpu")
    )

    def draw() -> None:
        for _ in range(DRAWS_AHEAD):
            sampler.draw(NEGATIVES)

    return lambda: undisturbed_seconds(draw, 10) / DRAWS_AHEAD


def products_of_an_update(batch: int, hidden: int, window: int = 1) -> Callable[[], object]:
    """The matrix products of one update of GRU4Rec: forward, and twice backward."""
    n_places = batch * window
    n_columns = n_places + NEGATIVES
    states, items = torch.randn(n_places, hidden), torch.randn(n_columns, hidden)
    by_score = torch.randn(n_places, n_columns)
    gates, by_gate = torch.randn(3 * hidden, hidden), torch.randn(n_places, 3 * hidden)
    steps = list(zip(states.split(batch), by_gate.split(batch), strict=True))

    def multiply() -> None:
        states @ items.t(), by_score @ items, by_score.t() @ states
        states @ gates.t(), by_gate @ gates, by_gate.t() @ states
        # A state needs the one before it, so that its products go step by step.
        for state, by_gate_of_step in steps:
            state @ gates.t(), by_gate_of_step @ gates
        by_gate.t() @ states

    return multiply


def flop_per_event(batch: int, hidden: int) -> int:
    """Scores and the two products of the cell, forward and twice backward."""
    return 6 * hidden * (batch + NEGATIVES + 6 * hidden)


def measure(log: SessionLog, source: str, rounds: int, reports: int) -> dict[str, float]:
    """Medians over rounds: seconds for an event of each model, for products, and for a GEMM."""
    split = make_split(
        log, SplitOptions("session-holdout", test_share=0.02, valid_share=0), source=source
    )
    report_often(split.train.n_events, BATCH)
    shared = dataclasses.replace(TOCR, behaviour_negatives=0)
    models: dict[str, Any] = {
        "gru4rec": Gru4Rec(GRU4REC, seed=1, device="cpu"),
        "gru4rec_exact_logq": Gru4Rec(EXACT_LOGQ_GRU4REC, seed=1, device="cpu"),
        "tocr": Tocr(TOCR, seed=1, device="cpu"),
        "tocr_equal_negatives": Tocr(shared, seed=1, device="cpu"),
        "reinforce": Reinforce(REINFORCE, seed=1, device="cpu"),
        "sasrec": SasRec(SASREC, seed=1, device="cpu"),
        "gru4rec_h512": Gru4Rec(WIDE_GRU4REC, seed=1, device="cpu"),
        "gru4rec_windows": Gru4Rec(windowed(GRU4REC), seed=1, device="cpu"),
        "tocr_windows": Tocr(windowed(TOCR), seed=1, device="cpu"),
    }
    if split.train.n_items <= MOST_ITEMS_OF_SQN:
        models["sqn"] = Sqn(SQN, seed=1, device="cpu")
    fits = {name: SteppedFit(model, split.train) for name, model in models.items()}
    products = {
        "products": (products_of_an_update(BATCH, HIDDEN), reports),
        "products_windows": (products_of_an_update(BATCH, HIDDEN, WINDOW), reports),
        "products_h512": (
            products_of_an_update(WIDE_BATCH, WIDE_HIDDEN),
            reports // SLOW_SHARE,
        ),
    }
    square = torch.randn(1024, 1024)
    draws = draw_seconds(split.train)
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        drawing = draws()
        found.setdefault("draws", []).append(drawing)
        for name, fit in fits.items():
            share = SLOW_SHARE if name in SLOW else 1
            seconds = fit.seconds_per_event(max(1, reports // share))
            found.setdefault(name, []).append(seconds + drawing / PLACES.get(name, BATCH))
        for name, (multiply, repeats) in products.items():
            seconds = undisturbed_seconds(multiply, max(1, repeats), STEPS_OF_A_REPORT)
            found.setdefault(name, []).append(seconds)
        found.setdefault("square", []).append(undisturbed_seconds(lambda: square @ square, 10))
    return {name: statistics.median(values) for name, values in found.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="ml-latest-small", help="name or table")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds")
    parser.add_argument(
        "--reports", type=int, default=40, help="timed reports of a round and model"
    )
    options = parser.parse_args()
    dataset = load_dataset(options.dataset, notify=lambda line: print(line, file=sys.stderr))
    median = measure(dataset.log, options.dataset, options.rounds, options.reports)
    gflops = 2 * 1024**3 / median["square"] / 1e9
    rate = flop_per_event(BATCH, HIDDEN) / median["gru4rec"] / 1e9
    rate_h512 = flop_per_event(WIDE_BATCH, WIDE_HIDDEN) / median["gru4rec_h512"] / 1e9
    others = [name for name in median if name in OTHERS]
    figures = {
        "gru4rec_events_per_second": 1 / median["gru4rec"],
        "gemm_fraction": median["products"] / (BATCH * median["gru4rec"]),
        "gru4rec_windows_events_per_second": 1 / median["gru4rec_windows"],
        "gemm_fraction_windows": median["products_windows"]
        / (PLACES["gru4rec_windows"] * median["gru4rec_windows"]),
        "share_of_gemm_rate": rate / gflops,
        "gru4rec_h512_events_per_second": 1 / median["gru4rec_h512"],
        "gemm_fraction_h512": median["products_h512"] / (WIDE_BATCH * median["gru4rec_h512"]),
        "share_of_gemm_rate_h512": rate_h512 / gflops,
        **{f"{name}_over_gru4rec": median[name] / median["gru4rec"] for name in others},
        "tocr_over_gru4rec_exact_logq": median["tocr"] / median["gru4rec_exact_logq"],
        "tocr_over_gru4rec_windows": median["tocr_windows"] / median["gru4rec_windows"],
        "gemm_gflops": gflops,
        "draws_fraction": median["draws"] / (BATCH * median["gru4rec"]),
    }
    print(
        tabulate(
            figures.items(), ("figure", "median of rounds"), floatfmt=",.2f", tablefmt="github"
        )
    )
    run = {
        "dataset": dataset.name,
        "items": dataset.log.n_items,
        "threads": torch.get_num_threads(),
        "rounds": options.rounds,
        "reports": options.reports,
    }
    print(json.dumps(figures | run))


if __name__ == "__main__":
    main()
