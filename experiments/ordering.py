"""Does what can be computed from a log order models as their true value does?

Worlds whose truth is known are logged by loggers of known propensities. On each log the same models
are trained, judged from held-out sessions (next-item metrics, and estimates of the policy's value),
and then put to work in the world, which gives their true values: of the set that K draws from the
policy make, of the first K items, and of a single draw. Printed: the true values; for each
criterion Kendall's tau with the true values, and the share of the best true value that is lost by
choosing by it; and the ladder from cross-entropy to TOCR. The last line is one JSON object.

    python experiments/ordering.py --quick
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

from tabulate import tabulate

# Started as a file, Python looks for modules in this folder alone.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from datasets.errors import InputError
from datasets.simulated_loggers import LOGGERS, make_logger
from datasets.simulated_worlds import WORLDS, make_world
from experiments.ordering_cells import LADDER, ONE_ITEM, SET_CRITERIA, TRUTHS, Cell, measure
from experiments.ordering_summaries import Measured, chance_regret, ladder, summarise

SHOWN = ("gru4rec", "gru4rec on clicks", "reinforce", "tocr")
"""Models of the first tables."""
NAMED = ("world", "logger", "sessions", "seed")


def quick_cells(epochs: int, rollouts: int) -> list[Cell]:
    """Every world with a skewed logger at two sizes and seeds, and some with other loggers."""
    named = [(world, "popularity", 10_000, seed) for seed in (1, 2) for world in WORLDS]
    named += [(world, "popularity", 1000, 1) for world in WORLDS]
    named += [(world, "uniform", 10_000, 1) for world in ("static", "boredom")]
    named += [("drift", "cascade", 10_000, 1), ("prices", "softmax-cold", 10_000, 1)]
    return [
        Cell(world, logger, sessions, seed, epochs=epochs, rollouts=rollouts)
        for world, logger, sessions, seed in named
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
            print(
                f"{len(found) + len(failed)} of {len(cells)}: {cell.world}, {cell.logger}, "
                f"{cell.sessions:,} sessions, seed {cell.seed} "
                f"({time.monotonic() - started:.0f} s)"
                + ("" if error is None else f" failed: {failed[-1]['error']}"),
                file=sys.stderr,
            )
    return [found[cell] for cell in cells if cell in found], failed


def value_table(worlds: Iterable[Measured], sets: str, models: Sequence[str]) -> str:
    """True values of sampled or greedy sets."""
    rows = [
        [*_named(cell), *("{:.2f} [{:.2f}, {:.2f}]".format(*cell[sets][name]) for name in models)]
        for cell in worlds
    ]
    return tabulate(rows, [*NAMED, *models], tablefmt="github", disable_numparse=True)


def recall_table(worlds: Iterable[Measured]) -> str:
    """What the logged next click says of the same models."""
    rows = [
        [*_named(cell), *(f"{cell['criteria']['Recall@20 of clicks'][name]:.3f}" for name in SHOWN)]
        for cell in worlds
    ]
    return tabulate(rows, [*NAMED, *SHOWN], tablefmt="github", disable_numparse=True)


def _named(cell: Measured) -> list[str]:
    return [cell["world"], cell["logger"], f"{cell['sessions']:,}", str(cell["seed"])]


def criterion_table(worlds: Sequence[Measured], sets: str) -> str:
    """Tau and regret of each criterion by one truth: of all policies, and of those estimated."""
    rows: list[list[Any]] = []
    for name, of in summarise(worlds, sets).items():
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
                str(of["cells"]),
            ]
        )
    chance = _rounded(chance_regret(worlds, sets), 3)
    rows.append(["a model drawn at random", "0.00", "0.00", "-", chance, "-", "-", "-"])
    header = [
        "chosen by", "tau, all", "tau, where estimated", "policies", "regret",
        "regret, where estimated", "worst regret", "cells",
    ]  # fmt: skip
    return tabulate(rows, header, tablefmt="github", disable_numparse=True)


def _rounded(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def ladder_table(worlds: Iterable[Measured]) -> str:
    """The ladder for a person."""
    rows = [
        [
            group["logger"],
            f"{group['sessions']:,}",
            group["cells"],
            *(
                f"{rung['ratio']:.2f} (+{rung['rises']} -{rung['falls']})"
                for rung in group["rungs"].values()
            ),
        ]
        for group in ladder(worlds)
    ]
    header = ["logger", "sessions", "cells", "cross-entropy", *LADDER[1:-1], "top-K"]
    return tabulate(rows, header, tablefmt="github", disable_numparse=True)


def chosen_cells(options: argparse.Namespace) -> list[Cell]:
    """Cells by the command line; raises InputError for an unknown world or logger."""
    if options.quick:
        return quick_cells(options.epochs, options.rollouts)
    for world in options.worlds:
        known = make_world(world)
        for logger in options.loggers:
            make_logger(logger, known)
    return [
        Cell(world, logger, sessions, seed, epochs=options.epochs, rollouts=options.rollouts)
        for world in options.worlds
        for logger in options.loggers
        for sessions in options.sessions
        for seed in options.seeds
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="22 chosen cells, in a few minutes")
    parser.add_argument("--worlds", nargs="+", default=list(WORLDS))
    parser.add_argument("--loggers", nargs="+", default=list(LOGGERS))
    parser.add_argument("--sessions", nargs="+", type=int, default=[1000, 10_000])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--rollouts", type=int, default=2000, help="sessions for each true value")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--figure", type=Path, help="where to draw it, as .png")
    options = parser.parse_args()
    try:
        cells = chosen_cells(options)
    except InputError as error:
        parser.error(str(error))
    worlds, failed = measure_all(cells, options.processes)
    ordered = [cell for cell in worlds if cell["world"] != "constant"]
    set_size = cells[0].set_size
    print(f"True value of a session: sets of {set_size} draws from the policy\n")
    print(value_table(worlds, "sampled", ("logger", *SHOWN)))
    print(f"\nTrue value of a session: the first {set_size} items\n")
    print(value_table(worlds, "greedy", (*SHOWN, "off-policy", "capped")))
    print("\nRecall@20 of the logged clicks of held-out sessions\n")
    print(recall_table(worlds))
    ways = (f"{set_size} draws", f"first {set_size} items", "one draw")
    if ordered:
        for sets, shown in zip(TRUTHS, ways, strict=True):
            print(f"\nOrder of the policies by a criterion and by true value of the {shown}\n")
            print(criterion_table(ordered, sets))
        print("\nTrue value over that of cross-entropy (+: cells where the rung lies above the one")
        print("before it, -: below, by intervals that do not overlap)\n")
        print(ladder_table(ordered))
    if options.figure is not None and ordered:
        from experiments.ordering_figure import draw

        draw(ordered, options.figure)
    figures = {
        "worlds": worlds,
        "failed": failed,
        "criteria": {sets: summarise(ordered, sets) for sets in TRUTHS},
        "chance_regret": {sets: chance_regret(ordered, sets) for sets in TRUTHS},
        "ladder": ladder(ordered),
    }
    print(json.dumps(figures))
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    main()
