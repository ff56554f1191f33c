"""Parts of the page that hold plots, or say why they have none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.page.tables import PageTable, text_table
from reports.plots.drawing import Plot


@dataclass(frozen=True)
class Figure:
    """A plot and the table behind it."""

    plot: Plot
    table: PageTable | None


@dataclass(frozen=True)
class Part:
    """A part of the page with plots, or with a remark on why it has none."""

    id: str
    title: str
    intro: str
    figures: tuple[Figure, ...]
    remarks: tuple[str, ...] = ()
    table: PageTable | None = None
    """A table without a plot."""


def part(
    id: str,
    title: str,
    intro: str,
    plots: Sequence[Plot],
    *,
    missing: str = "",
    remarks: Sequence[str] = (),
    table: PageTable | None = None,
) -> Part:
    """A part with `plots` and `remarks`, or with `missing`, a sentence, where there is no plot."""
    figures = tuple(_figure(plot) for plot in plots)
    return Part(id, title, intro, figures, tuple(remarks) if plots else (missing,), table)


def _figure(plot: Plot) -> Figure:
    return Figure(
        plot,
        text_table(f"Figures behind: {plot.title}", plot.columns, plot.rows) if plot.rows else None,
    )
