"""How the cost of training and ranking grows with the events of a log, and with its items.

By events: GRU4Rec and TOCR on simulated histories of users, as long as those of MovieLens 20M. By
items: the same models on simulated short sessions, trained on sampled negatives and ranking the
whole catalogue.

Each size runs in a process of its own, which draws its log, so that its peak memory is its own. The
sizes of one model take turns in rounds: a shared machine is faster in one minute than in the next.
A figure is the median over rounds of a round's undisturbed updates, and for training what drawing
the negatives of an update takes besides, as in `training_speed.py`. `start_seconds` is what is paid
once for a whole fit, such as putting sessions into batches, with the first updates.

Those updates are full ones. `busy_share` is the share of an epoch's places (windows x slots x
steps) that hold a target: a long session that begins late leaves the slots beside it empty, and an
epoch takes up to 1 / `busy_share` times what its full updates would.

`--epoch` measures one whole epoch at most events. The last line is one JSON object.

    python experiments/speed/scaling.py
    python experiments/speed/scaling.py --events 20000000 --items "" --epoch
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from tabulate import tabulate

# Of this repository, Python would search the script's own folder alone.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.processes.fork_server import worker_context
from experiments.script import tell
from experiments.speed.scaling_sizes import (
    BATCH,
    HIDDEN,
    SETTINGS,
    Round,
    Size,
    measure_epoch,
    measure_steps,
)

MODELS = ("gru4rec", "tocr")


class Child:
    """A process that measures one size."""

    def __init__(self, body: Callable[[Size, Connection], None], size: Size) -> None:
        self._size = size
        context = worker_context()
        self._connection, of_child = context.Pipe()
        self._process = context.Process(target=body, args=(size, of_child), daemon=True)
        self._process.start()
        of_child.close()

    def send(self, reports: int) -> None:
        """Ask for a round of so many reports; 0: for the end."""
        self._connection.send(reports)

    def answer(self) -> Any:
        """What the process sends next; ends the script where it has died."""
        try:
            return self._connection.recv()
        except EOFError:
            self._process.join()
            status = self._process.exitcode
            sys.exit(f"{self._size}: its process ended with exit status {status}")


def measure(sizes: Sequence[Size], rounds: int, reports: int) -> list[dict[str, Any]]:
    """A row for each size; their processes take turns."""
    children, starts = [], []
    for size in sizes:
        children.append(Child(measure_steps, size))
        starts.append(children[-1].answer())
        tell(f"{size}: started")
    found: list[list[Round]] = [[] for _ in sizes]
    for number in range(1, rounds + 1):
        for child, of_child in zip(children, found, strict=True):
            child.send(reports)
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
    add("--models", nargs="+", choices=MODELS, default=list(MODELS))
    add("--rounds", type=int, default=5, help="turns of each size")
    add("--reports", type=int, default=10, help="timed a turn")
    add("--epoch", action="store_true", help="measure one whole epoch at most events")
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
            rows += (measured := measure(sizes, options.rounds, options.reports))
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
            epochs.append(asdict(size) | Child(measure_epoch, size).answer())
        show(epochs)
    result = {"rows": rows, "slowest_over_fastest": slowest_over_fastest, "epochs": epochs}
    run = {"threads": torch.get_num_threads(), "rounds": options.rounds, "reports": options.reports}
    print(json.dumps(result | run | {"settings": settings}))


if __name__ == "__main__":
    main()
