"""Forest plots: the best model against each other one, one plot a metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from matplotlib.ticker import MaxNLocator

from bench.figures.benchmark import Benchmark
from bench.stats.comparison import Difference
from reports.palette import Style
from reports.plots.drawing import (
    INK,
    ROW,
    SURFACE,
    Plot,
    drawing,
    name_rows,
    panel,
    plain_ticks,
    rendered,
)


def leads(benchmark: Benchmark) -> dict[str, list[Difference]]:
    """Differences of the best model to each other one by metric, in their order."""
    found: dict[str, list[Difference]] = {}
    for difference in benchmark.differences:
        best = benchmark.summaries[0].label
        if best == difference.second:
            difference = _from_the_other_side(difference)
        if best == difference.first:
            found.setdefault(difference.metric, []).append(difference)
    return found


def _from_the_other_side(difference: Difference) -> Difference:
    return replace(
        difference,
        first=difference.second,
        second=difference.first,
        value=-difference.value,
        low=-difference.high,
        high=-difference.low,
    )


def draw_forests(benchmark: Benchmark, styles: Mapping[str, Style]) -> list[Plot]:
    """A plot a compared metric, the headline's first; none with fewer than two models."""
    found = leads(benchmark)
    metrics = sorted(found, key=lambda metric: metric != benchmark.headline)
    return [_draw(metric, found[metric], styles) for metric in metrics]


def _draw(metric: str, rows: Sequence[Difference], styles: Mapping[str, Style]) -> Plot:
    best = rows[0].first
    with drawing():
        figure, axes = panel(0.75 + ROW * len(rows))
        axes.axvline(0, color=INK, linewidth=0.9)
        for place, lead in enumerate(rows):
            style = styles[lead.second]
            axes.hlines(place, lead.low, lead.high, color=style.colour, linewidth=1.8)
            axes.plot(
                lead.value, place, style.marker, color=style.colour, markersize=7.5,
                markerfacecolor=style.colour if lead.decided else SURFACE, markeredgewidth=1.6,
            )  # fmt: skip
        name_rows(axes, [lead.second for lead in rows])
        plain_ticks(axes.xaxis, MaxNLocator(5))
        axes.set_xlabel(f"difference in {metric}")
        svg, png = rendered(figure)
    decided = [lead.second for lead in rows if lead.decided]
    return Plot(
        name=f"differences-{metric.lower().replace('@', '-at-')}",
        title=f"{metric}: {best} beside each other model",
        caption=(
            "Paired differences on the same test events with the intervals of a permutation test "
            f"by session, corrected over all pairs and metrics; right of 0, {best} is ahead. "
            "Filled: decided, the interval leaves out 0. Hollow: undecided."
        ),
        description=(
            f"{best} is significantly better than {', '.join(decided) or 'none'} of "
            f"{len(rows)} models by {metric}."
        ),
        svg=svg,
        png=png,
        columns=("model", "difference", "corrected interval", "corrected p", "decided"),
        rows=tuple(
            (
                lead.second,
                f"{lead.value:+.4f}",
                f"{lead.low:+.4f} to {lead.high:+.4f}",
                f"{lead.adjusted_p:.2g}",
                "yes" if lead.decided else "no",
            )
            for lead in rows
        ),
    )
