"""The record of a plan that has run, for its output folder and MLflow."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from bench.running.execution import Outcome, data_parameters
from bench.running.preparation import Prepared
from bench.store.benchmark_record import BenchmarkRecord
from bench.store.trial import json_numbers
from datasets.session_log import SessionLog


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
