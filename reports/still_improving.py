"""Rows whose training was cut off by the number of epochs while validation still rose."""

from __future__ import annotations

from collections.abc import Callable

from bench.benchmark import Benchmark
from bench.trial import read_record
from reports.plots.curves import read_curves

STILL_IMPROVING = "‡"


def still_improving(benchmark: Benchmark) -> frozenset[str]:
    """Labels of models of which a trial was at its best on validation in the last epoch allowed.

    A model without an option `epochs`, and one without a validation part, say nothing of it. Raises
    InputError where a trial's file is damaged.
    """
    allowed = {
        (summary.label, seed): read_record(folder).parameters.get("epochs")
        for summary in benchmark.summaries
        for seed, folder in zip(summary.seeds, summary.folders, strict=False)
    }
    return frozenset(
        curve.label
        for curve in read_curves(benchmark)
        if curve.best_epoch == curve.epochs[-1] == allowed[curve.label, curve.seed]
    )


def still_improving_lines(benchmark: Benchmark, written: Callable[[str], str]) -> list[str]:
    """One line that names these models, in the table's order; none without any."""
    cut_off = still_improving(benchmark)
    names = [written(item.label) for item in benchmark.summaries if item.label in cut_off]
    if not names:
        return []
    options = ", ".join(f"{name}.epochs" for name in names)
    return [
        f"{STILL_IMPROVING} still improving at its last epoch, so that its figures are below what "
        f"it can reach: raise {options}"
    ]
