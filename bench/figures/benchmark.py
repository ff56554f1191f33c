"""A benchmark read from its output folder: all that a report is a function of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from bench.figures.floors import floor_metrics, read_floors
from bench.figures.results import POSITIVE, ModelSummary, summarise
from bench.policy_value.logging_policy import read_logging_policy
from bench.policy_value.policy_values import Policies, read_policies
from bench.stats.comparison import Difference, ValuesByMetric, adjusted, compare
from bench.stats.headline import headline_k
from bench.store.benchmark_record import BenchmarkRecord, read_benchmark_record
from bench.store.catalogue import Catalogue, split_folder
from bench.store.events import TestEvents
from bench.store.trial import TRIALS, is_finished
from bench.store.tuning_records import Tuning, read_tunings
from datasets.errors import InputError


@dataclass(frozen=True, eq=False)
class Benchmark:
    """A benchmark read from its folder, with all figures computed from ranks."""

    folder: Path
    record: BenchmarkRecord
    events: TestEvents
    catalogue: Catalogue
    summaries: tuple[ModelSummary, ...]
    """Models with a finished trial, best headline first."""
    differences: tuple[Difference, ...]
    floors: Mapping[str, Mapping[str, float]]
    """Metrics of random, popularity and Markov, by their names."""
    tunings: tuple[Tuning, ...] = ()
    policies: Policies = field(default_factory=Policies)
    """Off-policy values, and true values in a simulated world."""

    @property
    def headline(self) -> str:
        """The metric by which models are ordered."""
        return f"Recall@{headline_k(self.record.ks)}"


def read_benchmarks(folders: Sequence[Path]) -> list[Benchmark]:
    """Read benchmarks and compute their figures, one a data set.

    Folders of the same data set make one benchmark; a label that two of them use for different
    trials is followed by the folder. Raises InputError if folders of one data set differ in split,
    cut-offs or tie rule, or a file is missing or damaged.
    """
    of_dataset: dict[str, list[tuple[Path, BenchmarkRecord]]] = {}
    for folder in folders:
        record = read_benchmark_record(folder)
        of_dataset.setdefault(record.dataset, []).append((folder, record))
    benchmarks = [gather(parts) for parts in of_dataset.values()]
    together = iter(adjusted([each for found in benchmarks for each in found.differences]))
    return [
        replace(found, differences=tuple(islice(together, len(found.differences))))
        for found in benchmarks
    ]


def gather(parts: Sequence[tuple[Path, BenchmarkRecord]]) -> Benchmark:
    """As `read_benchmarks`, from folders of one data set and their records."""
    folder, first = parts[0]
    _check_alike(parts)
    of_split = split_folder(folder, first.fingerprint)
    events, catalogue = TestEvents.load(of_split), Catalogue.load(of_split)
    trials: dict[str, list[Path]] = {}
    for part, record in parts:
        for label, ids in record.trials.items():
            found = [part / TRIALS / trial for trial in ids]
            known = trials.get(label, found)
            if [trial.name for trial in known] != list(ids):
                label = f"{label} ({part})"
            trials.setdefault(label, found)
    summaries = [
        replace(_summarise(of_model, events, catalogue, first), label=label)
        for label, of_model in trials.items()
    ]
    headline = f"Recall@{headline_k(first.ks)}"
    summaries.sort(key=lambda summary: -summary.metrics[headline].value)
    values = {summary.label: summary.event_values for summary in summaries}
    record = replace(
        first,
        seeds=_union(record.seeds for _, record in parts),
        notes=_union(record.notes for _, record in parts),
        trials={label: [trial.name for trial in of_model] for label, of_model in trials.items()},
        failures={name: why for _, record in parts for name, why in record.failures.items()},
    )
    differences = tuple(_differences(values, events))
    floors = floor_metrics(read_floors(of_split), events, catalogue.support, first.ks, first.ties)
    tunings = tuple(
        tuning
        for part, of_part in parts
        if of_part.tuned
        for tuning in read_tunings(part)
        if tuning.label in of_part.tuned
    )
    logger = read_logging_policy(of_split, len(events))
    folders_of = {summary.label: summary.folders for summary in summaries}
    return Benchmark(
        folder,
        record,
        events,
        catalogue,
        tuple(summaries),
        differences,
        floors,
        tunings,
        read_policies(folders_of, events, logger),
    )


def _differences(values: Mapping[str, ValuesByMetric], events: TestEvents) -> list[Difference]:
    """Of all events, and of those of positive reward if others exist."""
    found = compare(values, events.sessions)
    positive = np.asarray(events.rewards) > 0
    if positive.any() and not positive.all():
        of_positive = {
            label: {metric + POSITIVE: value[positive] for metric, value in of_model.items()}
            for label, of_model in values.items()
        }
        found += compare(of_positive, events.sessions[positive])
    return adjusted(found)


def _summarise(
    folders: Sequence[Path], events: TestEvents, catalogue: Catalogue, record: BenchmarkRecord
) -> ModelSummary:
    for folder in folders:
        if not is_finished(folder):
            raise InputError(
                f"{folder} is not a finished trial; run the benchmark's own command again"
            )
    return summarise(folders, events, record.ks, record.ties, catalogue)


def _check_alike(parts: Sequence[tuple[Path, BenchmarkRecord]]) -> None:
    folder, first = parts[0]
    for other, record in parts[1:]:
        for name, mine, its in (
            ("test events", first.fingerprint[:16], record.fingerprint[:16]),
            ("--k", first.ks, record.ks),
            ("--ties", first.ties, record.ties),
        ):
            if mine != its:
                raise InputError(
                    f"{other} and {folder} are of one data set, {first.dataset}, and differ in "
                    f"{name} ({its} and {mine}); report on them one by one"
                )


def _union(parts: Iterable[Sequence[Any]]) -> list[Any]:
    """All entries once, in their order."""
    return list(dict.fromkeys(entry for part in parts for entry in part))
