"""Quality against training time: which models no other one beats in both."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from bench.figures.benchmark import Benchmark
from reports.palette import Style
from reports.plots.drawing import (
    MUTED,
    SURFACE,
    Plot,
    drawing,
    legend,
    model_line,
    panel,
    plain,
    rendered,
    short,
    time_axis,
)
from reports.tables.table_footer import others_load


def pareto_front(points: Mapping[str, tuple[float, float]]) -> list[str]:
    """Labels that no other one dominates, by rising time; `points` are (seconds, quality).

    One dominates another if it is no worse in both and better in one.
    """
    return sorted(
        (
            label
            for label, (seconds, quality) in points.items()
            if not any(
                its_seconds <= seconds
                and its_quality >= quality
                and (its_seconds, its_quality) != (seconds, quality)
                for its_seconds, its_quality in points.values()
            )
        ),
        key=lambda label: points[label],
    )


def draw_pareto(benchmark: Benchmark, styles: Mapping[str, Style]) -> Plot | None:
    """The headline with its interval over mean training seconds; None without models."""
    if not benchmark.summaries:
        return None
    metric = benchmark.headline
    quality = {summary.label: summary.metrics[metric] for summary in benchmark.summaries}
    seconds = {
        summary.label: float(np.mean([cost.train_seconds for cost in summary.costs]))
        for summary in benchmark.summaries
    }
    points = {label: (seconds[label], quality[label].value) for label in quality}
    front = pareto_front(points)
    dominated = [label for label in points if label not in front]
    with drawing():
        figure, axes = panel(3.1)
        time_axis(axes, list(seconds.values()))
        axes.step(
            [points[label][0] for label in front], [points[label][1] for label in front],
            where="post", color=MUTED, linewidth=1, linestyle=(0, (3, 2)), zorder=1,
        )  # fmt: skip
        handles = []
        for label, (x, y) in points.items():
            style, estimate = styles[label], quality[label]
            fill = style.colour if label in front else SURFACE
            axes.vlines(x, estimate.low, estimate.high, color=style.colour, linewidth=1.4, zorder=2)
            axes.plot(
                x, y, style.marker, color=style.colour, markerfacecolor=fill, markersize=8,
                markeredgewidth=1.6, zorder=3,
            )  # fmt: skip
            shown = model_line(style, linestyle="none", markerfacecolor=fill, markeredgewidth=1.4)
            handles.append((short(label), shown))
        axes.margins(x=0.08)
        axes.set(xlabel="training time (s)", ylabel=metric)
        legend(figure, handles)
        svg, png = rendered(figure)
    caption = (
        f"Higher and further left is better. Vertical lines are 95 % intervals of {metric}. "
        f"On the Pareto front (filled, dashed line): {', '.join(front)}. "
    )
    if dominated:
        caption += (
            "Dominated (hollow), as another model is no worse in both and better in one: "
            f"{', '.join(dominated)}. "
        )
    caption += "".join(f"{line[0].upper()}{line[1:]}." for line in others_load(benchmark.summaries))
    return Plot(
        name="pareto",
        title=f"{metric} against training time",
        caption=caption.strip(),
        description=f"{len(points)} models, {len(front)} on the Pareto front: {', '.join(front)}.",
        svg=svg,
        png=png,
        columns=("model", "training time (s)", metric, "95 % interval", "Pareto front"),
        rows=tuple(
            (
                label,
                plain(x),
                f"{y:.4f}",
                f"{quality[label].low:.4f} to {quality[label].high:.4f}",
                "on it" if label in front else "dominated",
            )
            for label, (x, y) in sorted(points.items(), key=lambda item: item[1])
        ),
    )
