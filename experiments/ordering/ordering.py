"""Does what can be computed from a log order models as their true value does?

Worlds whose truth is known are logged by loggers of known propensities. On each log the same models
are trained, several times, judged from held-out sessions (next-item metrics, and estimates of the
policy's value), and then put to work in the world, which gives their true values: of pages of K
distinct items drawn from the policy, of K draws with duplicates dropped, of the first K items, and
of a single draw. Printed: the true values; what each step from cross-entropy to TOCR changes; for
each criterion Kendall's tau with the true values, and the share of the best true value that is lost
by choosing by it. The last line is one JSON object.

    python experiments/ordering/ordering.py --quick
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

# Of this repository, Python would search the script's own folder alone.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from datasets.errors import InputError
from datasets.simulation.loggers import LOGGERS, make_logger
from datasets.simulation.worlds import WORLDS, make_world
from experiments.ordering.cells import ONE_ITEM, SET_CRITERIA, TRUTHS, Cell, measure
from experiments.ordering.summaries import (
    STEPS,
    Measured,
    by_log,
    chance_regret,
    steps,
    summarise,
    trained,
)
from experiments.script import tell

SHOWN = ("gru4rec", "gru4rec on clicks", "reinforce", "off-policy", "capped", "tocr", "distinct")
"""Models of the tables of values."""
HEADER = ("world", "logger", "corr.", "sessions", "seed")
PAGES_SHOWN = {
    "distinct": "{k} distinct items, drawn from the policy without replacement",
    "greedy": "the first {k} items",
    "duplicates_dropped": "{k} draws with replacement, duplicates dropped",
    "one draw": "one draw",
}
CORRELATIONS = (0.3, 0.6, 0.9)
"""Of popularity with worth, beside 0."""


def quick_cells(epochs: int, rollouts: int, trainings: int) -> list[Cell]:
    """Every world with a skewed logger at two sizes and seeds, some with other loggers, and worlds
    in which the well known is worth more."""
    logs = [(world, "popularity", 10_000, seed, 0.0) for seed in (1, 2) for world in WORLDS]
    logs += [(world, "popularity", 1000, 1, 0.0) for world in WORLDS]
    logs += [(world, "uniform", 10_000, 1, 0.0) for world in ("static", "boredom")]
    logs += [("drift", "cascade", 10_000, 1, 0.0), ("prices", "softmax-cold", 10_000, 1, 0.0)]
    logs += [
        (world, "popularity", 10_000, 1, correlation)
        for correlation in CORRELATIONS
        for world in ("static", "prices", "drift", "boredom")
    ]
    return [
        Cell(world, logger, sessions, seed, correlation, training, epochs=epochs, rollouts=rollouts)
        for world, logger, sessions, seed, correlation in logs
        for training in range(1, trainings + 1)
    ]


def measure_all(
    cells: Sequence[Cell], processes: int
) -> tuple[list[Measured], list[dict[str, Any]]]:
    """Results in the order of `cells`, and the cells that failed, each with its `error`.

    The largest are begun first.
    """
    found: dict[Cell, Measured] = {}
    failed: list[dict[str, Any]] = []
    started = time.monotonic()
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        running = {
            pool.submit(measure, cell): cell
            for cell in sorted(cells, key=lambda cell: -cell.sessions)
        }
        for done in as_completed(running):
            cell, error = running[done], done.exception()
            if error is None:
                found[cell] = done.result()
            else:
                failed.append({**asdict(cell), "error": f"{type(error).__name__}: {error}"})
            tell(
                f"{len(found) + len(failed)} of {len(cells)}: {cell.world}, {cell.logger}, "
                f"{cell.sessions:,} sessions, seed {cell.seed}, training {cell.training} "
                f"({time.monotonic() - started:.0f} s)"
                + ("" if error is None else f" failed: {failed[-1]['error']}")
            )
    return [found[cell] for cell in cells if cell in found], failed


def value_table(measured: Iterable[Measured], truth: str, models: Sequence[str]) -> str:
    """True values of one kind of page: mean over trainings, worst and best of them."""
    rows = []
    for trainings in by_log(measured).values():
        values = [trained(trainings, truth, model) for model in models]
        shown = [f"{value.mean:.2f} ({value.low:.2f} to {value.high:.2f})" for value in values]
        rows.append([*_named(trainings[0]), *shown])
    return tabulate(rows, [*HEADER, *models], tablefmt="github", disable_numparse=True)


def recall_table(measured: Iterable[Measured]) -> str:
    """What the logged next click says of the same models, mean over trainings."""
    rows = []
    for trainings in by_log(measured).values():
        recalls = [
            np.mean([cell["criteria"]["Recall@20 of clicks"][name] for cell in trainings])
            for name in SHOWN
        ]
        rows.append([*_named(trainings[0]), *(f"{recall:.3f}" for recall in recalls)])
    return tabulate(rows, [*HEADER, *SHOWN], tablefmt="github", disable_numparse=True)


def _named(cell: Measured) -> list[str]:
    return [
        cell["world"],
        cell["logger"],
        f"{cell['correlation']:g}",
        f"{cell['sessions']:,}",
        str(cell["seed"]),
    ]


def criterion_table(measured: Sequence[Measured], truth: str) -> str:
    """Tau and regret of each criterion by one truth: of all policies, and of those estimated."""
    rows: list[list[Any]] = []
    for name, of in summarise(measured, truth).items():
        # An estimate has no more than the policies that are estimated.
        of_all = "-" if name in (*SET_CRITERIA, ONE_ITEM) else _rounded(of["tau"], 2)
        rows.append(
            [
                name,
                of_all,
                _rounded(of["tau_where_estimated"], 2),
                _rounded(of["policies"], 1),
                _rounded(of["regret"], 3),
                _rounded(of["regret_where_estimated"], 3),
                _rounded(of["worst_regret"], 3),
                str(of["trainings"]),
            ]
        )
    chance = _rounded(chance_regret(measured, truth), 3)
    rows.append(["a model drawn at random", "0.00", "0.00", "-", chance, "-", "-", "-"])
    header = [
        "chosen by", "tau, all", "tau, where estimated", "policies", "regret",
        "regret, where estimated", "worst regret", "trainings",
    ]  # fmt: skip
    return tabulate(rows, header, tablefmt="github", disable_numparse=True)


def _rounded(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def step_table(measured: Iterable[Measured], truth: str) -> str:
    """What each step changes, for a person."""
    rows = [
        [
            group["logger"],
            "" if group["correlation"] is None else f"{group['correlation']:g}",
            "" if group["sessions"] is None else f"{group['sessions']:,}",
            group["logs"],
            *(
                f"{step['gain']:+.0%} (+{step['rises']} -{step['falls']})"
                for step in group["steps"].values()
            ),
        ]
        for group in steps(measured, truth)
    ]
    header = [f"{model} over {before}" for model, before in STEPS]
    return tabulate(
        rows,
        ["logger", "corr.", "sessions", "logs", *header],
        tablefmt="github",
        disable_numparse=True,
    )


def chosen_cells(options: argparse.Namespace) -> list[Cell]:
    """Cells by the command line; raises InputError for an unknown world or logger."""
    if options.quick:
        return quick_cells(options.epochs, options.rollouts, options.trainings)
    for world in options.worlds:
        for correlation in options.correlations:
            known = make_world(world, correlation=correlation)
        for logger in options.loggers:
            make_logger(logger, known)
    return [
        Cell(
            world,
            logger,
            sessions,
            seed,
            correlation,
            training,
            epochs=options.epochs,
            rollouts=options.rollouts,
        )
        for world in options.worlds
        for logger in options.loggers
        for correlation in options.correlations
        for sessions in options.sessions
        for seed in options.seeds
        for training in range(1, options.trainings + 1)
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="34 chosen logs")
    parser.add_argument("--worlds", nargs="+", default=list(WORLDS))
    parser.add_argument("--loggers", nargs="+", default=list(LOGGERS))
    parser.add_argument("--sessions", nargs="+", type=int, default=[1000, 10_000])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--correlations", nargs="+", type=float, default=[0.0])
    parser.add_argument("--trainings", type=int, default=3, help="of every model on each log")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--rollouts", type=int, default=2000, help="sessions for each true value")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--figure", type=Path, help="where to draw it, as .png")
    options = parser.parse_args()
    try:
        cells = chosen_cells(options)
    except InputError as error:
        parser.error(str(error))
    measured, failed = measure_all(cells, options.processes)
    ordered = [cell for cell in measured if cell["world"] != "constant"]
    for truth in PAGES_SHOWN:
        shown = PAGES_SHOWN[truth].format(k=cells[0].set_size)
        print(f"True value of a session: pages of {shown} (mean of trainings, worst to best)\n")
        print(value_table(measured, truth, ("logger", *SHOWN) if truth != "greedy" else SHOWN))
        if ordered:
            print("\nWhat each step changes (+: logs in which all its trainings lie above all of")
            print("the one before, -: below)\n")
            print(step_table(ordered, truth))
            print("\nOrder of the policies by a criterion and by these true values\n")
            print(criterion_table(ordered, truth))
        print()
    print("Recall@20 of the logged clicks of held-out sessions\n")
    print(recall_table(measured))
    if options.figure is not None and ordered:
        from experiments.ordering.figure import draw

        draw(ordered, options.figure)
    figures = {
        "cells": measured,
        "failed": failed,
        "criteria": {truth: summarise(ordered, truth) for truth in TRUTHS},
        "chance_regret": {truth: chance_regret(ordered, truth) for truth in TRUTHS},
        "steps": {truth: steps(ordered, truth) for truth in TRUTHS},
    }
    print(json.dumps(figures))
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    main()
