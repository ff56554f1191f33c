"""The record of a benchmark in its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.store.files import read_versioned, write_whole

BENCHMARK_FORMAT = 1
BENCHMARK_RECORD = "benchmark.json"


@dataclass(frozen=True)
class BenchmarkRecord:
    """What `benchmark.json` holds: the plan that ran last, and the trials in its table."""

    id: str
    """Derived from the trials of its plan."""
    dataset: str
    experiment: str
    """Name of the MLflow experiment: one a data set and split."""
    split: Mapping[str, Any]
    fingerprint: str
    """Of the split: equal fingerprints mean equal test events in equal order."""
    counts: Mapping[str, int]
    """Sessions and events of every part, and of what was dropped."""
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
    parameters: Mapping[str, Any]
    """Those of the benchmark's run in MLflow."""
    trials: Mapping[str, Sequence[str]]
    """Names of the finished trials of each model, by its label, in the plan's order."""
    failures: Mapping[str, str]
    """Reason of each failed trial, and of each model whose tuning failed, by its name."""
    tuned: Sequence[str] = ()
    format_version: int = BENCHMARK_FORMAT


def write_benchmark_record(folder: Path, record: BenchmarkRecord) -> None:
    """Write `benchmark.json` atomically; raises InputError if it cannot be written."""
    write_whole(folder / BENCHMARK_RECORD, json.dumps(asdict(record), indent=1, default=str) + "\n")


def read_benchmark_record(folder: Path) -> BenchmarkRecord:
    """Read `benchmark.json`; raises InputError if missing, damaged or of another version."""
    fix = "run the benchmark's own command again"
    return read_versioned(
        folder / BENCHMARK_RECORD,
        BENCHMARK_FORMAT,
        lambda content: BenchmarkRecord(**content),
        absent="give the --output folder of a benchmark",
        other_version=fix,
        damaged=fix,
    )
