"""Benchmarks with trial folders on disk, by the product's own writers; nothing is trained."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.figures.benchmark import Benchmark
from bench.figures.results import ModelSummary, summarise
from bench.stats.comparison import compare
from bench.store.catalogue import Catalogue
from bench.store.cost import Cost
from bench.store.curve import write_curve
from bench.store.events import TestEvents
from bench.store.ranks import Ranks
from bench.store.trial import TrialRecord, write_ranks, write_trial_record
from tests.reports.benchmarks import benchmark

N_ITEMS, N_SESSIONS, PER_SESSION = 50, 40, 4
PARAMETERS = {
    "seed": 1, "device": "cpu", "patience": 5, "dataset": "log.csv", "test": None, "reward": None,
    "split": "temporal", "test_share": 0.1, "valid_share": 0.1, "unseen_items": "drop",
    "min_session_length": 1, "min_item_support": 1,
}  # fmt: skip
TAGS = {"git_commit": "c0ffee", "machine_cpu": "Abacus 9", "machine_cores": "2"}
COST = Cost(
    train_seconds=1.0, seconds_to_best_epoch=1.0, epochs=1, best_epoch=1, train_events=100,
    events_per_second=100.0, ranking_seconds=0.5, milliseconds_per_scored_event=0.1,
    peak_memory_bytes=10**8, device="cpu", threads=1, others_load=1.5, cores=2,
)  # fmt: skip


def held_out() -> TestEvents:
    """Sessions of four events, half of them rewarded."""
    sessions = np.repeat(np.arange(N_SESSIONS), PER_SESSION)
    n = len(sessions)
    return TestEvents(
        sessions=sessions,
        positions=np.tile(np.arange(1, 1 + PER_SESSION), N_SESSIONS),
        targets=(np.arange(n) % N_ITEMS).astype(np.int32),
        rewards=(np.arange(n) % 2).astype(np.float32),
        repeats=np.zeros(n, dtype=np.bool_),
        immediate_repeats=np.zeros(n, dtype=np.bool_),
    )


def trial_record(label: str, seed: int = 1, **parameters: Any) -> TrialRecord:
    """The record of a finished trial of `label`, whose `parameters` are those of a plain run."""
    return TrialRecord(
        id=f"{label}-seed{seed}", model=label, seed=seed, status="finished", reason=None,
        started=0.0, ended=1.0, experiment="log temporal",
        parameters={"model": "popularity", **PARAMETERS, "seed": seed, **parameters},
        tags=TAGS, metrics={}, ks=[20],
    )  # fmt: skip


def write_trial(folder: Path, label: str, recalls: Sequence[float], seed: int, hits: float) -> None:
    """A whole trial that finds a share of `hits` of the targets; an epoch a validation recall."""
    folder.mkdir(parents=True)
    events = held_out()
    rng = np.random.default_rng(seed)
    found = rng.random(len(events)) < hits
    ranks = np.where(found, rng.integers(1, 21, len(events)), 40).astype(np.uint32)
    exposure = np.zeros(N_ITEMS, dtype=np.int64)
    exposure[: 20 + int(30 * hits)] = 1
    write_ranks(folder, Ranks(ranks, np.zeros_like(ranks), {20: exposure}))
    rows = [
        {
            "epoch": epoch, "train_seconds": 2.0 * epoch, "loss": 7 - recall, "Recall@20": recall,
            "MRR@20": recall / 4, "events_per_second": 100.0,
        }
        for epoch, recall in enumerate(recalls, start=1)
    ]  # fmt: skip
    write_curve(folder, rows)
    cost = dataclasses.replace(
        COST,
        train_seconds=2.0 * len(recalls),
        epochs=len(recalls),
        best_epoch=1 + int(np.argmax(recalls)),
    )
    (folder / "cost.json").write_text(cost.to_json())
    write_trial_record(folder, trial_record(label, seed))


def written_benchmark(
    folder: Path, models: Mapping[str, Sequence[float]], *, seeds: Sequence[int] = (1,)
) -> Benchmark:
    """`models` with their validation recalls after each epoch; the earlier ones hit more."""
    events = held_out()
    catalogue = Catalogue(np.array([f"item {i}" for i in range(N_ITEMS)]), np.arange(1, 51))
    summaries: list[ModelSummary] = []
    for i, (label, recalls) in enumerate(models.items()):
        folders = [folder / "trials" / f"{i}-seed{seed}" for seed in seeds]
        for seed, of_seed in zip(seeds, folders, strict=True):
            write_trial(of_seed, label, recalls, seed, hits=0.9 - 0.8 * i / len(models))
        summaries.append(summarise(folders, events, [20], "conservative", catalogue))
    summaries.sort(key=lambda summary: -summary.metrics["Recall@20"].value)
    values = {summary.label: summary.event_values for summary in summaries}
    return dataclasses.replace(
        benchmark(
            summaries, compare(values, events.sessions), seeds=list(seeds), log={"sessions": 30},
            options={"models": list(models), "seeds": list(seeds)},
        ),
        folder=folder, events=events, catalogue=catalogue,
    )  # fmt: skip
