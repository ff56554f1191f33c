"""What models put before users: how much of the catalogue, and how popular it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from matplotlib.ticker import PercentFormatter

from bench.figures.benchmark import Benchmark
from bench.figures.results import ModelSummary
from bench.stats.exposure_metrics import TARGET_POPULARITY
from bench.stats.headline import headline_k
from reports.palette import Style
from reports.plots.drawing import INK, MUTED, ROW, Plot, drawing, name_rows, panel, rendered

RANDOM_POPULARITY = 0.5
"""Mean popularity percentile of what a random recommender shows."""


def draw_exposure(benchmark: Benchmark, styles: Mapping[str, Style]) -> list[Plot]:
    """Coverage and popularity at the headline's cut-off, of the models that have them."""
    k = headline_k(benchmark.record.ks)
    coverage, popularity = f"Coverage@{k}", f"Popularity@{k}"
    known = [summary for summary in benchmark.summaries if coverage in summary.exposure]
    if not known:
        return []
    return [_coverage(known, coverage, styles, k), _popularity(known, popularity, styles)]


def _coverage(
    summaries: Sequence[ModelSummary], metric: str, styles: Mapping[str, Style], k: int
) -> Plot:
    values = {summary.label: summary.exposure[metric].value for summary in summaries}
    with drawing():
        figure, axes = panel(0.75 + ROW * len(values))
        axes.barh(
            range(len(values)), list(values.values()), height=0.62,
            color=[styles[label].colour for label in values],
        )  # fmt: skip
        for place, value in enumerate(values.values()):
            axes.annotate(
                _percent(value), (value, place), (4, 0), textcoords="offset points", va="center",
                fontsize=8.5, color=INK,
            )  # fmt: skip
        name_rows(axes, list(values))
        axes.set_xlim(0, max(values.values()) * 1.18)
        axes.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        axes.set_xlabel(metric)
        svg, png = rendered(figure)
    caption = (
        f"Share of the catalogue that was among the first {k} of any test event. A model that "
        "shows everyone the same has little of it."
    )
    return _plot("coverage", metric, values, caption, svg, png)


def _popularity(
    summaries: Sequence[ModelSummary], metric: str, styles: Mapping[str, Style]
) -> Plot:
    values = {summary.label: summary.exposure[metric].value for summary in summaries}
    targets = summaries[0].exposure.get(TARGET_POPULARITY)
    with drawing():
        figure, axes = panel(0.95 + ROW * len(values))
        marks = [(RANDOM_POPULARITY, "at random", (0, (1.5, 1.5)))]
        if targets is not None:
            marks.append((targets.value, "what users took", (0, (5, 1.5))))
        middle = sum(place for place, *_ in marks) / len(marks)
        for place, name, dash in marks:
            # The words stand away from each other, however near their lines are.
            side: Literal["left", "right"] = "right" if place < middle else "left"
            axes.axvline(place, color=MUTED, linewidth=1.2, linestyle=dash)
            axes.annotate(
                name, (place, 1), (0, 3), xycoords=("data", "axes fraction"), ha=side,
                textcoords="offset points", fontsize=8.5, color=MUTED,
            )  # fmt: skip
        for place, (label, value) in enumerate(values.items()):
            style = styles[label]
            axes.plot(value, place, style.marker, color=style.colour, markersize=8)
        name_rows(axes, list(values))
        axes.set_xlim(0, 1.02)
        axes.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        axes.set_xlabel(metric)
        svg, png = rendered(figure)
    caption = (
        "An item's percentile is the share of the catalogue that it is more popular than in "
        "training."
    )
    if targets is not None:
        caption += (
            " Right of the dashed line a model recommends more popular items than users took "
            f"({_percent(targets.value)})."
        )
    return _plot("popularity", metric, values, caption, svg, png)


def _plot(
    name: str, metric: str, values: Mapping[str, float], caption: str, svg: str, png: bytes
) -> Plot:
    shares = ", ".join(f"{label} {_percent(value)}" for label, value in values.items())
    return Plot(
        name=name,
        title=metric,
        caption=caption,
        description=f"{shares}.",
        svg=svg,
        png=png,
        columns=("model", metric),
        rows=tuple((label, f"{value:.4f}") for label, value in values.items()),
    )


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
