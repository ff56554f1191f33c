"""Figure of `ordering`: accuracy against value, regret, steps to TOCR, and correlation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from experiments.ordering.summaries import (
    STEPS,
    Measured,
    by_log,
    chance_regret,
    steps,
    summarise,
    trained,
)

mpl.use("Agg")

# Okabe and Ito's colours, which the colour-blind can distinguish.
COLOURS = {
    "gru4rec": ("#0072B2", "o"),
    "gru4rec on clicks": ("#56B4E9", "s"),
    "reinforce": ("#E69F00", "^"),
    "capped": ("#009E73", "v"),
    "tocr": ("#D55E00", "D"),
    "distinct": ("#CC79A7", "P"),
}
PAGE_COLOURS = {"distinct": "#CC79A7", "greedy": "#0072B2", "duplicates_dropped": "#999999"}
BARS = "#0072B2"
PAGE = "distinct"
"""The page of all panels that show one."""
N_STEPS = 6
"""Pairs of `STEPS` that are drawn: those that change one thing."""


def draw(measured: Sequence[Measured], path: Path) -> None:
    """Four panels, from the cells whose true values have an order."""
    figure = Figure(figsize=(13, 9), layout="constrained")
    (accuracy, regret), (gains, correlation) = figure.subplots(2, 2)
    _draw_accuracy(accuracy, measured)
    _draw_regret(regret, measured)
    _draw_steps(gains, measured)
    _draw_correlation(correlation, measured)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Without the version of matplotlib in it, equal figures are equal files.
    figure.savefig(path, dpi=100, metadata={"Software": None})


def _draw_accuracy(axes: Axes, measured: Sequence[Measured]) -> None:
    for model, (colour, marker) in COLOURS.items():
        points = [
            (
                cell["criteria"]["Recall@20 of clicks"][model],
                cell["values"][PAGE][model] / max(cell["values"][PAGE].values()),
            )
            for cell in measured
        ]
        axes.plot(*zip(*points, strict=True), marker, color=colour, label=model, alpha=0.7)
    axes.set(
        title="Accuracy against value, a point a training",
        xlabel="Recall@20 of held-out clicks",
        ylabel="true value of distinct pages, share of the best",
        ylim=(0, 1.05),
    )
    axes.legend(fontsize=8)


def _draw_regret(axes: Axes, measured: Sequence[Measured]) -> None:
    known = {
        f"{name} ({of['trainings']})": float(of["regret"])
        for name, of in summarise(measured, PAGE).items()
        if of["regret"] is not None
    }
    places = np.arange(len(known))[::-1]
    axes.barh(places, list(known.values()), color=BARS)
    axes.set_yticks(places, list(known), fontsize=8)
    chance = chance_regret(measured, PAGE)
    if chance is not None:
        axes.axvline(chance, color="black", linestyle=":", label="drawn at random")
    axes.set(
        title="What choosing by a criterion loses",
        xlabel="share of the best true value of distinct pages (trainings with a number)",
    )
    axes.legend(fontsize=8)


def _draw_steps(axes: Axes, measured: Sequence[Measured]) -> None:
    largest = max(cell["sessions"] for cell in measured)
    chosen = [c for c in measured if c["sessions"] == largest and c["correlation"] == 0]
    names = [f"{model} over {before}" for model, before in STEPS[:N_STEPS]]
    places = np.arange(len(names))
    for offset, (page, colour) in zip((-0.27, 0, 0.27), PAGE_COLOURS.items(), strict=True):
        of_all_logs = steps(chosen, page)[-1]["steps"]
        gains = [of_all_logs[name]["gain"] for name in names]
        axes.bar(places + offset, gains, 0.26, color=colour, label=page.replace("_", " "))
    axes.axhline(0, color="black", linewidth=0.8)
    shown = [name.replace("behaviour_cloning", "cross-entropy") for name in names]
    axes.set_xticks(places, [name.replace(" over ", "\nover\n") for name in shown])
    axes.tick_params(axis="x", labelsize=8)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set(
        title=f"Steps by page, mean over logs of {largest:,} sessions", ylabel="change in value"
    )
    axes.legend(fontsize=8, title="page")


def _draw_correlation(axes: Axes, measured: Sequence[Measured]) -> None:
    """Value over that of GRU4Rec on clicks, mean over the worlds that have every correlation."""
    largest = max(cell["sessions"] for cell in measured)
    logs = {
        (trainings[0]["correlation"], trainings[0]["world"]): trainings
        for trainings in by_log(measured).values()
        if trainings[0]["logger"] == "popularity"
        and trainings[0]["sessions"] == largest
        and trainings[0]["seed"] == min(cell["seed"] for cell in measured)
    }
    levels = sorted({level for level, _ in logs})
    worlds = [
        world
        for world in dict.fromkeys(world for _, world in logs)
        if all((level, world) in logs for level in levels)
    ]
    for model, (colour, marker) in COLOURS.items():
        ratios = [
            [
                trained(logs[level, world], PAGE, model).mean
                / trained(logs[level, world], PAGE, "gru4rec on clicks").mean
                for world in worlds
            ]
            for level in levels
        ]
        means = [float(np.mean(of_level)) for of_level in ratios]
        axes.plot(levels, means, marker + "-", color=colour, label=model)
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set(
        title=f"Where the well known is worth more, mean of {len(worlds)} worlds",
        xlabel="correlation of popularity with worth",
        ylabel="true value of distinct pages over gru4rec on clicks",
        xticks=levels,
    )
    axes.legend(fontsize=8)
