"""Figure of `ordering`: accuracy against value, what choosing by a criterion loses, the ladder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.ordering_cells import LADDER
from experiments.ordering_summaries import chance_regret, ladder, summarise

mpl.use("Agg")

# Okabe and Ito's colours, told apart by the colour-blind.
COLOURS = {
    "gru4rec": ("#0072B2", "o"),
    "gru4rec on clicks": ("#56B4E9", "s"),
    "reinforce": ("#E69F00", "^"),
    "weighted_likelihood": ("#777777", "v"),
    "tocr": ("#D55E00", "D"),
}
BARS, LINES = "#0072B2", ("o-", "s--", "^-.", "D:", "v-", "x--")


def draw(worlds: Sequence[dict[str, Any]], path: Path) -> None:
    """Three panels, from the cells whose true values have an order."""
    figure = Figure(figsize=(14, 4.6), layout="constrained")
    accuracy, regret, rungs = figure.subplots(1, 3)
    _draw_accuracy(accuracy, worlds)
    _draw_regret(regret, worlds)
    _draw_ladder(rungs, worlds)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Without the version of matplotlib in it, equal figures are equal files.
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _draw_accuracy(axes: Axes, worlds: Sequence[dict[str, Any]]) -> None:
    for model, (colour, marker) in COLOURS.items():
        points = [
            (
                cell["criteria"]["Recall@20 of clicks"][model],
                cell["sampled"][model][0] / max(v[0] for v in cell["sampled"].values() if v),
            )
            for cell in worlds
        ]
        axes.plot(*zip(*points, strict=True), marker, color=colour, label=model, alpha=0.8)
    axes.set(
        title="Accuracy against value, a point a cell",
        xlabel="Recall@20 of held-out clicks",
        ylabel="true value, share of the cell's best",
        ylim=(0, 1.05),
    )
    axes.legend(fontsize=8)


def _draw_regret(axes: Axes, worlds: Sequence[dict[str, Any]]) -> None:
    known = {
        f"{name} ({of['cells']})": float(of["regret"])
        for name, of in summarise(worlds, "sampled").items()
        if of["regret"] is not None
    }
    places = np.arange(len(known))[::-1]
    axes.barh(places, list(known.values()), color=BARS)
    axes.set_yticks(places, list(known), fontsize=8)
    chance = chance_regret(worlds, "sampled")
    if chance is not None:
        axes.axvline(chance, color="black", linestyle=":", label="drawn at random")
    axes.set(
        title="What choosing by a criterion loses",
        xlabel="share of the best true value (cells with a number)",
    )
    axes.legend(fontsize=8)


def _draw_ladder(axes: Axes, worlds: Sequence[dict[str, Any]]) -> None:
    for group, line in zip(ladder(worlds), LINES, strict=False):
        ratios = [group["rungs"][name]["ratio"] for name in LADDER]
        axes.plot(ratios, line, label=f"{group['logger']}, {group['sessions']:,} sessions")
    axes.axhline(1, color="#777777", linewidth=0.8)
    axes.set_xticks(
        range(len(LADDER)), ["cross-\nentropy", "REINFORCE", "off-\npolicy", "cap", "top-K"]
    )
    axes.set(title="The ladder, mean over worlds", ylabel="true value over cross-entropy's")
    axes.legend(fontsize=8)
