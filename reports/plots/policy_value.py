"""Models as policies: accuracy beside value, and the weights that a value rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.ticker import LogLocator, MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from bench.figures.benchmark import Benchmark
from bench.policy_value.off_policy_evaluation import CAP
from bench.policy_value.policy_values import log_weights
from bench.policy_value.true_values import true_value_name
from bench.policy_value.world_value import PAGES, Page
from bench.stats.estimate import Estimate
from bench.stats.headline import headline_k
from bench.store.policy_columns import read_policy
from reports.palette import Style
from reports.plots.drawing import (
    MUTED,
    Plot,
    drawing,
    legend,
    model_line,
    panel,
    plain,
    plain_ticks,
    rendered,
    short,
)
from reports.tables.policy_value_table import SHOWN, VALUE

MOST_MODELS = 6
"""Models whose weights are drawn, the best by the headline: more would hide each other."""
BINS = 40
_SHOWN: dict[Page, str] = {
    "greedy": "its first {k} items",
    "distinct": "{k} distinct items drawn from its policy",
    "duplicates_dropped": "{k} draws from its policy without the duplicates, so fewer than {k},",
}
LEAST_WEIGHT = 1e-6
"""Smaller weights are drawn there."""


def draw_values(benchmark: Benchmark, styles: Mapping[str, Style]) -> list[Plot]:
    """The headline against each kind of value that a model has: the log's estimate, the truth."""
    policies, k = benchmark.policies, headline_k(benchmark.record.ks)
    diagnostic = policies.logging_policy is not None and policies.logging_policy.is_estimate
    estimated = {
        label: value.estimates[SHOWN]
        for label, value in policies.values.items()
        if SHOWN in value.estimates
    }
    caption = "Mean reward of an event by the log's weights; 95 % intervals over sessions."
    if diagnostic:
        caption += " A diagnostic: the propensities are estimated."
    plots = [_against("value", VALUE, estimated, caption, benchmark, styles)]
    for page in PAGES:
        name = true_value_name(k, page)
        true = {
            label: found[name] for label, found in policies.true_values.items() if name in found
        }
        caption = (
            f"What a simulated session pays that is shown {_SHOWN[page].format(k=k)} at each step."
        )
        plots.append(
            _against(f"true-value-{page.replace('_', '-')}", name, true, caption, benchmark, styles)
        )
    return [plot for plot in plots if plot is not None]


def _against(
    name: str,
    axis: str,
    values: Mapping[str, Estimate],
    caption: str,
    benchmark: Benchmark,
    styles: Mapping[str, Style],
) -> Plot | None:
    """A point a model, the headline along x; None without a value."""
    if not values:
        return None
    metric = benchmark.headline
    accuracy = {summary.label: summary.metrics[metric] for summary in benchmark.summaries}
    absent = [label for label in accuracy if label not in values]
    with drawing():
        figure, axes = panel(3.1)
        for label, value in values.items():
            style, x = styles[label], accuracy[label]
            axes.hlines(value.value, x.low, x.high, color=style.colour, linewidth=1.4)
            axes.vlines(x.value, value.low, value.high, color=style.colour, linewidth=1.4)
            axes.plot(x.value, value.value, style.marker, color=style.colour, markersize=8)
        for along in (axes.xaxis, axes.yaxis):
            plain_ticks(along, MaxNLocator(5))
        axes.margins(0.08)
        axes.set(xlabel=metric, ylabel=axis)
        shown = [(short(label), model_line(styles[label], linestyle="none")) for label in values]
        legend(figure, shown)
        svg, png = rendered(figure)
    if absent:
        caption += f" Without a value: {', '.join(absent)}."
    best = max(values, key=lambda label: values[label].value)
    return Plot(
        name=f"policy-{name}",
        title=f"{metric} against {axis}",
        caption=f"Further up is worth more, further right repeats the log better. {caption}",
        description=f"{best} has the highest {axis} of {len(values)} models.",
        svg=svg,
        png=png,
        columns=("model", metric, axis, "95 % interval"),
        rows=tuple(
            (
                label,
                f"{accuracy[label].value:.4f}",
                f"{value.value:.4f}",
                f"{value.low:.4f} to {value.high:.4f}",
            )
            for label, value in values.items()
        ),
    )


def draw_weights(benchmark: Benchmark, styles: Mapping[str, Style]) -> Plot | None:
    """Histograms of pi/beta of the logged items; None where no trial stored a policy."""
    found = _weights(benchmark)
    if not found:
        return None
    shown = dict(list(found.items())[:MOST_MODELS])
    positive = [weights[weights > 0] for weights in shown.values()]
    positive = [np.maximum(weights, LEAST_WEIGHT) for weights in positive if len(weights)]
    if not positive:
        return None
    low = float(np.floor(np.log10(min(weights.min() for weights in positive))))
    high = float(np.ceil(np.log10(max(CAP, *(weights.max() for weights in positive)))))
    edges = np.logspace(low, high, BINS + 1)
    with drawing():
        figure, axes = panel(2.9)
        for label, weights in shown.items():
            drawn = np.maximum(weights[weights > 0], LEAST_WEIGHT)
            shares = np.histogram(drawn, edges)[0] / len(weights)
            style = styles[label]
            axes.stairs(shares, edges, color=style.colour, linestyle=style.dash, linewidth=1.6)
        for place, name in ((1.0, "1"), (CAP, "cap")):
            axes.axvline(place, color=MUTED, linewidth=1.0, linestyle=(0, (1.5, 1.5)))
            axes.annotate(
                name, (place, 1), (0, 3), xycoords=("data", "axes fraction"), ha="center",
                textcoords="offset points", fontsize=8.5, color=MUTED,
            )  # fmt: skip
        axes.set_xscale("log")
        plain_ticks(axes.xaxis, LogLocator(numticks=7))
        axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
        axes.set(xlabel="weight pi / beta", ylabel="test events")
        legend(figure, [(short(of), model_line(styles[of], marker="none")) for of in shown])
        svg, png = rendered(figure)
    caption = (
        "How much more often the policy would show a logged item than the logger did. A value "
        "rests on the events at the right; where they are few and far, it is the value of a few "
        f"events. The cap is that of clipped IPS, {CAP:.1f}."
    )
    if len(shown) < len(found):
        caption += f" Drawn are the best {len(shown)} of {len(found)} policies."
    return Plot(
        name="policy-weights",
        title="Weights of the logged items",
        caption=caption,
        description="Largest weight: "
        + ", ".join(f"{label} {plain(float(weights.max()))}" for label, weights in found.items())
        + ".",
        svg=svg,
        png=png,
        columns=("model", "median", "99 %", "largest", "above the cap", "never shown"),
        rows=tuple((label, *_row(weights)) for label, weights in found.items()),
    )


def _weights(benchmark: Benchmark) -> dict[str, NDArray[np.float64]]:
    """pi/beta of every test event, those of all seeds together, by label."""
    logger = benchmark.policies.logging_policy
    if logger is None:
        return {}
    found = {}
    for summary in benchmark.summaries:
        columns = [read_policy(folder, len(benchmark.events)) for folder in summary.folders]
        of_seeds = [log_weights(each, logger) for each in columns if each is not None]
        if of_seeds:
            with np.errstate(over="ignore"):
                found[summary.label] = np.exp(np.concatenate(of_seeds))
    return found


def _row(weights: NDArray[np.float64]) -> Sequence[str]:
    figures = (*np.quantile(weights, [0.5, 0.99]).tolist(), float(weights.max()))
    shares = ((weights > CAP).mean(), (weights == 0).mean())
    return (*(plain(figure) for figure in figures), *(f"{100 * share:.2f} %" for share in shares))
