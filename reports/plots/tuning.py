"""Tuning curves: what a smaller budget of candidates would have found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.ticker import MaxNLocator

from bench.store.curve import VALIDATION_RECALL
from bench.store.tuning_records import Tuning, expected_best
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


def draw_tuning(tunings: Sequence[Tuning], styles: Mapping[str, Style]) -> list[Plot]:
    """Expected best validation recall over candidates; none where no model had two."""
    curves = {
        tuning.label: expected_best([candidate.score for candidate in tuning.candidates])
        for tuning in tunings
        if len(tuning.candidates) > 1
    }
    if not curves:
        return []
    with drawing():
        figure, axes = panel(2.9)
        for label, best in curves.items():
            draw_curve(axes, styles[label], range(1, 1 + len(best)), best)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.set(xlabel="candidates", ylabel=f"best validation {VALIDATION_RECALL}")
        legend(figure, entries(list(curves), styles))
        svg, png = rendered(figure)
    rows = tuple(
        (label, str(budget), f"{value:.4f}")
        for label, best in curves.items()
        for budget, value in enumerate(best, start=1)
    )
    alone = [tuning.label for tuning in tunings if tuning.label not in curves]
    caption = (
        "The best that so many of the candidates would have found, in the mean over all their "
        "orders. A curve that still rises asks for a larger budget; a model that is ahead only at "
        "the right needed the tuning. Failed candidates count as 0."
    )
    if alone:
        caption += f" Not drawn, as they had one candidate: {', '.join(alone)}."
    return [
        Plot(
            name="tuning",
            title="Best of so many candidates",
            caption=caption,
            description="With all candidates "
            + ", ".join(f"{label} reaches {best[-1]:.4f}" for label, best in curves.items())
            + ".",
            svg=svg,
            png=png,
            columns=("model", "candidates", f"best validation {VALIDATION_RECALL}"),
            rows=rows if len(rows) <= MOST_ROWS else (),
        )
    ]
