"""Learning curves: validation quality after each epoch, over epochs and over seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from matplotlib.ticker import MaxNLocator

from bench.figures.benchmark import Benchmark
from bench.store.curve import VALIDATION_RECALL, read_curve
from reports.palette import Style
from reports.plots.drawing import (
    MOST_ROWS,
    SURFACE,
    Plot,
    draw_curve,
    drawing,
    entries,
    legend,
    panel,
    plain,
    rendered,
    time_axis,
)


@dataclass(frozen=True)
class Curve:
    """What validation said of one trial after each epoch; all of equal length."""

    label: str
    seed: int
    best_epoch: int
    epochs: tuple[int, ...]
    seconds: tuple[float, ...]
    recalls: tuple[float, ...]
    losses: tuple[float | None, ...]


def read_curves(benchmark: Benchmark) -> list[Curve]:
    """Curves of all trials that have a validation part.

    Raises InputError where a `curve.csv` is damaged.
    """
    found = [
        _curve(read_curve(folder), summary.label, seed, cost.best_epoch)
        for summary in benchmark.summaries
        for folder, seed, cost in zip(summary.folders, summary.seeds, summary.costs, strict=True)
    ]
    return [curve for curve in found if curve.recalls]


def _curve(rows: list[dict[str, float]], label: str, seed: int, best_epoch: int) -> Curve:
    validated = [row for row in rows if VALIDATION_RECALL in row]
    return Curve(
        label,
        seed,
        best_epoch,
        epochs=tuple(int(row["epoch"]) for row in validated),
        seconds=tuple(row["train_seconds"] for row in validated),
        recalls=tuple(row[VALIDATION_RECALL] for row in validated),
        losses=tuple(row.get("loss") for row in validated),
    )


def draw_curves(benchmark: Benchmark, styles: Mapping[str, Style]) -> list[Plot]:
    """Validation Recall@20 over epochs and over training seconds.

    None where no model trains for more than an epoch, or there is no validation part.
    """
    curves = read_curves(benchmark)
    drawn = [curve for curve in curves if len(curve.epochs) > 1]
    at_once = list(dict.fromkeys(curve.label for curve in curves if len(curve.epochs) == 1))
    if not drawn:
        return []
    seeds = max(len(summary.seeds) for summary in benchmark.summaries)
    caption = "Hollow marks: the epoch whose weights were kept."
    if seeds > 1:
        caption = f"One line a seed. {caption}"
    if at_once:
        caption += f" Not drawn, as they learn in one pass: {', '.join(at_once)}."
    return [
        _draw(drawn, styles, caption, over="epochs"),
        _draw(drawn, styles, f"{caption} Validation stops the clock.", over="seconds"),
    ]


def _draw(curves: list[Curve], styles: Mapping[str, Style], caption: str, over: str) -> Plot:
    labels = list(dict.fromkeys(curve.label for curve in curves))
    with drawing():
        figure, axes = panel(2.9)
        if over == "seconds":
            time_axis(axes, [second for curve in curves for second in curve.seconds])
        else:
            axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        for curve in curves:
            style = styles[curve.label]
            x = curve.epochs if over == "epochs" else curve.seconds
            chosen = curve.epochs.index(curve.best_epoch)
            draw_curve(axes, style, x, curve.recalls)
            axes.plot(
                x[chosen], curve.recalls[chosen], style.marker, color=style.colour, markersize=8.5,
                markerfacecolor=SURFACE, markeredgewidth=1.8, zorder=3,
            )  # fmt: skip
        axes.set(
            xlabel="epoch" if over == "epochs" else "training time (s)",
            ylabel=f"validation {VALIDATION_RECALL}",
        )
        legend(figure, entries(labels, styles))
        svg, png = rendered(figure)
    rows = tuple(row for curve in curves for row in _rows(curve))
    best = {
        curve.label: max(curve.recalls) for curve in sorted(curves, key=lambda c: max(c.recalls))
    }
    return Plot(
        name=f"curves-{over}",
        title=f"Learning curves against {over}",
        caption=caption,
        description="Highest validation recall of "
        + ", ".join(f"{label} {value:.4f}" for label, value in best.items())
        + ".",
        svg=svg,
        png=png,
        columns=("model", "seed", "epoch", "training time (s)", VALIDATION_RECALL, "loss"),
        rows=rows if over == "epochs" and len(rows) <= MOST_ROWS else (),
    )


def _rows(curve: Curve) -> list[tuple[str, ...]]:
    return [
        (
            curve.label,
            str(curve.seed),
            f"{epoch} (kept)" if epoch == curve.best_epoch else str(epoch),
            plain(seconds),
            f"{recall:.4f}",
            "-" if loss is None else f"{loss:.4f}",
        )
        for epoch, seconds, recall, loss in zip(
            curve.epochs, curve.seconds, curve.recalls, curve.losses, strict=True
        )
    ]
