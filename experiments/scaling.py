"""How the cost of training and ranking grows with the events of a log, and with its items.

By events: GRU4Rec and TOCR on simulated histories of users, as long as those of MovieLens 20M. By
items: the same models on simulated short sessions, trained on sampled negatives and ranking the
whole catalogue.

Each size runs in a process of its own, which draws its log, so that its peak memory is its own. The
sizes of one model take turns in rounds: a shared machine is faster in one minute than in the next.
A figure is the median over rounds of a round's undisturbed update, and for training what drawing
the negatives of an update takes besides, as in `training_speed.py`. `start_seconds` is what is paid
once for a whole fit, such as putting sessions into batches, with the first updates.

Those updates are full ones. `busy_share` is the share of an epoch's places (windows x slots x
steps) that hold a target: a long session that begins late leaves the slots beside it empty, and an
epoch takes up to 1 / `busy_share` times what its full updates would.

`--epoch` measures one whole epoch at most events. The last line is one JSON object.

    python experiments/scaling.py
    python experiments/scaling.py --events 20000000 --items "" --epoch
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from tabulate import tabulate

# Started as a file, Python looks for modules in this folder alone.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.cost import peak_memory_bytes
from bench.fork_server import worker_context
from bench.ranking import rank_targets
from datasets.held_out import HeldOut, hold_out
from datasets.session_log import SessionLog
from datasets.simulated import SimulationOptions, simulated_log
from experiments.training_speed import SteppedFit, undisturbed_seconds
from models.common import training_log
from models.common.negative_sampler import DRAWS_AHEAD, NegativeSampler
from models.common.session_batches import SessionBatches
from models.gru4rec import Gru4Rec, Gru4RecConfig
from models.tocr import Tocr, TocrConfig

HIDDEN, BATCH, TRUNCATION, NEGATIVES, ALPHA = 100, 64, 4, 2048, 0.5
SETTINGS: dict[str, Any] = {
    "batch_size": BATCH, "truncation": TRUNCATION, "negatives": NEGATIVES, "negative_alpha": ALPHA,
    "dropout_embedding": 0, "dropout_hidden": 0,
}  # fmt: skip
GRU4REC = Gru4RecConfig(layers=(HIDDEN,), **SETTINGS)
TOCR = TocrConfig(width=HIDDEN, full_softmax_items=1, **SETTINGS)
PUBLISHED_MINUTES = {"gru4rec": 445, "tocr": 970}
"""Of a published replication on MovieLens 20M, for a session RNN and for TOCR."""
RANKED_SESSIONS = 200
RANKINGS = 5
"""Of all these sessions, in a round."""


@dataclass(frozen=True)
class Size:
    """What one process measures."""

    by: str
    """What grows: "events", in whole histories of users, or "items", in short sessions."""
    model: str
    events: int
    items: int
    batch_size: int = BATCH

    def __str__(self) -> str:
        return f"{self.model}, {self.events:,} events, {self.items:,} items"


class Round(NamedTuple):
    """Medians of one round, in seconds for an event."""

    training: float
    ranking: float | None


def draw_log(size: Size) -> SessionLog:
    """The log of a size, the same for every model."""
    options = SimulationOptions(shape="users" if size.by == "events" else "clicks")
    return simulated_log(size.events, size.items, seed=1, options=options)


def build(size: Size, epochs: int) -> Gru4Rec | Tocr:
    """The model of a size at the settings of this script."""
    if size.model == "gru4rec":
        config = replace(GRU4REC, epochs=epochs, batch_size=size.batch_size)
        return Gru4Rec(config, seed=1, device="cpu")
    tocr = replace(TOCR, epochs=epochs, batch_size=size.batch_size)
    return Tocr(tocr, seed=1, device="cpu")


def cut_last_sessions(log: SessionLog) -> tuple[SessionLog, HeldOut]:
    """All but the last sessions, and those to be ranked, over the whole catalogue.

    `make_split` would take the items out of it that no session happens to have.
    """
    first = log.n_sessions - min(RANKED_SESSIONS, log.n_sessions // 2)
    last = log.sessions(first, log.n_sessions)
    held_out, _ = hold_out(
        last,
        candidates=last.position_in_session > 0,
        own=np.ones(last.n_events, dtype=np.bool_),
        codes=np.arange(log.n_items, dtype=np.int32),
        item_ids=log.item_ids,
        count_misses=False,
    )
    return log.sessions(0, first), held_out


def draw_seconds(log: SessionLog) -> float:
    """What drawing the negatives of one update takes; they are drawn for many updates at once."""
    sampler = NegativeSampler(log.item_counts(), alpha=ALPHA, seed=1, device=torch.device("cpu"))

    def draw() -> None:
        for _ in range(DRAWS_AHEAD):
            sampler.draw(NEGATIVES)

    return undisturbed_seconds(draw, 10) / DRAWS_AHEAD


def ranking_seconds_per_event(model: Gru4Rec | Tocr, test: HeldOut) -> float:
    """What ranking all of `test` takes for each of its events, undisturbed."""
    # `rank_targets` asks for no more of a model than `factors`, which both have.
    recommender = cast(Any, model)
    seconds = undisturbed_seconds(
        lambda: rank_targets(recommender, test, model_name="model"), RANKINGS
    )
    return seconds / test.n_targets


def busy_share(log: SessionLog, batch_size: int) -> float:
    """Targets of an epoch for each of its places: windows x slots x steps."""
    batches = SessionBatches(log, batch_size=batch_size, window=TRUNCATION, cut_long=True)
    return batches.n_targets / (len(batches) * batches.n_slots * TRUNCATION)


def measure_steps(size: Size, parent: Connection) -> None:
    """Body of a process: start, then a `Round` for each number of steps it is sent, until 0."""
    begin = time.perf_counter()
    log = draw_log(size)
    drawn = time.perf_counter()
    log, ranked = cut_last_sessions(log) if size.by == "items" else (log, None)
    # Every step is then a yield, so that steps can be timed one by one.
    training_log.YIELDS_PER_EPOCH = log.n_events
    model = build(size, epochs=10**6)
    fit = SteppedFit(model, log)
    started = time.perf_counter()
    drawing = draw_seconds(log) / (size.batch_size * TRUNCATION)
    parent.send(
        {
            "items_in_events": int(np.count_nonzero(log.item_counts())),
            "generation_seconds": drawn - begin,
            "start_seconds": started - drawn,
        }
    )
    while steps := parent.recv():
        training = fit.seconds_per_event(steps) + drawing
        ranking = None if ranked is None else ranking_seconds_per_event(model, ranked)
        parent.send(Round(training, ranking))
    peak_mb = peak_memory_bytes() / 2**20
    parent.send({"peak_mb": peak_mb, "busy_share": busy_share(log, size.batch_size)})


def measure_epoch(size: Size, parent: Connection) -> None:
    """Body of a process: one whole epoch."""
    log = draw_log(size)
    model = build(size, epochs=1)
    begin, done = time.perf_counter(), 0
    for progress in model.fit(log):
        done += progress.events
        seconds = time.perf_counter() - begin
        tell(f"{size}: {done / progress.total_events:.0%} of the epoch in {seconds:,.0f} s")
    seconds = time.perf_counter() - begin
    parent.send({"epoch_seconds": seconds, "peak_mb": peak_memory_bytes() / 2**20})


class Child:
    """A process that measures one size."""

    def __init__(self, body: Callable[[Size, Connection], None], size: Size) -> None:
        self._size = size
        context = worker_context()
        self._connection, of_child = context.Pipe()
        self._process = context.Process(target=body, args=(size, of_child), daemon=True)
        self._process.start()
        of_child.close()

    def send(self, steps: int) -> None:
        """Ask for a round of so many steps; 0: for the end."""
        self._connection.send(steps)

    def answer(self) -> Any:
        """What the process sends next; ends the script where it has died."""
        try:
            return self._connection.recv()
        except EOFError:
            self._process.join()
            status = self._process.exitcode
            sys.exit(f"{self._size}: its process ended with exit status {status}")


def measure(sizes: Sequence[Size], rounds: int, steps: int) -> list[dict[str, Any]]:
    """A row for each size; their processes take turns."""
    children, starts = [], []
    for size in sizes:
        children.append(Child(measure_steps, size))
        starts.append(children[-1].answer())
        tell(f"{size}: started")
    found: list[list[Round]] = [[] for _ in sizes]
    for number in range(1, rounds + 1):
        for child, of_child in zip(children, found, strict=True):
            child.send(steps)
            of_child.append(child.answer())
        tell(f"{sizes[0].model} by {sizes[0].by}: round {number} of {rounds}")
    rows = []
    for size, child, start, of_child in zip(sizes, children, starts, found, strict=True):
        child.send(0)
        training = statistics.median(taken.training for taken in of_child)
        row = asdict(size) | {"seconds_per_million_events": training * 1e6}
        ranking = [taken.ranking for taken in of_child if taken.ranking is not None]
        if ranking:
            row["ranking_milliseconds_per_event"] = statistics.median(ranking) * 1e3
        rows.append(row | child.answer() | start)
    return rows


def measure_to_convergence(size: Size, epochs: int) -> dict[str, Any]:
    """One measured epoch, and what so many of them would take."""
    row: dict[str, Any] = asdict(size) | Child(measure_epoch, size).answer()
    row["epochs_to_convergence"] = epochs
    row["extrapolated_minutes_to_convergence"] = row["epoch_seconds"] * epochs / 60
    row["published_minutes"] = PUBLISHED_MINUTES[size.model]
    return row


def tell(line: str) -> None:
    """A line for stderr."""
    print(line, file=sys.stderr, flush=True)


def show(rows: Sequence[dict[str, Any]]) -> None:
    """Print rows of equal keys as a table."""
    header = {key: key.replace("_", " ") for key in rows[0]}
    print(tabulate(rows, header, floatfmt=",.2f", intfmt=",", tablefmt="github"), end="\n\n")


def whole_numbers(text: str) -> list[int]:
    """Numbers between commas; none in an empty text."""
    return [int(part) for part in text.split(",") if part]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--events", type=whole_numbers, default="1000000,4000000,20000000", help="'' for none")
    add("--items", type=whole_numbers, default="3000,27000,100000,300000,1000000", help="likewise")
    add("--items-of-events", type=int, default=27_000, help="catalogue where events grow")
    add("--events-of-items", type=int, default=1_000_000, help="events where items grow")
    add("--batch-size", type=int, default=BATCH, help="sessions side by side")
    add("--models", nargs="+", choices=PUBLISHED_MINUTES, default=list(PUBLISHED_MINUTES))
    add("--rounds", type=int, default=5, help="turns of each size")
    add("--steps", type=int, default=40, help="updates of a turn")
    add("--epoch", action="store_true", help="measure one whole epoch at most events")
    add("--epochs-to-convergence", type=int, default=10, help="by which that epoch is multiplied")
    options = parser.parse_args()
    # Ended by a signal, the script takes its processes along.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    settings = {"hidden": HIDDEN} | SETTINGS | {"batch_size": options.batch_size}
    print("settings:", ", ".join(f"{name} {value}" for name, value in settings.items()), end="\n\n")
    rows: list[dict[str, Any]] = []
    slowest_over_fastest: dict[str, float] = {}
    by_events = [("events", events, options.items_of_events) for events in options.events]
    by_items = [("items", options.events_of_items, items) for items in options.items]
    for pairs in filter(None, (by_events, by_items)):
        for model in options.models:
            sizes = [
                Size(by, model, events, items, options.batch_size) for by, events, items in pairs
            ]
            rows += (measured := measure(sizes, options.rounds, options.steps))
            seconds = [row["seconds_per_million_events"] for row in measured]
            slowest_over_fastest[f"{model} by {sizes[0].by}"] = max(seconds) / min(seconds)
        show(rows[-len(pairs) * len(options.models) :])
    if rows:
        header = ("training", "slowest size over fastest")
        ratios = slowest_over_fastest.items()
        print(tabulate(ratios, header, floatfmt=".2f", tablefmt="github"), end="\n\n")
    epochs = []
    if options.epoch and options.events:
        for model in options.models:
            events, items = max(options.events), options.items_of_events
            size = Size("events", model, events, items, options.batch_size)
            epochs.append(measure_to_convergence(size, options.epochs_to_convergence))
        show(epochs)
    result = {"rows": rows, "slowest_over_fastest": slowest_over_fastest, "epochs": epochs}
    run = {"threads": torch.get_num_threads(), "rounds": options.rounds, "steps": options.steps}
    print(json.dumps(result | run | {"settings": settings}))


if __name__ == "__main__":
    main()
