"""The table of a benchmark: one row a model, and under it what is needed to judge it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from bench.figures.benchmark import Benchmark
from bench.figures.results import POSITIVE, ModelSummary
from bench.store.cost import Cost
from reports.tables.formats import (
    Cell,
    Column,
    TableRow,
    csv_table,
    failed_models,
    footer,
    latex_table,
    markdown_table,
)
from reports.tables.policy_value_table import value_cells, value_columns
from reports.tables.still_improving import STILL_IMPROVING, still_improving
from reports.tables.table_footer import footer_lines

BYTES_PER_MB = 1e6
TRAIN_TIME, SPEED, MEMORY = "train time (s)", "events/s", "peak memory (MB)"
_COSTS: dict[str, Callable[[Cost], float]] = {
    TRAIN_TIME: lambda cost: cost.train_seconds,
    SPEED: lambda cost: cost.events_per_second,
    MEMORY: lambda cost: cost.peak_memory_bytes / BYTES_PER_MB,
}


def benchmark_markdown(benchmark: Benchmark) -> str:
    """The table, the failed trials with their reasons, decisions and footer, as markdown."""
    parts = []
    if benchmark.summaries:
        parts.append(markdown_table(*rows_and_columns(benchmark)))
    if benchmark.record.failures:
        parts.append(failed_models(benchmark.record.failures))
    parts.append(footer(footer_lines(benchmark)))
    return "\n\n".join(parts) + "\n"


def benchmark_csv(benchmark: Benchmark) -> str:
    """The same figures as CSV, in full precision."""
    return csv_table(*rows_and_columns(benchmark))


def benchmark_latex(benchmark: Benchmark) -> str:
    """The same table for a paper: needs the LaTeX package booktabs."""
    record = benchmark.record
    split = record.split["name"]
    caption = (
        f"{record.dataset}, {split} split, full ranking over {len(benchmark.catalogue):,} items"
    )
    return latex_table(*rows_and_columns(benchmark), caption=caption)


def rows_and_columns(benchmark: Benchmark) -> tuple[list[TableRow], list[Column]]:
    """A row a model, and the columns of figures and costs."""
    metrics = [f"{name}@{k}" for k in benchmark.record.ks for name in ("Recall", "MRR")]
    # If every event has a positive reward, the second half would repeat the first.
    ways = [""] if (np.asarray(benchmark.events.rewards) > 0).all() else ["", POSITIVE]
    columns = [
        *(Column(name + way, 4, "highest") for way in ways for name in metrics),
        *value_columns(benchmark),
        Column(TRAIN_TIME, 1, "lowest"),
        Column(SPEED, 0, "highest"),
        Column(MEMORY, 0, "lowest"),
    ]
    worse = _differing_from_best(benchmark)
    improving = still_improving(benchmark)
    rows = [
        replace(
            _row(summary, worse, value_cells(benchmark, summary.label)),
            mark=STILL_IMPROVING if summary.label in improving else "",
        )
        for summary in benchmark.summaries
    ]
    return rows, columns


def _row(summary: ModelSummary, worse: set[tuple[str, str]], values: dict[str, Cell]) -> TableRow:
    cells = values | {
        name: Cell(
            estimate.value,
            estimate.low,
            estimate.high,
            estimate.spread,
            differs_from_best=(summary.label, name) in worse,
        )
        for name, estimate in summary.metrics.items()
    }
    for name, figure in _COSTS.items():
        cells[name] = Cell(float(np.mean([figure(cost) for cost in summary.costs])))
    return TableRow(summary.label, cells)


def _differing_from_best(benchmark: Benchmark) -> set[tuple[str, str]]:
    """Label and metric of each model that differs significantly from the best one in it."""
    worse = set()
    for metric in {difference.metric for difference in benchmark.differences}:
        values = {summary.label: summary.metrics[metric].value for summary in benchmark.summaries}
        best = max(values, key=lambda label: values[label])
        for difference in benchmark.differences:
            pair = (difference.first, difference.second)
            if difference.metric == metric and difference.decided and best in pair:
                worse |= {(label, metric) for label in pair if label != best}
    return worse
