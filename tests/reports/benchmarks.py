"""A benchmark in memory, as `bench.figures.benchmark` would read it from a folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.figures.benchmark import Benchmark
from bench.figures.results import ModelSummary
from bench.stats.comparison import Difference
from bench.store.benchmark_record import BenchmarkRecord
from bench.store.catalogue import Catalogue
from bench.store.cost import Cost
from bench.store.events import TestEvents

COUNTS = {
    "train_sessions": 30, "train_events": 90, "valid_sessions": 3, "valid_events": 6,
    "test_sessions": 40, "test_events": 120, "unseen_events_dropped": 0, "unseen_targets": 0,
    "missed_events": 0, "straddling_events_dropped": 0, "sessions_too_short": 0,
    "filtered_events": 0, "catalogue": 3,
}  # fmt: skip


def trained(label: str, *loads: float | None) -> ModelSummary:
    """A model with one seed a load, on four cores."""
    costs = tuple(
        Cost(
            train_seconds=10.0,
            seconds_to_best_epoch=10.0,
            epochs=1,
            best_epoch=1,
            train_events=1000,
            events_per_second=100.0,
            ranking_seconds=1.0,
            milliseconds_per_scored_event=1.0,
            peak_memory_bytes=10**8,
            device="cpu",
            threads=2,
            others_load=load,
            cores=None if load is None else 4,
        )
        for load in loads
    )
    return ModelSummary(
        label=label,
        seeds=tuple(range(1, 1 + len(loads))),
        metrics={},
        costs=costs,
        tied_fraction=0.0,
        event_values={},
        folders=(),
    )


def benchmark(
    summaries: Sequence[ModelSummary] = (),
    differences: Sequence[Difference] = (),
    **changes: Any,
) -> Benchmark:
    """A benchmark of 40 test sessions of three events; `changes` are of its record."""
    sessions = np.repeat(np.arange(40), 3)
    events = TestEvents(
        sessions=sessions,
        positions=np.tile(np.arange(1, 4), 40),
        targets=np.zeros(len(sessions), dtype=np.int32),
        rewards=np.ones(len(sessions), dtype=np.float32),
        repeats=np.zeros(len(sessions), dtype=np.bool_),
        immediate_repeats=np.zeros(len(sessions), dtype=np.bool_),
    )
    record = BenchmarkRecord(
        id="0123", dataset="log", experiment="log temporal",
        split={"name": "temporal", "test_share": 0.1, "valid_share": 0.1},
        fingerprint="f" * 64, counts=COUNTS, log={}, ks=[20], ties="conservative", seeds=[1],
        device="cpu", versions={"python": "3.11.7"}, notes=[], options={}, parameters={},
        trials={summary.label: [] for summary in summaries}, failures={},
    )  # fmt: skip
    return Benchmark(
        folder=Path("results"),
        record=dataclasses.replace(record, **changes),
        events=events,
        catalogue=Catalogue(np.array(["a", "b", "c"]), np.array([30, 30, 30])),
        summaries=tuple(summaries),
        differences=tuple(differences),
        floors={},
    )
