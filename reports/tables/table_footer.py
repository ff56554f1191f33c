"""The lines under a table: decisions first, then what is needed to judge the figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from bench.figures.benchmark import Benchmark
from bench.figures.floors import CEILING
from bench.figures.results import ModelSummary
from bench.stats.comparison import PERMUTATIONS, Difference, decision
from bench.stats.headline import headline_k
from bench.stats.metrics import COMPARED
from reports.tables.formats import escape_markdown
from reports.tables.policy_value_table import reversals, value_lines
from reports.tables.still_improving import still_improving_lines
from reports.tables.tuning_lines import tuning_lines

MOST_OTHERS_LOAD = 0.2
"""Cores that others may keep busy before times are said not to compare."""
_TIE_RULES = {
    "conservative": "conservative (an equal score counts against the model)",
    "standard": "standard (an equal score counts for the model)",
    "median": "median (half of the equal scores count against the model)",
}


def decisions(benchmark: Benchmark, written: Callable[[str], str]) -> list[str]:
    """A sentence that compares the best model by the headline with each other one.

    `written` is how the reader's medium writes a model's name, such as `escape_markdown`.
    """
    seconds = {
        summary.label: float(np.mean([cost.train_seconds for cost in summary.costs]))
        for summary in benchmark.summaries
    }
    return [
        decision(_named(difference, written), seconds[difference.first], seconds[difference.second])
        for difference in differences_to_best(benchmark)
    ]


def differences_to_best(benchmark: Benchmark) -> list[Difference]:
    """Differences in the headline of which one side is the best model."""
    best = benchmark.summaries[0].label if benchmark.summaries else None
    return [
        difference
        for difference in benchmark.differences
        if difference.metric == benchmark.headline and best in (difference.first, difference.second)
    ]


def _how_compared(benchmark: Benchmark) -> list[str]:
    """How differences were tested, and the smallest difference that the test can detect."""
    to_best = differences_to_best(benchmark)
    if not to_best:
        return []
    smallest = [difference.detectable for difference in to_best]
    levels = sorted(1 - difference.level for difference in to_best)
    shown = " to ".join(dict.fromkeys(f"{100 * each:.4g}" for each in (levels[0], levels[-1])))
    return [
        f"differences: of the same events; p by {PERMUTATIONS:,} paired permutations of sessions, "
        "two-sided (where no permutation comes near, by Hoeffding's bound), corrected by Holm over "
        f"{to_best[0].family:,} (all pairs, metrics and data sets); the interval is of the "
        f"corrected test ({shown} %), so that it leaves out 0 where p is below 0.05 and only "
        "there; † marks a figure significantly different from the "
        "best of its column",
        f"smallest difference that these {to_best[0].n_sessions:,} sessions show four times in "
        f"five: {_range(smallest)} {benchmark.headline}",
    ]


def _range(values: Sequence[float]) -> str:
    low, high = f"{min(values):.4f}", f"{max(values):.4f}"
    return low if low == high else f"{low} to {high}"


def _named(difference: Difference, written: Callable[[str], str]) -> Difference:
    return replace(difference, first=written(difference.first), second=written(difference.second))


def footer_lines(benchmark: Benchmark) -> list[str]:
    """All lines under a benchmark's table, in their order, as markdown."""
    return [
        *decisions(benchmark, escape_markdown),
        *(reversal.sentence for reversal in reversals(benchmark, escape_markdown)),
        *method_lines(benchmark, escape_markdown),
    ]


def method_lines(benchmark: Benchmark, written: Callable[[str], str]) -> list[str]:
    """How the figures came about: tests, data, split, tuning, ties, intervals, device, remarks."""
    record, events, summaries = benchmark.record, benchmark.events, benchmark.summaries
    split, counts = record.split, record.counts
    shares = f"test share {split['test_share']:g}, " if _cuts_by_share(split["name"]) else ""
    lines = [
        *_how_compared(benchmark),
        f"data set: {record.dataset}; split: {split['name']} ({shares}validation share "
        f"{split['valid_share']:g}); full ranking over the catalogue of "
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
        *_floors(benchmark),
        *tuning_lines(benchmark.tunings, written),
        *value_lines(benchmark, written),
        f"ties: {_TIE_RULES[record.ties]}; tied targets: "
        + (", ".join(f"{item.label} {_percent(item.tied_fraction)}" for item in summaries) or "-"),
        *_tie_rules(benchmark),
        "intervals in the table: 95 % each, uncorrected, studentised bootstrap over test sessions; "
        f"seeds: {', '.join(map(str, record.seeds))}"
        + ("; ± is the standard deviation over seeds" if len(record.seeds) > 1 else ""),
        *_seed_gaps(record.seeds, summaries),
        *still_improving_lines(benchmark, written),
        *others_load(summaries),
        f"device: {record.device}; "
        + ", ".join(f"{name} {version}" for name, version in record.versions.items()),
        *record.notes,
    ]
    if split["name"] == "leave-one-out":
        lines.append(
            "leave-one-out lets training see what others did after a test event: compare it only "
            "with published leave-one-out figures"
        )
    return lines


def _floors(benchmark: Benchmark) -> list[str]:
    """What no training, popularity and the last item alone reach, and who drew a simulated log."""
    names = [f"{name}@{headline_k(benchmark.record.ks)}" for name in COMPARED]
    texts = {
        floor: f"{floor} {' '.join(f'{metrics[name]:.4f}' for name in names)}"
        for floor, metrics in benchmark.floors.items()
    }
    ceiling = texts.pop(CEILING, None)
    if not texts:
        return []
    line = f"floors, {' and '.join(names)} on the same events: {', '.join(texts.values())}"
    return [line if ceiling is None else f"{line}; ceiling, by whoever drew the log: {ceiling}"]


def _tie_rules(benchmark: Benchmark) -> list[str]:
    """A line for each model whose scores depend on tie handling."""
    names = [f"{name}@{headline_k(benchmark.record.ks)}" for name in COMPARED]
    return [
        f"{summary.label}: scores depend on tie handling: "
        + ", ".join(
            f"{rule} {' '.join(f'{metrics[name]:.4f}' for name in names)}"
            for rule, metrics in summary.by_tie_rule.items()
        )
        + f" ({' and '.join(names)})"
        for summary in benchmark.summaries
        if summary.ties_matter
    ]


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


def others_load(summaries: Sequence[ModelSummary]) -> list[str]:
    """A line on the load of other processes during training, each model's worst seed."""
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
