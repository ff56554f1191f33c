"""From ranks to figures: metrics of a trial, and of a model over its seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.cost import Cost
from bench.events import TestEvents
from bench.metrics import METRICS, apply_ties
from bench.ranking import Ranks
from bench.significance import bootstrap_interval
from bench.trial import read_cost, read_ranks, read_record
from datasets.errors import InputError

POSITIVE = " (positive)"


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval over test sessions, and its spread over seeds."""

    value: float
    low: float
    high: float
    spread: float | None
    """Standard deviation over seeds; None for a single seed."""


@dataclass(frozen=True)
class ModelSummary:
    """One model's row: means over its seeds."""

    label: str
    seeds: tuple[int, ...]
    metrics: dict[str, Estimate]
    """By table name, "Recall@20" and "Recall@20 (positive)"; the latter is absent without any."""
    costs: tuple[Cost, ...]
    """One a seed."""
    tied_share: float
    """Share of test events whose target ties with another item."""
    event_values: dict[str, NDArray[np.float64]]
    """Mean over seeds of each test event's metrics, by table name, (n_events,)."""
    folders: tuple[Path, ...] = ()
    """The trials' folders, one a seed, in the order of `seeds`."""


def summarise(
    folders: Sequence[Path], events: TestEvents, ks: Sequence[int], ties: str
) -> ModelSummary:
    """Summary of the finished trials of one model, one folder a seed.

    Raises InputError if a folder's ranks are not of these test events.
    """
    records = [read_record(folder) for folder in folders]
    all_ranks = [read_ranks(folder) for folder in folders]
    for folder, ranks in zip(folders, all_ranks, strict=True):
        if len(ranks.ranks) != len(events):
            raise InputError(
                f"{folder} ranks {len(ranks.ranks)} events where the split has {len(events)}; "
                "remove the folder and run again"
            )
    values = [event_values(ranks, ks, ties) for ranks in all_ranks]
    return ModelSummary(
        label=records[0].model,
        seeds=tuple(record.seed for record in records),
        metrics=_estimates(values, events),
        costs=tuple(read_cost(folder) for folder in folders),
        tied_share=float(np.mean([(ranks.ties > 0).mean() for ranks in all_ranks])),
        event_values={
            name: np.mean([of_trial[name] for of_trial in values], axis=0) for name in values[0]
        },
        folders=tuple(folders),
    )


def trial_metrics(ranks: Ranks, events: TestEvents, ks: Sequence[int]) -> dict[str, float]:
    """Metrics of one trial under conservative ties, each with the ends of its interval."""
    found: dict[str, float] = {}
    for name, estimate in _estimates([event_values(ranks, ks, "conservative")], events).items():
        found |= {
            name: estimate.value,
            f"{name} low": estimate.low,
            f"{name} high": estimate.high,
        }
    return found


def event_values(ranks: Ranks, ks: Sequence[int], ties: str) -> dict[str, NDArray[np.float64]]:
    """Every metric of every event, by table name, shape (n_events,)."""
    effective = apply_ties(ranks.ranks, ranks.ties, ties)
    return {f"{name}@{k}": metric(effective, k) for name, metric in METRICS.items() for k in ks}


def _estimates(
    trials: Sequence[dict[str, NDArray[np.float64]]], events: TestEvents
) -> dict[str, Estimate]:
    """Mean over trials and events; the interval resamples sessions of the mean over trials."""
    found = {}
    positive = np.asarray(events.rewards) > 0
    for suffix, rows in (("", np.ones(len(events), dtype=np.bool_)), (POSITIVE, positive)):
        if not rows.any():
            continue
        names = list(trials[0])
        by_trial = np.array([[trial[name][rows] for name in names] for trial in trials])
        per_event = by_trial.mean(axis=0).T
        lows, highs = bootstrap_interval(per_event, events.sessions[rows])
        seeds = by_trial.mean(axis=2)
        for i, name in enumerate(names):
            found[name + suffix] = Estimate(
                value=float(per_event[:, i].mean()),
                low=float(lows[i]),
                high=float(highs[i]),
                spread=float(seeds[:, i].std(ddof=1)) if len(trials) > 1 else None,
            )
    return found
