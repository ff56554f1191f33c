"""Quality by kind of test event, one plot a dimension."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from matplotlib.ticker import MaxNLocator

from bench.figures.benchmark import Benchmark
from bench.figures.slices import Slice, slices
from reports.palette import Style
from reports.plots.drawing import (
    INK,
    MUTED,
    Plot,
    drawing,
    entries,
    legend,
    panel,
    plain_ticks,
    rendered,
)

MOST_MODELS = 6
"""Models drawn, the best ones: more would hide each other. The table has all."""
MODEL_ROW, SLICE_GAP, LEAST_ROW = 0.085, 0.14, 0.34
"""Inches."""


def draw_slices(
    benchmark: Benchmark, styles: Mapping[str, Style]
) -> tuple[list[Plot], tuple[Slice, ...]]:
    """A plot a dimension of the headline by slice, and the slices behind them."""
    if not benchmark.summaries:
        return [], ()
    values = {
        summary.label: summary.event_values[benchmark.headline] for summary in benchmark.summaries
    }
    found = slices(values, benchmark.events, benchmark.catalogue)
    plots = [
        _draw(dimension, list(parts), benchmark.headline, styles)
        for dimension, parts in itertools.groupby(found, key=lambda part: part.dimension)
    ]
    return plots, tuple(found)


def _draw(dimension: str, parts: Sequence[Slice], metric: str, styles: Mapping[str, Style]) -> Plot:
    labels = list(parts[0].values)
    shown = labels[:MOST_MODELS]
    row = max(LEAST_ROW, MODEL_ROW * len(shown) + SLICE_GAP)
    with drawing():
        figure, axes = panel(0.7 + row * len(parts))
        for place, part in enumerate(parts):
            for i, label in enumerate(shown):
                y = place + (i - (len(shown) - 1) / 2) * MODEL_ROW / row
                style, figures = styles[label], part.values[label]
                axes.hlines(y, figures.low, figures.high, color=style.colour, linewidth=1.2)
                axes.plot(figures.value, y, style.marker, color=style.colour, markersize=4.8)
        for border in range(1, len(parts)):
            axes.axhline(border - 0.5, color=MUTED, linewidth=0.4)
        axes.set_yticks(range(len(parts)), [_name(part) for part in parts], color=INK)
        axes.set_ylim(len(parts) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0, labelsize=8.5)
        axes.grid(axis="y", visible=False)
        plain_ticks(axes.xaxis, MaxNLocator(5))
        axes.set_xlabel(metric)
        legend(figure, entries(shown, styles))
        svg, png = rendered(figure)
    caption = (
        f"{metric} by {dimension}, with 95 % intervals over sessions and the number of events."
    )
    if len(shown) < len(labels):
        caption += f" Drawn are the best {len(shown)} of {len(labels)} models; the table has all."
    leaders = [max(part.values, key=lambda label: part.values[label].value) for part in parts]
    return Plot(
        name=f"slices-{dimension.replace(' ', '-')}",
        title=f"{metric} by {dimension}",
        caption=caption,
        description="Highest: "
        + "; ".join(f"{leader} in {part.name}" for leader, part in zip(leaders, parts, strict=True))
        + ".",
        svg=svg,
        png=png,
        columns=(dimension, "events", "sessions", *labels),
        rows=tuple(
            (
                part.name,
                f"{part.n_events:,}",
                f"{part.n_sessions:,}",
                *(
                    f"{figures.value:.4f} [{figures.low:.4f}, {figures.high:.4f}]"
                    for figures in part.values.values()
                ),
            )
            for part in parts
        ),
    )


def _name(part: Slice) -> str:
    """A slice's name and size on two lines."""
    first, _, rest = part.name.partition(", ")
    size = f"{part.n_events:,} events"
    return f"{first}\n{rest}, {size}" if rest else f"{first}\n{size}"
