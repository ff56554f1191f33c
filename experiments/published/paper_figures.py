"""Figures of `paper_simulation`: learnt policies against their fixed points, and both sweeps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.published.paper_policies import (
    N_ACTIONS,
    OFF_POLICY,
    TOP_K,
    Learnt,
    Objective,
    Simulation,
    fixed_point,
)

mpl.use("Agg")

# Okabe and Ito's colours, which the colour-blind can distinguish.
BLUE, VERMILION, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#777777"
LINES = ((BLUE, "o", "-"), (VERMILION, "s", "--"), (GREEN, "^", "-."), (GREY, "D", ":"))
Corner = Literal["upper left", "upper right"]
POSITIONS = np.arange(1, N_ACTIONS + 1)


def draw_off_policy(runs: Sequence[Learnt], path: Path) -> None:
    """Naive, corrected and capped policy of 6.1.1, and what the cap moves."""
    by_name = {run.name: run for run in runs}
    titles = {
        "naive": "No correction",
        "corrected": r"Off-policy correction, no cap",
        "capped_e3": r"Off-policy correction, cap $e^3$",
    }
    figure, axes = _panels("Simulation 6.1.1: $r(a_i) = i$, $\\beta(a_i) = (11 - i) / 55$")
    for panel, (name, title) in zip(axes, titles.items(), strict=False):
        _draw_policy(panel, by_name[name], title, OFF_POLICY)
    caps = np.geomspace(1, 60, 300)
    _draw_sweep(
        axes[3],
        {cap: Objective(cap=float(cap)) for cap in caps},
        {run.objective.cap: run for run in runs if math.isfinite(run.objective.cap)},
        OFF_POLICY,
        {"$a_{10}$": 9, "$a_9$": 8, "$a_8$": 7, "$a_7$": 6},
        "upper left",
    )
    axes[3].set(xscale="log", xlabel="cap on $\\pi / \\beta$", title="Cap sweep")
    axes[3].set_xticks([1, 3, 10, math.e**3, 49.5], ["1", "3", "10", "$e^3$", "49.5"])
    axes[3].minorticks_off()
    _save(figure, path)


def draw_top_k(runs: Sequence[Learnt], path: Path) -> None:
    """Policies of 6.1.2 for K = 1, 2 and 16, and what K moves."""
    by_k = {float(run.objective.k): run for run in runs}
    figure, axes = _panels("Simulation 6.1.2: $r = 10, 9, 1, \\ldots, 1$, $\\beta$ uniform")
    for panel, k in zip(axes, (1, 2, 16), strict=False):
        title = "$K = 1$: no top-$K$ correction" if k == 1 else f"Top-$K$ correction, $K = {k}$"
        _draw_policy(panel, by_k[k], title, TOP_K)
    _draw_sweep(
        axes[3],
        {k: Objective(k=k) for k in range(1, 17)},
        by_k,
        TOP_K,
        {"$a_1$ (reward 10)": 0, "$a_2$ (reward 9)": 1, "each of $a_3 \\ldots a_{10}$": 2},
        "upper right",
    )
    axes[3].set(xlabel="$K$", xticks=[1, 2, 3, 4, 8, 16], title="$K$ sweep")
    _save(figure, path)


def _panels(title: str) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(10, 7.2), layout="constrained")
    figure.suptitle(title)
    return figure, list(figure.subplots(2, 2).flat)


def _draw_policy(axes: Axes, run: Learnt, title: str, simulation: Simulation) -> None:
    axes.bar(POSITIONS, run.policy.numpy(), color=BLUE, alpha=0.75, label="learnt")
    axes.plot(POSITIONS, simulation.behaviour.numpy(), ":.", color=GREY, label=r"logger's $\beta$")
    if run.sampled is not None:
        axes.plot(
            POSITIONS, run.sampled.numpy(), "o", color=VERMILION, markersize=8,
            markerfacecolor="none", markeredgewidth=1.6, label="learnt from samples",
        )  # fmt: skip
    axes.plot(
        POSITIONS, run.exact.numpy(), "_", color="black", markersize=19, markeredgewidth=1.8,
        label="fixed point",
    )  # fmt: skip
    top = float(max(run.exact.max(), run.policy.max(), simulation.behaviour.max()))
    axes.set(title=title, xlabel="action", ylabel=r"probability $\pi(a)$", ylim=(0, 1.12 * top))
    axes.set_xticks(POSITIONS, [f"$a_{{{i}}}$" for i in POSITIONS])
    best_is_late = int(run.exact.argmax()) >= N_ACTIONS // 2
    corner: Corner = "upper left" if best_is_late else "upper right"
    axes.legend(fontsize=8, loc=corner)


def _draw_sweep(
    axes: Axes,
    objectives: Mapping[float, Objective],
    runs: Mapping[float, Learnt],
    simulation: Simulation,
    actions: Mapping[str, int],
    corner: Corner,
) -> None:
    """Fixed points as lines over the swept option, learnt probabilities as points."""
    exact = [fixed_point(simulation, objective).numpy() for objective in objectives.values()]
    for (name, action), (colour, marker, dash) in zip(actions.items(), LINES, strict=False):
        axes.plot(list(objectives), [policy[action] for policy in exact], dash, color=colour)
        axes.plot(
            list(runs), [float(run.policy[action]) for run in runs.values()], marker,
            color=colour, label=name,
        )  # fmt: skip
    axes.set(ylabel=r"probability $\pi(a)$", ylim=(-0.03, 1.05))
    axes.legend(fontsize=8, loc=corner, title="points: learnt, lines: fixed point")


def _save(figure: Figure, path: Path) -> None:
    # Without the version of matplotlib in it, equal figures are equal files.
    figure.savefig(path, dpi=120, metadata={"Software": None})
