"""Tables of the page: the texts shown and their sort keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.figures.benchmark import Benchmark
from bench.figures.results import ModelSummary
from bench.store.cost import Cost
from bench.store.curve import VALIDATION_RECALL
from bench.store.tuning_records import Tuning
from reports.tables.benchmark_table import BYTES_PER_MB, rows_and_columns
from reports.tables.formats import (
    MISSING,
    Cell,
    Column,
    TableRow,
    best_text,
    interval_ends,
    number_text,
    with_marks,
)
from reports.tables.tuning_lines import options_text


@dataclass(frozen=True)
class PageCell:
    """One cell."""

    text: str
    order: float | None = None
    """Sort key in a column of numbers; None for text and for a missing figure."""
    detail: str = ""
    """Smaller, under the text: an interval."""
    best: bool = False


@dataclass(frozen=True)
class PageTable:
    """A table; the first cell of a row names it."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[PageCell, ...], ...]

    @property
    def numeric(self) -> tuple[bool, ...]:
        """For each column whether it holds figures and nothing else."""
        columns = [[row[i] for row in self.rows] for i in range(len(self.columns))]
        return tuple(
            any(cell.order is not None for cell in column)
            and all(cell.order is not None or cell.text == MISSING for cell in column)
            for column in columns
        )


def text_table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> PageTable:
    """A table of texts; those that are numbers are sorted as numbers."""
    cells = (tuple(PageCell(text, _number(text)) for text in row) for row in rows)
    return PageTable(caption, tuple(columns), tuple(cells))


def facts_table(caption: str, name: str, facts: Mapping[str, str]) -> PageTable:
    """Two columns: what it is called, and its value."""
    return text_table(caption, (name, "value"), facts.items())


def result_table(benchmark: Benchmark) -> PageTable:
    """The benchmark's table, with the marks that its markdown has."""
    return cells_table(
        "Figures of all models, best first; under a figure its 95 % interval over test sessions",
        *rows_and_columns(benchmark),
    )


def other_result_table(benchmark: Benchmark) -> PageTable | None:
    """The metrics that `result_table` leaves out; None without any."""
    rows, columns = rows_and_columns(benchmark)
    shown = {column.name for column in columns}
    names = dict.fromkeys(name for row in rows for name in row.values if name not in shown)
    if not names:
        return None
    others = [Column(name, 4, "highest") for name in names]
    return cells_table("Other figures of the same ranks", rows, others)


def exposure_table(summaries: Sequence[ModelSummary]) -> PageTable | None:
    """Every figure of what is recommended, mean over seeds; None without any."""
    names = dict.fromkeys(name for summary in summaries for name in summary.exposure)
    if not names:
        return None
    rows = [
        TableRow(
            summary.label,
            {
                name: Cell(figure.value, spread=figure.spread)
                for name, figure in summary.exposure.items()
            },
        )
        for summary in summaries
    ]
    caption = "Figures of what is recommended; no interval over sessions, as files count all events"
    return cells_table(caption, rows, [Column(name, 4) for name in names])


def cells_table(caption: str, rows: Sequence[TableRow], columns: Sequence[Column]) -> PageTable:
    """What `markdown_table` shows of the same rows and columns."""
    shown = [[PageCell(row.label + row.mark) for row in rows]]
    for column in columns:
        cells = [row.values.get(column.name, Cell(None)) for row in rows]
        best = best_text(cells, column)
        shown.append([_result_cell(cell, column, best) for cell in cells])
    names = ("model", *(column.name for column in columns))
    return PageTable(caption, names, tuple(zip(*shown, strict=True)))


def _result_cell(cell: Cell, column: Column, best: str | None) -> PageCell:
    if cell.value is None:
        return PageCell(MISSING)
    number = number_text(cell.value, column.digits)
    return PageCell(
        with_marks(number, cell, column.digits),
        order=cell.value,
        detail=" to ".join(interval_ends(cell, column.digits)),
        best=number == best,
    )


_COSTS: dict[str, tuple[int, Callable[[Cost], float | None]]] = {
    "train time (s)": (2, lambda cost: cost.train_seconds),
    "to the best epoch (s)": (2, lambda cost: cost.seconds_to_best_epoch),
    "epochs": (0, lambda cost: cost.epochs),
    "best epoch": (0, lambda cost: cost.best_epoch),
    "targets trained on": (0, lambda cost: cost.train_events),
    "trained events/s": (0, lambda cost: cost.events_per_second),
    "ranking the test (s)": (2, lambda cost: cost.ranking_seconds),
    "ms per ranked event": (3, lambda cost: cost.milliseconds_per_scored_event),
    "peak memory (MB)": (0, lambda cost: cost.peak_memory_bytes / BYTES_PER_MB),
    "threads": (0, lambda cost: cost.threads),
    "cores others kept busy": (2, lambda cost: cost.others_load),
}


def cost_table(summaries: Sequence[ModelSummary]) -> PageTable:
    """What each trial cost, a row a model and seed."""
    rows = []
    for summary in summaries:
        for seed, cost in zip(summary.seeds, summary.costs, strict=True):
            row = [PageCell(summary.label), PageCell(str(seed), seed), PageCell(cost.device)]
            for digits, figure in _COSTS.values():
                value = figure(cost)
                row.append(
                    PageCell(MISSING)
                    if value is None
                    else PageCell(number_text(value, digits), float(value))
                )
            rows.append(tuple(row))
    return PageTable("Cost of each trial", ("model", "seed", "device", *_COSTS), tuple(rows))


def tuning_table(tunings: Sequence[Tuning]) -> PageTable:
    """What each model's tuning spent and found; a failed candidate counts as 0."""
    columns = ("model", "candidates", "failed", "time (s)", "as given", "median", "best", "chosen")
    rows = []
    for tuning in tunings:
        scores = [candidate.score for candidate in tuning.candidates]
        chosen = "as given" if tuning.winner is tuning.candidates[0] else "none"
        if chosen == "none" and tuning.winner is not None:
            chosen = options_text(tuning.winner.options)
        rows.append(
            (
                tuning.label,
                str(len(scores)),
                str(sum(candidate.recall is None for candidate in tuning.candidates)),
                number_text(tuning.seconds, 1),
                number_text(scores[0], 4),
                number_text(float(np.median(scores)), 4),
                number_text(max(scores), 4),
                chosen,
            )
        )
    return text_table(f"Validation {VALIDATION_RECALL} of all candidates", columns, rows)


def figure_text(value: float) -> str:
    """A statistic as shown: an integer in full, any other number with four digits."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.4g}"


def _number(text: str) -> float | None:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None
