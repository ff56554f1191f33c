"""The table of a benchmark: one row a model, and under it all that is needed to judge it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from bench.comparison import PERMUTATIONS, Difference, decision
from bench.cost import Cost
from bench.preparation import Prepared
from bench.results import POSITIVE, ModelSummary
from reports.tables import (
    Cell,
    Column,
    TableRow,
    csv_table,
    escape_markdown,
    failed_models,
    footer,
    markdown_table,
)

BYTES_PER_MB = 1e6
MOST_OTHERS_LOAD = 0.2
"""Cores that others may keep busy before times are said not to compare."""
TRAIN_TIME, SPEED, MEMORY = "train time (s)", "events/s", "peak memory (MB)"
_COSTS: dict[str, Callable[[Cost], float]] = {
    TRAIN_TIME: lambda cost: cost.train_seconds,
    SPEED: lambda cost: cost.events_per_second,
    MEMORY: lambda cost: cost.peak_memory_bytes / BYTES_PER_MB,
}
_TIE_RULES = {
    "conservative": "conservative (an equal score counts against the model)",
    "standard": "standard (an equal score counts for the model)",
    "median": "median (half of the equal scores count against the model)",
}


def benchmark_markdown(
    prepared: Prepared,
    summaries: Sequence[ModelSummary],
    failures: dict[str, str],
    differences: Sequence[Difference],
) -> str:
    """The table, the failed trials with their reasons, decisions and footer, as markdown."""
    parts = []
    if summaries:
        parts.append(markdown_table(*_rows_and_columns(prepared, summaries)))
    if failures:
        parts.append(failed_models(failures))
    decisions = _decisions(summaries, differences)
    parts.append(footer([*decisions, *_footer_lines(prepared, summaries)]))
    return "\n\n".join(parts) + "\n"


def benchmark_csv(prepared: Prepared, summaries: Sequence[ModelSummary]) -> str:
    """The same figures as CSV, in full precision."""
    return csv_table(*_rows_and_columns(prepared, summaries))


def _rows_and_columns(
    prepared: Prepared, summaries: Sequence[ModelSummary]
) -> tuple[list[TableRow], list[Column]]:
    metrics = [f"{name}@{k}" for k in prepared.plan.ks for name in ("Recall", "MRR")]
    columns = [
        *(Column(name, 4, "highest") for name in metrics),
        *(Column(name + POSITIVE, 4, "highest") for name in metrics),
        Column(TRAIN_TIME, 1, "lowest"),
        Column(SPEED, 0, "highest"),
        Column(MEMORY, 0, "lowest"),
    ]
    return [_row(summary) for summary in summaries], columns


def _row(summary: ModelSummary) -> TableRow:
    cells = {
        name: Cell(estimate.value, estimate.low, estimate.high, estimate.spread)
        for name, estimate in summary.metrics.items()
    }
    for name, figure in _COSTS.items():
        cells[name] = Cell(float(np.mean([figure(cost) for cost in summary.costs])))
    return TableRow(summary.label, cells)


def _decisions(summaries: Sequence[ModelSummary], differences: Sequence[Difference]) -> list[str]:
    """A sentence on the best model by the first metric beside each other one."""
    if not differences:
        return []
    headline = differences[0].metric
    best = max(summaries, key=lambda summary: summary.event_values[headline].mean()).label
    seconds = {
        summary.label: float(np.mean([cost.train_seconds for cost in summary.costs]))
        for summary in summaries
    }
    sentences = [
        decision(_escaped(difference), seconds[difference.first], seconds[difference.second])
        for difference in differences
        if difference.metric == headline and best in (difference.first, difference.second)
    ]
    return [
        *sentences,
        f"differences: of the same events, with a 95 % bootstrap interval over sessions; p by "
        f"{PERMUTATIONS:,} paired permutations of sessions, two-sided, by Holm over "
        f"{len(differences)} (all pairs and metrics)",
    ]


def _escaped(difference: Difference) -> Difference:
    """With its models' names as markdown shows them."""
    first, second = escape_markdown(difference.first), escape_markdown(difference.second)
    return replace(difference, first=first, second=second)


def _footer_lines(prepared: Prepared, summaries: Sequence[ModelSummary]) -> list[str]:
    plan, options, counts = prepared.plan, prepared.options, prepared.split.counts
    events = prepared.events
    shares = f"test share {options.test_share:g}, " if _cuts_by_share(options.name) else ""
    lines = [
        f"data set: {prepared.dataset.name}; split: {options.name} ({shares}validation share "
        f"{options.valid_share:g}); full ranking over the catalogue of "
        f"{counts['catalogue']:,} items, none left out",
        "sessions and events: train "
        f"{counts['train_sessions']:,} and {counts['train_events']:,}; valid "
        f"{counts['valid_sessions']:,} and {counts['valid_events']:,} predicted; test "
        f"{counts['test_sessions']:,} and {counts['test_events']:,} predicted, of which "
        f"{int((np.asarray(events.rewards) > 0).sum()):,} with a positive reward and "
        f"{_percent(events.repeats.mean())} repeat an item of the session "
        f"({_percent(events.immediate_repeats.mean())} the one just before)",
        f"dropped: {counts['unseen_events_dropped']:,} test events of items that training never "
        f"saw ({counts['unseen_targets']:,} were targets, "
        f"{counts['missed_events']:,} of them counted as misses), "
        f"{counts['straddling_events_dropped']:,} events after a cut of sessions that began "
        f"before it, {counts['sessions_too_short']:,} test sessions left with fewer than two "
        f"events, {counts['filtered_events']:,} training events by the support filter",
        f"ties: {_TIE_RULES[plan.ties]}; tied targets: "
        + (", ".join(f"{item.label} {_percent(item.tied_share)}" for item in summaries) or "-"),
        f"intervals: 95 %, bootstrap over test sessions; seeds: {', '.join(map(str, plan.seeds))}"
        + ("; ± is the standard deviation over seeds" if len(plan.seeds) > 1 else ""),
        *_seed_gaps(plan.seeds, summaries),
        *_others_load(summaries),
        f"device: {prepared.device}; "
        + ", ".join(f"{name} {version}" for name, version in prepared.versions.items()),
        *prepared.notes,
    ]
    if options.name == "leave-one-out":
        lines.append(
            "leave-one-out lets training see what others did after a test event: compare it only "
            "with published leave-one-out figures"
        )
    return lines


def _cuts_by_share(split: str) -> bool:
    return split in ("temporal", "session-holdout")


def _seed_gaps(seeds: Sequence[int], summaries: Sequence[ModelSummary]) -> list[str]:
    """A line for each model that does not have all seeds."""
    return [
        f"{summary.label} has {len(summary.seeds)} of {len(seeds)} seeds: "
        f"{', '.join(map(str, summary.seeds))}"
        for summary in summaries
        if len(summary.seeds) < len(seeds)
    ]


def _others_load(summaries: Sequence[ModelSummary]) -> list[str]:
    """A line on what else ran while models trained, by each one's worst seed; none if unknown."""
    worst = {
        summary.label: max(known, key=lambda cost: cost.others_load or 0.0)
        for summary in summaries
        if (known := [cost for cost in summary.costs if cost.others_load is not None])
    }
    high = [
        f"{label} {cost.others_load:.2g} of {cost.cores} cores"
        for label, cost in worst.items()
        if (cost.others_load or 0.0) > MOST_OTHERS_LOAD
    ]
    if not worst:
        return []
    unknown = [summary.label for summary in summaries if summary.label not in worst]
    return [
        "load of others while training: "
        + (
            f"{', '.join(high)}: train times and events/s do not compare"
            if high
            else f"none above {MOST_OTHERS_LOAD} cores"
        )
        + (f"; unknown: {', '.join(unknown)}" if unknown else "")
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
