"""Compute every figure again from the ranks, and name each stored one that differs."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.figures.benchmark import read_benchmarks
from bench.figures.results import POPULARITY_NORMALISED, trial_metrics
from bench.store.benchmark_record import read_benchmark_record
from bench.store.catalogue import Catalogue, split_folder
from bench.store.events import TestEvents
from bench.store.ranks import MISSED_RANK, Ranks
from bench.store.trial import TRIALS, read_ranks, read_trial_record
from datasets.errors import InputError
from reports.tables.benchmark_table import benchmark_csv
from reports.tables.policy_value_table import POLICY_VALUES, policy_values_csv

RELATIVE_ERROR = 1e-9
"""Another version of NumPy may round sums differently."""


def compare_with_ranks(folder: Path) -> tuple[int, list[str]]:
    """Number of stored figures of a benchmark, and a sentence for each that is not what ranks give.

    Compared are the metrics of every trial's `trial.json`, its ranks, ties and exposure with each
    other, and the cells of `table.csv` and `policy_values.csv`. Raises InputError where a file is
    missing or damaged.
    """
    record = read_benchmark_record(folder)
    events = TestEvents.load(split_folder(folder, record.fingerprint))
    support = Catalogue.load(split_folder(folder, record.fingerprint)).support
    n_figures, wrong = 0, []
    for trial in (folder / TRIALS / name for ids in record.trials.values() for name in ids):
        record_of_trial = read_trial_record(trial)
        stored, ks = record_of_trial.metrics, record_of_trial.ks
        ranks = read_ranks(trial)
        wrong += [f"{trial}: {fault}" for fault in _impossible_ranks(ranks, events, len(support))]
        for name, value in trial_metrics(ranks, events, ks, support).items():
            # A trial of an earlier version lacks what later ones store.
            if name not in stored and POPULARITY_NORMALISED in name:
                continue
            n_figures += 1
            if not _equal(stored.get(name), value):
                wrong.append(
                    f"{trial}/trial.json: {name} is {stored.get(name)}, ranks give {value}"
                )
    (benchmark,) = read_benchmarks([folder])
    tables = {"table.csv": benchmark_csv(benchmark)}
    if (folder / POLICY_VALUES).exists():  # an earlier version wrote none
        tables[POLICY_VALUES] = policy_values_csv(benchmark)
    for name, text in tables.items():
        n_cells, of_table = _compare_table(folder, name, text)
        n_figures, wrong = n_figures + n_cells, wrong + of_table
    return n_figures, wrong


def _compare_table(folder: Path, name: str, text: str) -> tuple[int, list[str]]:
    """Number of cells, and a sentence for each in which the file `name` differs from `text`."""
    file = folder / name
    try:
        shown = dict(_cells(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(
            f"{file} cannot be read ({error.strerror}); make it by `run_bench.py report {folder}`"
        ) from error
    computed = dict(_cells(text))
    cells = dict.fromkeys([*shown, *computed])
    return len(cells), [
        f"{file}: {cell[1]} of {cell[0]} is {shown.get(cell)}, ranks give {computed.get(cell)}"
        for cell in cells
        if not _same_text(shown.get(cell), computed.get(cell))
    ]


def _impossible_ranks(ranks: Ranks, events: TestEvents, n_items: int) -> Iterator[str]:
    """Contradictions between ranks, ties and exposure."""
    missed = ranks.ranks == MISSED_RANK
    scored = ranks.ranks[~missed].astype(np.int64)
    if len(ranks.ranks) != len(events):
        yield f"{len(ranks.ranks)} ranks of {len(events)} test events"
        return
    if (missed != (events.targets < 0)).any():
        yield "an event is missed whose item is in the catalogue, or the other way round"
    if len(scored) and not 1 <= scored.min() <= scored.max() <= n_items:
        yield f"a rank lies outside 1 to {n_items}"
    if (ranks.ties[~missed] >= scored).any():
        yield "a target ties with more items than stand before it"
    for k, times in ranks.exposure.items():
        if times.sum() != min(k, n_items) * len(scored):
            yield f"the first {k} items of {len(scored)} lists are {times.sum()} in exposure.npy"


def _cells(text: str) -> Iterator[tuple[tuple[str, str], str]]:
    """(model, column) and text of each cell of a CSV table, with the estimator if there is one."""
    for row in csv.DictReader(io.StringIO(text)):
        model, estimator = row.pop("model"), row.pop("estimator", None)
        of = "" if estimator is None else f"{estimator}: "
        yield from (((model, of + column), cell) for column, cell in row.items())


def _same_text(one: str | None, other: str | None) -> bool:
    if one == other or one is None or other is None or "" in (one, other):
        return one == other
    try:
        return _equal(float(one), float(other))
    except ValueError:
        return False


def _equal(one: float | None, other: float) -> bool:
    return one is not None and math.isclose(one, other, rel_tol=RELATIVE_ERROR, abs_tol=1e-15)
