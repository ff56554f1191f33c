"""Parts of the page on models as policies: their values, and the logger that these rest on."""

from __future__ import annotations

from collections.abc import Mapping

from bench.figures.benchmark import Benchmark
from bench.figures.results import POPULARITY_NORMALISED, REWARD_WEIGHTED
from bench.policy_value.off_policy_evaluation import ESTIMATORS, PER_SESSION
from bench.stats.exposure_metrics import BEYOND_TOP
from bench.stats.headline import headline_k
from reports.page.parts import Part, part
from reports.page.tables import PageTable, cells_table, text_table
from reports.palette import Style
from reports.plots.calibration import draw_behaviour, draw_heads
from reports.plots.correction import draw_lambda
from reports.plots.policy_value import draw_values, draw_weights
from reports.tables.formats import Cell, Column, TableRow
from reports.tables.policy_value_table import DIGITS, estimate_cell, true_value_names, verdict_lines

TITLES = {
    "ips": "IPS", "clipped_ips": "clipped IPS", "snips": "SNIPS", "dm": "DM", "dr": "DR",
    "sndr": "SNDR", "switch_dr": "switch-DR", "pdis": "per decision, a session",
    "snpdis": "self-normalised per decision, a session",
}  # fmt: skip
"""How tables of the page call estimators."""
OVERLAP = {
    "effective_sample_size": ("effective sample", 0),
    "mean_weight": ("mean weight", 3),
    "largest_weight": ("largest weight", 1),
    "clipped_share": ("share above the cap", 4),
    "outside_share": ("share it never shows", 4),
}
"""Figures of the weights by attribute: name and decimals."""


def policy_parts(benchmark: Benchmark, styles: Mapping[str, Style]) -> list[Part]:
    """The parts that the benchmark's folder has anything to say in; raises InputError as plots."""
    if not benchmark.policies.values:
        return []
    curve, weights = draw_lambda(benchmark, styles), draw_weights(benchmark, styles)
    plots = [*draw_values(benchmark, styles), *(each for each in (weights, curve) if each)]
    sentences = [f"{line[0].upper()}{line[1:]}." for line in verdict_lines(benchmark, str)]
    parts = [
        part(
            "policy",
            "Policy value",
            "What users would give if the model chose what they are shown, in place of how well it "
            "repeats what they were shown and took.",
            plots,
            missing=" ".join(sentences),
            remarks=sentences,
            table=_values_table(benchmark),
        )
    ]
    calibrations = [
        each for each in (draw_behaviour(benchmark), draw_heads(benchmark, styles)) if each
    ]
    if calibrations:
        parts.append(
            part(
                "logger",
                "The logger",
                "How well it is known with which probability the log's own policy showed an item.",
                calibrations,
                table=_logger_table(benchmark),
            )
        )
    return parts


def _values_table(benchmark: Benchmark) -> PageTable:
    """Accuracy with reward or without popularity, all estimates, and what their weights say."""
    policies = benchmark.policies
    true_names = true_value_names(benchmark)
    accuracies = [benchmark.headline + way for way in (REWARD_WEIGHTED, POPULARITY_NORMALISED)]
    beyond = f"{BEYOND_TOP}@{headline_k(benchmark.record.ks)}"
    rows = []
    for summary in benchmark.summaries:
        value = policies.values[summary.label]
        found = {name: summary.metrics[name] for name in accuracies if name in summary.metrics}
        found |= policies.true_values.get(summary.label, {})
        found |= {TITLES[name]: estimate for name, estimate in value.estimates.items()}
        cells = {name: estimate_cell(estimate) for name, estimate in found.items()}
        if beyond in summary.exposure:
            share = summary.exposure[beyond]
            cells[beyond] = Cell(share.value, spread=share.spread)
        if value.overlap is not None:
            for attribute, (name, _) in OVERLAP.items():
                cells[name] = Cell(float(getattr(value.overlap, attribute)))
        rows.append(TableRow(summary.label, cells))
    columns = [
        *(Column(name, 4) for name in (*accuracies, beyond)),
        *(Column(name, 3) for name in true_names),
        *(Column(TITLES[name], 3 if name in PER_SESSION else DIGITS) for name in ESTIMATORS),
        *(Column(name, digits) for name, digits in OVERLAP.values()),
    ]
    diagnostic = policies.logging_policy is not None and policies.logging_policy.is_estimate
    return cells_table(
        "Accuracy by reward and without popularity, and policy value by every estimator, of an "
        "event unless said otherwise"
        + (": values are diagnostics, as the propensities are estimated" if diagnostic else ""),
        rows,
        [column for column in columns if any(column.name in row.values for row in rows)],
    )


def _logger_table(benchmark: Benchmark) -> PageTable | None:
    """Log-losses and smallest propensities of the estimate; None where nothing was estimated."""
    logger = benchmark.policies.logging_policy
    if logger is None or logger.report is None:
        return None
    report = logger.report
    rows = [
        ("log-loss of the estimate (nats an event)", f"{report.log_loss:.4f}"),
        ("log-loss of the items' counts alone", f"{report.unigram_loss:.4f}"),
        ("log-loss of the uniform distribution", f"{report.uniform_loss:.4f}"),
        *(
            (
                "smallest propensity" if share == 0 else f"{100 * share:g} % are at most",
                f"{value:.3g}",
            )
            for share, value in report.smallest
        ),
    ]
    return text_table("The estimated logger on the test events", ("figure", "value"), rows)
