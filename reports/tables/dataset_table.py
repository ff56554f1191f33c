"""Models x data sets: the headline in every cell, and each model's mean rank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.figures.benchmark import Benchmark
from reports.tables.formats import Cell, Column, TableRow, footer, markdown_table

MEAN_RANK = "mean rank"


def dataset_markdown(benchmarks: Sequence[Benchmark]) -> str:
    """The table and the definition of its mean rank, as markdown."""
    rows, columns = dataset_rows_and_columns(benchmarks)
    return f"{markdown_table(rows, columns)}\n\n{footer([mean_rank_remark(benchmarks)])}\n"


def dataset_rows_and_columns(
    benchmarks: Sequence[Benchmark],
) -> tuple[list[TableRow], list[Column]]:
    """One row a model, one column a data set; `benchmarks` are of different data sets."""
    columns = {
        f"{benchmark.record.dataset}: {benchmark.headline}": {
            summary.label: summary.metrics[benchmark.headline] for summary in benchmark.summaries
        }
        for benchmark in benchmarks
    }
    ranks = mean_ranks(_headlines(benchmarks))
    labels = dict.fromkeys(label for of_column in columns.values() for label in of_column)
    rows = [
        TableRow(
            label,
            {
                **{
                    column: Cell(found.value, found.low, found.high, found.spread)
                    for column, of_column in columns.items()
                    if (found := of_column.get(label)) is not None
                },
                MEAN_RANK: Cell(ranks.get(label)),
            },
        )
        for label in sorted(labels, key=lambda label: ranks.get(label, float("inf")))
    ]
    shown = [*(Column(column, 4, "highest") for column in columns), Column(MEAN_RANK, 2, "lowest")]
    return rows, shown


def mean_rank_remark(benchmarks: Sequence[Benchmark]) -> str:
    """What the mean ranks are taken over."""
    ranks = mean_ranks(_headlines(benchmarks))
    return (
        f"mean rank: over all {len(benchmarks)} data sets, among the {len(ranks)} models that have "
        "a figure on each of them; equal figures share their mean rank"
    )


def _headlines(benchmarks: Sequence[Benchmark]) -> dict[str, dict[str, float]]:
    """The headline of each model, by data set."""
    return {
        benchmark.record.dataset: {
            summary.label: summary.metrics[benchmark.headline].value
            for summary in benchmark.summaries
        }
        for benchmark in benchmarks
    }


def mean_ranks(columns: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Mean over columns of the rank, 1 the highest, of each label that every column has.

    Ranks are taken among these labels alone, so that all means are over the same cells.
    """
    labels = [
        label
        for label in next(iter(columns.values()), {})
        if all(label in of_column for of_column in columns.values())
    ]
    totals = dict.fromkeys(labels, 0.0)
    for of_column in columns.values():
        for label in labels:
            above = sum(of_column[other] > of_column[label] for other in labels)
            equal = sum(of_column[other] == of_column[label] for other in labels)
            totals[label] += above + (equal + 1) / 2
    return {label: total / len(columns) for label, total in totals.items()}
