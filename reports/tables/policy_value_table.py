"""What tables say of models as policies: columns, lines under them, and all estimators as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from bench.figures.benchmark import Benchmark
from bench.policy_value.logging_policy import LoggingPolicy
from bench.policy_value.off_policy_evaluation import ESTIMATORS, PER_SESSION, unit_of
from bench.policy_value.overlap import Overlap
from bench.policy_value.policy_values import NO_POLICY, NO_PROPENSITIES, NOT_STORED, PolicyValue
from bench.policy_value.true_values import N_SESSIONS, true_value_name
from bench.stats.estimate import Estimate
from bench.stats.headline import headline_k
from reports.tables.formats import Cell, Column, number_text

POLICY_VALUES = "policy_values.csv"
SHOWN = "snips"
"""The estimator of tables: of those for a single event the one that needs no reward model, and that
a number of dropped events leaves as it is."""
VALUE, SAMPLE = "value (SNIPS)", "effective sample"
DIGITS = 4
NO_COLUMNS = (NO_PROPENSITIES, NO_POLICY, NOT_STORED)
"""Reasons that are not the log's."""
OF_OVERLAP = (
    "effective_sample_size", "effective_sessions", "mean_weight", "largest_weight",
    "clipped_share", "outside_share",
)  # fmt: skip
_SOURCES = {
    "logged": "logged propensities",
    "simulated": "true propensities of the simulated logger",
}


def value_columns(benchmark: Benchmark) -> list[Column]:
    """Columns of the main table: true values in a simulated world, and the log's own estimate.

    Estimates have none where propensities are estimated, as figures there are diagnostics, nor
    where no model has one.
    """
    policies = benchmark.policies
    columns = [Column(name, 3, "highest") for name in true_value_names(benchmark)]
    known = policies.logging_policy is not None and not policies.logging_policy.is_estimate
    if known and _given(benchmark):
        columns += [Column(VALUE, DIGITS, "highest"), Column(SAMPLE, 0)]
    return columns


def true_value_names(benchmark: Benchmark) -> list[str]:
    """Columns of true values that any model has, those of one K side by side."""
    # A model that is no policy has fewer, and its order would tear those of one K apart.
    by_length = sorted(benchmark.policies.true_values.values(), key=len, reverse=True)
    return list(dict.fromkeys(name for found in by_length for name in found))


def value_cells(benchmark: Benchmark, label: str) -> dict[str, Cell]:
    """The cells of `value_columns` that a model has."""
    cells = {
        name: estimate_cell(estimate)
        for name, estimate in benchmark.policies.true_values.get(label, {}).items()
    }
    value = benchmark.policies.values.get(label)
    if value is not None and SHOWN in value.estimates and value.overlap is not None:
        cells[VALUE] = estimate_cell(value.estimates[SHOWN])
        cells[SAMPLE] = Cell(value.overlap.effective_sample_size)
    return cells


@dataclass(frozen=True)
class Reversal:
    """A model that is worth more than the first by the headline."""

    sentence: str
    decided: bool
    """Whether their intervals do not overlap."""


def reversals(benchmark: Benchmark, written: Callable[[str], str]) -> list[Reversal]:
    """Where another model than the first by the headline is worth most, by truth and estimate.

    None from estimated propensities, as nothing is decided by diagnostics.
    """
    if not benchmark.summaries:
        return []
    first, policies = benchmark.summaries[0].label, benchmark.policies
    greedy = true_value_name(headline_k(benchmark.record.ks), "greedy")
    by_name = {
        greedy: {label: of[greedy] for label, of in policies.true_values.items() if greedy in of}
    }
    if policies.logging_policy is not None and not policies.logging_policy.is_estimate:
        by_name[VALUE] = {label: of.estimates[SHOWN] for label, of in _given(benchmark).items()}
    found = []
    for name, estimates in by_name.items():
        best = max(estimates, key=lambda label: estimates[label].value, default=first)
        its = estimates.get(first)
        if best != first and (its is None or estimates[best].value > its.value):
            overlap = its is not None and its.high >= estimates[best].low
            against = "none" if its is None else _interval_text(its)
            sentence = (
                f"{written(first)} is first by {benchmark.headline}, {written(best)} by {name}: "
                f"{_interval_text(estimates[best])} against {against}"
                f"{'; the intervals overlap' if overlap else ''}"
            )
            found.append(Reversal(sentence, decided=its is not None and not overlap))
    return found


def value_lines(benchmark: Benchmark, written: Callable[[str], str]) -> list[str]:
    """How the values came about, then what `verdict_lines` says; as markdown or plain text."""
    policies, lines = benchmark.policies, []
    logger = policies.logging_policy
    if logger is not None and not logger.is_estimate and _given(benchmark):
        lines.append(
            f"{VALUE}: mean reward of an event were its item the policy's, by weights of "
            f"pi/beta with {_SOURCES[logger.source]}; {SAMPLE}: so many events of equal weight "
            "would tell as much (docs/off_policy.md)"
        )
    if policies.true_values:
        lines.append(
            "true value@K: what a session pays in the world that drew the log, shown pages of the "
            "first K items (greedy), of K distinct items drawn from the policy, or of K draws with "
            f"duplicates dropped; {N_SESSIONS:,} simulated sessions"
        )
    return lines + verdict_lines(benchmark, written)


def verdict_lines(benchmark: Benchmark, written: Callable[[str], str]) -> list[str]:
    """Values that are diagnostics, and why models have none: a reason that several share once.

    `written` is how the reader's medium writes a model's name.
    """
    policies, given, lines = benchmark.policies, _given(benchmark), []
    if policies.logging_policy is not None and policies.logging_policy.is_estimate and given:
        texts = [f"{written(label)} {_value_text(value)}" for label, value in given.items()]
        lines.append(
            "policy value by SNIPS, a diagnostic and no measurement, as its "
            f"{_quality(policies.logging_policy)}: {', '.join(texts)}"
        )
    refused: dict[str, list[str]] = {}
    for label, value in policies.values.items():
        if label not in given:
            refused.setdefault(value.refusal or value.missing[SHOWN], []).append(written(label))
    by = " by estimated propensities"
    if policies.logging_policy is None or not policies.logging_policy.is_estimate:
        by = ""
    return lines + [
        f"no policy value of {', '.join(of)}{by if why not in NO_COLUMNS else ''}: {why}"
        for why, of in refused.items()
    ]


def _given(benchmark: Benchmark) -> dict[str, PolicyValue]:
    """Models with a value, by label."""
    values = benchmark.policies.values
    return {label: value for label, value in values.items() if SHOWN in value.estimates}


def policy_values_csv(benchmark: Benchmark) -> str:
    """A row a model and estimator, in full precision, with the overlap behind it or the reason.

    Where there is a value, clipped IPS also has a row for each cap.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ["model", "propensities", "estimator", "per", "value", "low", "high", "spread",
         *OF_OVERLAP, "reason"]
    )  # fmt: skip
    logger = benchmark.policies.logging_policy
    source = "" if logger is None else logger.source
    for label, value in benchmark.policies.values.items():
        for name, found in benchmark.policies.true_values.get(label, {}).items():
            writer.writerow([label, "", name, "session", *_numbers(found), *[""] * 7])
        for row in (*_estimator_rows(value), *_clip_rows(value)):
            writer.writerow([label, source, *row])
    return text.getvalue()


def _estimator_rows(value: PolicyValue) -> Iterator[list[str]]:
    for name in ESTIMATORS:
        weights = _weights(value.session_overlap if name in PER_SESSION else value.overlap)
        found = value.estimates.get(name)
        figures = [""] * 4 if found is None else _numbers(found)
        reason = "" if found is not None else value.refusal or value.missing.get(name, "")
        unit = "" if found is None else unit_of(name)
        yield [name, unit, *figures, *weights, reason]


def _clip_rows(value: PolicyValue) -> Iterator[list[str]]:
    for point in value.clip_sweep:
        assert value.overlap is not None
        weights = _weights(replace(value.overlap, clipped_share=point.clipped_share))
        figures = _texts(point.value.value, None, None, point.value.spread)
        yield [f"clipped_ips, c = {point.cap:.3g}", "round", *figures, *weights, ""]


def _weights(overlap: Overlap | None) -> list[str]:
    return _texts(*(None if overlap is None else getattr(overlap, name) for name in OF_OVERLAP))


def _numbers(found: Estimate) -> list[str]:
    return _texts(found.value, found.low, found.high, found.spread)


def _texts(*numbers: float | None) -> list[str]:
    return ["" if number is None else repr(float(number)) for number in numbers]


def estimate_cell(estimate: Estimate) -> Cell:
    """A cell with interval and spread."""
    return Cell(estimate.value, estimate.low, estimate.high, estimate.spread)


def _value_text(value: PolicyValue) -> str:
    assert value.overlap is not None
    sample = f"{value.overlap.effective_sample_size:,.0f}"
    return f"{_interval_text(value.estimates[SHOWN])} (effective sample {sample})"


def _interval_text(found: Estimate) -> str:
    value, *ends = (number_text(end, DIGITS) for end in (found.value, found.low, found.high))
    return f"{value} [{', '.join(ends)}]"


def _quality(logger: LoggingPolicy) -> str:
    """How good the estimated propensities are."""
    text, report = "propensities are estimated by counts", logger.report
    if report is None:
        return text
    return (
        f"{text} (log-loss {report.log_loss:.2f} nats an event; unigram "
        f"{report.unigram_loss:.2f}, uniform {report.uniform_loss:.2f})"
    )
