"""From ranks to figures: metrics of a trial, and of a model over its seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.stats.comparison import ValuesByMetric
from bench.stats.estimate import Estimate, SeedMean, seed_mean, spread_over_seeds
from bench.stats.exposure_metrics import exposure_figures
from bench.stats.metrics import COMPARED, METRICS, RECALL, TIE_RULES, apply_ties
from bench.stats.significance import bootstrap_interval
from bench.store.catalogue import Catalogue
from bench.store.cost import Cost
from bench.store.events import TestEvents
from bench.store.ranks import Ranks
from bench.store.trial import read_cost, read_ranks, read_trial_record
from datasets.errors import InputError
from datasets.session_log import IntArray

POSITIVE = " (positive)"
REWARD_WEIGHTED = " (reward-weighted)"
POPULARITY_NORMALISED = " (popularity-normalised)"
TIE_DIGITS = 4
"""Decimals at which tie rules are compared, as in the table."""


@dataclass(frozen=True)
class ModelSummary:
    """One model's row: means over its seeds."""

    label: str
    seeds: tuple[int, ...]
    metrics: dict[str, Estimate]
    """By table name: the metrics of `averages`, such as "Recall@20 (positive)"."""
    costs: tuple[Cost, ...]
    """One a seed."""
    tied_fraction: float
    """Fraction of test events whose target ties with another item."""
    event_values: dict[str, NDArray[np.float64]]
    """Mean over seeds of each test event's compared metrics, by table name, (n_events,)."""
    folders: tuple[Path, ...] = ()
    """The trials' folders, one a seed, in the order of `seeds`."""
    exposure: dict[str, SeedMean] = field(default_factory=dict)
    """"Coverage@20" and so on, for each K that all trials were run with."""
    by_tie_rule: dict[str, dict[str, float]] = field(default_factory=dict)
    """For each tie rule the compared metrics over all events, by table name."""

    @property
    def ties_matter(self) -> bool:
        """Whether the tie rules disagree about any compared metric, at the table's digits."""
        rules = self.by_tie_rule.values()
        shown = {tuple(f"{value:.{TIE_DIGITS}f}" for value in rule.values()) for rule in rules}
        return len(shown) > 1


def summarise(
    folders: Sequence[Path],
    events: TestEvents,
    ks: Sequence[int],
    ties: str,
    catalogue: Catalogue,
) -> ModelSummary:
    """Summary of the finished trials of one model, one folder a seed.

    Raises InputError if a folder's ranks are not of these test events, or its exposure not of this
    catalogue.
    """
    records = [read_trial_record(folder) for folder in folders]
    all_ranks = [read_ranks(folder) for folder in folders]
    for folder, ranks in zip(folders, all_ranks, strict=True):
        _check(folder, ranks, events, catalogue)
    values = [event_values(ranks, ks, ties) for ranks in all_ranks]
    compared = [f"{name}@{k}" for name in COMPARED for k in ks]
    return ModelSummary(
        label=records[0].model,
        seeds=tuple(record.seed for record in records),
        metrics=_estimates(values, events, catalogue.support),
        costs=tuple(read_cost(folder) for folder in folders),
        tied_fraction=float(np.mean([(ranks.ties > 0).mean() for ranks in all_ranks])),
        event_values={
            name: np.mean([of_trial[name] for of_trial in values], axis=0) for name in compared
        },
        folders=tuple(folders),
        exposure=_exposure(all_ranks, events, ks, catalogue),
        by_tie_rule=_by_tie_rule(all_ranks, ks),
    )


def trial_metrics(
    ranks: Ranks, events: TestEvents, ks: Sequence[int], support: IntArray
) -> dict[str, float]:
    """Metrics of one trial under conservative ties, each with the ends of its interval.

    `support` counts the training events of each item, (n_items,).
    """
    found: dict[str, float] = {}
    values = event_values(ranks, ks, "conservative")
    for name, estimate in _estimates([values], events, support).items():
        found |= {name: estimate.value, f"{name} low": estimate.low, f"{name} high": estimate.high}
    return found


def event_values(ranks: Ranks, ks: Sequence[int], ties: str) -> dict[str, NDArray[np.float64]]:
    """Every metric of every event, by table name, shape (n_events,)."""
    effective = apply_ties(ranks.ranks, ranks.ties, ties)
    return {f"{name}@{k}": metric(effective, k) for name, metric in METRICS.items() for k in ks}


@dataclass(frozen=True, eq=False)
class Average:
    """One way to average the metrics of events."""

    suffix: str
    """Of the names in tables, after the metric."""
    rows: NDArray[np.bool_]
    """Events that count, (n_events,)."""
    weights: NDArray[np.float64] | None
    """Positive weights of these events; None if equal."""
    names: tuple[str, ...]


def averages(events: TestEvents, names: Sequence[str], support: IntArray) -> Iterator[Average]:
    """How the metrics `names` of `events` are averaged, each way that has events.

    Over all events; over those of positive reward; and Recall weighted by reward, which is
    sum of reward * hit / sum of reward, without rewards of 0 or below. With the `support` of items
    in training, (n_items,), also Recall weighted by 1 / support of the target (Steck, RecSys 2011,
    with the exponent 1): frequent items count no more than rare ones. A target that only
    validation has counts as if it had one training event; an unseen one is excluded, as no model
    can hit it and it would have the largest weight.
    """
    recalls = tuple(name for name in names if name.startswith(f"{RECALL}@"))
    rewards = np.asarray(events.rewards, dtype=np.float64)
    positive = rewards > 0
    all_events = np.ones(len(events), dtype=np.bool_)
    yield Average("", all_events, None, tuple(names))
    known = np.asarray(events.targets) >= 0
    if known.any():
        times = np.maximum(support[events.targets[known]], 1)
        yield Average(POPULARITY_NORMALISED, known, 1 / times, recalls)
    if positive.any():
        yield Average(POSITIVE, positive, None, tuple(names))
        yield Average(REWARD_WEIGHTED, positive, rewards[positive], recalls)


def _estimates(
    trials: Sequence[ValuesByMetric], events: TestEvents, support: IntArray
) -> dict[str, Estimate]:
    """Mean over trials and events; the interval resamples sessions of the mean over trials."""
    found = {}
    for way in averages(events, list(trials[0]), support):
        by_trial = np.array([[trial[name][way.rows] for name in way.names] for trial in trials])
        per_event = by_trial.mean(axis=0).T
        sessions = events.sessions[way.rows]
        lows, highs = bootstrap_interval(per_event, sessions, weights=way.weights)
        seeds = np.average(by_trial, axis=2, weights=way.weights)
        for i, name in enumerate(way.names):
            found[name + way.suffix] = Estimate(
                value=float(np.average(per_event[:, i], weights=way.weights)),
                low=float(lows[i]),
                high=float(highs[i]),
                spread=spread_over_seeds(seeds[:, i]),
            )
    return found


def _by_tie_rule(all_ranks: Sequence[Ranks], ks: Sequence[int]) -> dict[str, dict[str, float]]:
    """Mean over events and trials of each compared metric, by tie rule and table name."""
    found = {}
    for rule in TIE_RULES:
        effective = [apply_ties(ranks.ranks, ranks.ties, rule) for ranks in all_ranks]
        found[rule] = {
            f"{name}@{k}": float(np.mean([METRICS[name](ranks, k).mean() for ranks in effective]))
            for name in COMPARED
            for k in ks
        }
    return found


def _exposure(
    all_ranks: Sequence[Ranks], events: TestEvents, ks: Sequence[int], catalogue: Catalogue
) -> dict[str, SeedMean]:
    """Figures of exposure that every trial has, mean over trials."""
    common = [k for k in ks if all(k in ranks.exposure for ranks in all_ranks)]
    trials = [
        exposure_figures({k: ranks.exposure[k] for k in common}, catalogue.support, events.targets)
        for ranks in all_ranks
    ]
    return {name: seed_mean([trial[name] for trial in trials]) for name in trials[0]}


def _check(folder: Path, ranks: Ranks, events: TestEvents, catalogue: Catalogue) -> None:
    """Raise InputError where a folder's files are not of these events and this catalogue."""
    fix = "remove the folder and run again"
    if len(ranks.ranks) != len(events):
        raise InputError(
            f"{folder} ranks {len(ranks.ranks)} events where the split has {len(events)}; {fix}"
        )
    for times in ranks.exposure.values():
        if len(times) != len(catalogue):
            raise InputError(
                f"{folder} counts the exposure of {len(times)} items where the catalogue has "
                f"{len(catalogue)}; {fix}"
            )
