"""Rows whose training ended by its number of epochs while validation still improved."""

from __future__ import annotations

from collections.abc import Callable

from bench.figures.benchmark import Benchmark
from bench.store.trial import read_trial_record

STILL_IMPROVING = "‡"


def still_improving(benchmark: Benchmark) -> frozenset[str]:
    """Labels of models of which a trial was at its best on validation in the last epoch allowed.

    Nothing is known, and none named, without a validation part and of models without an option
    `epochs`. Raises InputError where a trial's record is damaged.
    """
    if not benchmark.record.counts["valid_events"]:
        return frozenset()
    return frozenset(
        summary.label
        for summary in benchmark.summaries
        for folder, cost in zip(summary.folders, summary.costs, strict=False)
        if cost.best_epoch == cost.epochs == read_trial_record(folder).parameters.get("epochs")
    )


def still_improving_lines(benchmark: Benchmark, written: Callable[[str], str]) -> list[str]:
    """One line that names these models, in the table's order; none without any."""
    improving = still_improving(benchmark)
    names = [written(item.label) for item in benchmark.summaries if item.label in improving]
    if not names:
        return []
    options = ", ".join(f"{name}.epochs" for name in names)
    return [
        f"{STILL_IMPROVING} still improving at its last epoch, so that more may raise its figures: "
        f"raise {options}"
    ]
