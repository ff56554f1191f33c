"""How TOCR's correction acts while it learns: lambda_K of the actions it is trained on."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.ticker import MaxNLocator

from bench.figures.benchmark import Benchmark
from bench.store.curve import read_curve
from reports.palette import Style
from reports.plots.drawing import (
    MOST_ROWS,
    Plot,
    draw_curve,
    drawing,
    entries,
    legend,
    panel,
    rendered,
)

LAMBDA = "lambda_K"
"""Column of `curve.csv`, of models that have a top-K correction."""


def draw_lambda(benchmark: Benchmark, styles: Mapping[str, Style]) -> Plot | None:
    """Mean lambda_K of each epoch's rewarded actions, a line a trial; None where no model has it.

    Raises InputError where a `curve.csv` is damaged.
    """
    curves = [
        (summary.label, seed, points)
        for summary in benchmark.summaries
        for folder, seed in zip(summary.folders, summary.seeds, strict=True)
        if (
            points := {
                int(row["epoch"]): row[LAMBDA] for row in read_curve(folder) if LAMBDA in row
            }
        )
    ]
    if not curves:
        return None
    labels = list(dict.fromkeys(label for label, *_ in curves))
    with drawing():
        figure, axes = panel(2.6)
        for label, _, points in curves:
            draw_curve(axes, styles[label], list(points), list(points.values()))
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.set_ylim(0, 1.08 * max(max(points.values()) for *_, points in curves))
        axes.set(xlabel="epoch", ylabel="mean lambda_K")
        legend(figure, entries(labels, styles))
        svg, png = rendered(figure)
    rows = tuple(
        (label, str(seed), str(epoch), f"{value:.4f}")
        for label, seed, points in curves
        for epoch, value in points.items()
    )
    last = {label: list(points.values())[-1] for label, _, points in curves}
    return Plot(
        name="policy-lambda",
        title="lambda_K by epoch",
        caption=(
            "K (1 - pi)^(K-1), by which the top-K correction multiplies an action's weight (Chen "
            "et al. 2019, eq. 8), mean over the rewarded actions. Near K the policy is so spread "
            "that the correction is a constant; near 0 it is so sure of these actions that it "
            "leaves them and turns to others. Constant at 1 for K = 1."
        ),
        description="In the last epoch "
        + ", ".join(f"{label} {value:.2f}" for label, value in last.items())
        + ".",
        svg=svg,
        png=png,
        columns=("model", "seed", "epoch", "mean lambda_K"),
        rows=rows if len(rows) <= MOST_ROWS else (),
    )
