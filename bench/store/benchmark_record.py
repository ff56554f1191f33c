"""What a benchmark's folder says of it: the plan that ran, and which trials its table shows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.running.execution import Outcome, data_parameters
from bench.running.preparation import Prepared
from bench.store.files import read_versioned, write_whole
from bench.store.trial import json_numbers
from datasets.session_log import SessionLog

FORMAT_VERSION = 1
RECORD = "benchmark.json"


@dataclass(frozen=True)
class BenchmarkRecord:
    """What `benchmark.json` holds: the plan that ran last, and which trials its table shows."""

    id: str
    """Names the benchmark by the trials of its plan."""
    dataset: str
    experiment: str
    """Name of the MLflow experiment: one a data set and split."""
    split: Mapping[str, Any]
    """Options of the split."""
    fingerprint: str
    """Of the split: equal fingerprints mean equal test events in equal order."""
    counts: Mapping[str, int]
    """Sessions and events of every part, and of everything dropped."""
    log: Mapping[str, float]
    """Statistics of what models train on."""
    ks: Sequence[int]
    """Cut-offs of the metrics, ascending."""
    ties: str
    seeds: Sequence[int]
    device: str
    versions: Mapping[str, str]
    notes: Sequence[str]
    """What the reader of the table must know about models and data."""
    options: Mapping[str, Any]
    """Options of the command, by their names."""
    parameters: Mapping[str, Any]
    """Those of the benchmark's run in MLflow."""
    trials: Mapping[str, Sequence[str]]
    """Names of the finished trials of each model, by its label, in the plan's order."""
    failures: Mapping[str, str]
    """Reason of each failed trial, and of each model whose tuning failed, by its name."""
    tuned: Sequence[str] = ()
    """Labels of the models whose options were looked for."""
    format_version: int = FORMAT_VERSION


def benchmark_parameters(prepared: Prepared) -> dict[str, Any]:
    """Parameters of a benchmark's run in MLflow: those that all its trials share."""
    plan = prepared.plan
    return {"models": list(plan.models), "seeds": list(plan.seeds), **data_parameters(prepared)}


def record_benchmark(prepared: Prepared, outcome: Outcome) -> BenchmarkRecord:
    """The record of a plan that has run."""
    plan = prepared.plan
    trials: dict[str, list[str]] = {}
    for trial in outcome.trials:
        if trial.reason is None:
            trials.setdefault(trial.spec.label, []).append(trial.spec.id)
    options = {name: value for name, value in asdict(plan).items() if value is not None}
    if plan.tune is not None:
        options["tune"] = plan.tune.text
    untuned = {each.label: each.failure for each in prepared.tunings if each.failure}
    options["model_options"] = {
        label: json_numbers(of_model) for label, of_model in plan.model_options.items()
    }
    return BenchmarkRecord(
        id=prepared.id,
        dataset=prepared.dataset.name,
        experiment=prepared.experiment,
        split=asdict(prepared.options),
        fingerprint=prepared.split.fingerprint,
        counts=prepared.split.counts,
        log=_statistics(prepared.split.train),
        ks=plan.ks,
        ties=plan.ties,
        seeds=list(dict.fromkeys(trial.spec.seed for trial in outcome.trials)),
        device=prepared.device,
        versions=prepared.versions,
        notes=[*prepared.notes, *_seed_note(prepared, outcome)],
        options=options,
        parameters=benchmark_parameters(prepared),
        trials=trials,
        failures=untuned | outcome.failures,
        tuned=[tuning.label for tuning in prepared.tunings],
    )


def write_benchmark(folder: Path, record: BenchmarkRecord) -> None:
    """Write `benchmark.json` into `folder`, whole or not at all.

    Raises InputError where it cannot be written, as on a full disk.
    """
    write_whole(folder / RECORD, json.dumps(asdict(record), indent=1, default=str) + "\n")


def read_record(folder: Path) -> BenchmarkRecord:
    """Read `benchmark.json`; raises InputError where it is missing, damaged or of another kind."""
    fix = "run the benchmark's own command again"
    return read_versioned(
        folder / RECORD,
        FORMAT_VERSION,
        lambda content: BenchmarkRecord(**content),
        absent="give the --output folder of a benchmark",
        other_version=fix,
        damaged=fix,
    )


def _seed_note(prepared: Prepared, outcome: Outcome) -> list[str]:
    if not prepared.plan.auto_seeds or outcome.interrupted:
        return []
    why = (
        "until an interval that is valid after every seed had decided, or the sessions left more "
        "open than the seeds"
        if outcome.seeds_decided
        else "as many as there may be, and undecided"
    )
    return [f"--seeds auto: {why}"]


def _statistics(train: SessionLog) -> dict[str, float]:
    support = np.sort(train.item_counts())[::-1]
    tenth = max(1, len(support) // 10)
    return {
        "sessions": train.n_sessions,
        "events": train.n_events,
        "items": train.n_items,
        "median session length": float(np.median(train.lengths)),
        "longest session": int(train.lengths.max()),
        "median support of an item": float(np.median(support)),
        "share of events in the most popular tenth of items": float(
            support[:tenth].sum() / max(support.sum(), 1)
        ),
        "share of events with a positive reward": float((train.rewards > 0).mean()),
    }
