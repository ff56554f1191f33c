"""Calibration of estimated propensities: the split's behaviour model, and TOCR's own head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator

from bench.figures.benchmark import Benchmark
from bench.policy_value.calibration import CalibrationBin, calibration_by_truth
from bench.store.policy_columns import read_policy
from reports.palette import THEME, Style
from reports.plots.drawing import (
    MUTED,
    Plot,
    drawing,
    entries,
    legend,
    panel,
    plain,
    plain_ticks,
    rendered,
)


def draw_behaviour(benchmark: Benchmark) -> Plot | None:
    """Calibration of the estimated logging policy; None where nothing was estimated."""
    logger = benchmark.policies.logging_policy
    if logger is None or logger.report is None or not logger.report.calibration:
        return None
    bins = logger.report.calibration
    with drawing():
        figure, axes = panel(3.1)
        _diagonal(axes, bins)
        axes.plot(
            [part.predicted for part in bins], [part.observed for part in bins], "o-",
            color=THEME["blue"][0], markersize=5.5, linewidth=1.4,
        )  # fmt: skip
        axes.set(xlabel="predicted propensity", ylabel="observed frequency")
        svg, png = rendered(figure)
    return Plot(
        name="policy-behaviour-calibration",
        title="Calibration of the estimated logger",
        caption=(
            "All pairs of a test event and an item, in bins by predicted propensity that hold a "
            "tenth of the logged items each. On the dotted line the logger showed such items as "
            "often as was predicted; above it more often, and weights there are too large."
        ),
        description=_worst(bins),
        svg=svg,
        png=png,
        columns=("predicted", "observed", "pairs", "from", "to"),
        rows=tuple(_row(part) for part in bins),
    )


def draw_heads(benchmark: Benchmark, styles: Mapping[str, Style]) -> Plot | None:
    """Calibration of what models themselves take for beta, against the logger's propensities.

    None where these are not known, or no trial stored its own. Seeds are put together.
    """
    heads = own_propensities(benchmark)
    if not heads:
        return None
    with drawing():
        figure, axes = panel(3.1)
        _diagonal(axes, [part for bins, _ in heads.values() for part in bins])
        for label, (bins, _) in heads.items():
            style = styles[label]
            axes.plot(
                [part.predicted for part in bins], [part.observed for part in bins],
                marker=style.marker, color=style.colour, linestyle=style.dash, markersize=5.5,
                linewidth=1.4,
            )  # fmt: skip
        axes.set(xlabel="propensity by the model's own head", ylabel="true propensity")
        legend(figure, entries(list(heads), styles))
        svg, png = rendered(figure)
    divergences = ", ".join(f"{label} {nats:.3f} nats" for label, (_, nats) in heads.items())
    return Plot(
        name="policy-head-calibration",
        title="The model's own behaviour head against the logger",
        caption=(
            "All items before each test event, in ten bins by what the head says. It weights "
            "training alone; no value rests on it. Mean of log(true / head) over the "
            f"logged items, 0 for a perfect head: {divergences}."
        ),
        description=f"Divergence from the logger: {divergences}.",
        svg=svg,
        png=png,
        columns=("model", "predicted", "true", "pairs", "from", "to"),
        rows=tuple((label, *_row(part)) for label, (bins, _) in heads.items() for part in bins),
    )


def own_propensities(
    benchmark: Benchmark,
) -> dict[str, tuple[tuple[CalibrationBin, ...], float]]:
    """Calibration of each model's own head and its divergence in nats, by label."""
    logger = benchmark.policies.logging_policy
    if logger is None or logger.is_estimate:
        return {}
    found = {}
    for summary in benchmark.summaries:
        columns = [read_policy(folder, len(benchmark.events)) for folder in summary.folders]
        own = [
            each.log_own_propensities
            for each in columns
            if each is not None and each.log_own_propensities is not None
        ]
        if own:
            estimates = np.concatenate(own)
            truth = np.tile(logger.log_propensities, len(own))
            scored = ~np.isnan(estimates)
            estimates, truth = estimates[scored], truth[scored]
            divergence = float((truth - estimates).mean())
            found[summary.label] = calibration_by_truth(estimates, truth), divergence
    return found


def _diagonal(axes: Axes, bins: Sequence[CalibrationBin]) -> None:
    """Logarithmic scales, and the line on which what is predicted comes true."""
    ends = [value for part in bins for value in (part.predicted, part.observed) if value > 0]
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.plot(
        [min(ends), max(ends)], [min(ends), max(ends)], color=MUTED, linewidth=1.2,
        linestyle=(0, (1.5, 1.5)),
    )  # fmt: skip
    for along in (axes.xaxis, axes.yaxis):
        plain_ticks(along, LogLocator(numticks=6))


def _worst(bins: Sequence[CalibrationBin]) -> str:
    """The bin that is furthest off."""
    worst = max(bins, key=lambda part: abs(np.log(part.observed / part.predicted)))
    return (
        f"Furthest off where {plain(worst.predicted)} is predicted and {plain(worst.observed)} "
        "observed."
    )


def _row(part: CalibrationBin) -> tuple[str, ...]:
    return (
        f"{part.predicted:.3g}", f"{part.observed:.3g}", f"{part.n_pairs:,}",
        f"{part.low:.3g}", f"{part.high:.3g}",
    )  # fmt: skip
