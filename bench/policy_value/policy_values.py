"""Off-policy value of each model over its seeds, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.policy_value.logging_policy import LoggingPolicy
from bench.policy_value.off_policy_evaluation import OffPolicyValues, Rounds, evaluate
from bench.policy_value.overlap import Overlap
from bench.policy_value.true_values import over_seeds
from bench.stats.estimate import Estimate, SeedMean, mean_over_seeds, seed_mean
from bench.store.events import TestEvents
from bench.store.policy_columns import PolicyColumns, read_policy
from bench.store.trial import read_trial_record
from datasets.session_log import IntArray

NO_POLICY = "no stochastic policy, so that weights cannot tell its value"
NOT_STORED = "its trial stored no log-probabilities; run again with --fresh"
NO_PROPENSITIES = "its split stored no propensities; run the benchmark's own command again"


@dataclass(frozen=True)
class ClippedMean:
    """Clipped IPS at one cap, over seeds."""

    cap: float
    value: SeedMean
    clipped_share: float
    """Fraction of the weights above the cap, of the seed with the smallest effective sample."""


@dataclass(frozen=True, eq=False)
class PolicyValue:
    """The off-policy value of one model."""

    estimates: Mapping[str, Estimate]
    """By name of estimator, those that every seed has; see `mean_over_seeds`."""
    refusal: str | None
    """Why there is no value; None if there is one."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """Why an estimator is not among the estimates, by name, where others are."""
    seeds: tuple[OffPolicyValues, ...] = ()
    """One a seed that was evaluated."""

    @property
    def overlap(self) -> Overlap | None:
        """That of the seed with the smallest effective sample; None where none was evaluated."""
        return _worst([values.overlap for values in self.seeds])

    @property
    def session_overlap(self) -> Overlap | None:
        """The same for the weights of sessions, which per-decision estimates use."""
        found = [values.session_overlap for values in self.seeds]
        return _worst([overlap for overlap in found if overlap is not None])

    @property
    def clip_sweep(self) -> tuple[ClippedMean, ...]:
        """Clipped IPS by cap; empty where the log gives no clipped IPS of every seed."""
        if "clipped_ips" not in self.estimates:
            return ()
        worst = min(self.seeds, key=lambda each: each.overlap.effective_sample_size)
        by_cap = zip(*(values.clip_sweep for values in self.seeds), strict=True)
        return tuple(
            ClippedMean(its.cap, seed_mean([point.value for point in points]), its.clipped_share)
            for its, points in zip(worst.clip_sweep, by_cap, strict=True)
        )


@dataclass(frozen=True, eq=False)
class Policies:
    """The models of a benchmark as policies."""

    logging_policy: LoggingPolicy | None = None
    """None in folders of versions that did not store it."""
    values: Mapping[str, PolicyValue] = field(default_factory=dict)
    """By label of the model."""
    true_values: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)
    """By label and column of tables; empty unless the log is simulated."""


def read_policies(
    folders_of: Mapping[str, Sequence[Path]], events: TestEvents, logger: LoggingPolicy | None
) -> Policies:
    """The models with trials in the folders of each label; raises InputError as `policy_value`."""
    true_values = {label: over_seeds(folders) for label, folders in folders_of.items()}
    return Policies(
        logger,
        {label: policy_value(folders, events, logger) for label, folders in folders_of.items()},
        {label: found for label, found in true_values.items() if found},
    )


def policy_value(
    folders: Sequence[Path], events: TestEvents, logger: LoggingPolicy | None
) -> PolicyValue:
    """Value of a model from the folders of its trials, one a seed.

    Each seed is evaluated as a separate policy: weights averaged over seeds are of no policy, and
    vary less than those of any. If one seed is refused, the model has no value. Raises InputError
    if a trial's file is damaged or of other events.
    """
    if logger is None:
        return PolicyValue({}, NO_PROPENSITIES)
    evaluated: list[OffPolicyValues] = []
    for folder in folders:
        columns = read_policy(folder, len(events))
        if columns is None:
            stochastic = read_trial_record(folder).stochastic
            return PolicyValue({}, NO_POLICY if stochastic is False else NOT_STORED)
        evaluated.append(_evaluated(columns, events, logger))
    for folder, values in zip(folders, evaluated, strict=True):
        if values.refusal is not None:
            which = f"seed {read_trial_record(folder).seed}: " if len(folders) > 1 else ""
            return PolicyValue({}, which + values.refusal, seeds=tuple(evaluated))
    names = [name for name in evaluated[0].estimates if all(name in v.estimates for v in evaluated)]
    return PolicyValue(
        estimates={name: mean_over_seeds([v.estimates[name] for v in evaluated]) for name in names},
        refusal=None,
        missing={
            name: why
            for values in evaluated
            for name, why in values.missing.items()
            if name not in names
        },
        seeds=tuple(evaluated),
    )


def log_weights(columns: PolicyColumns, logger: LoggingPolicy) -> NDArray[np.float64]:
    """log pi/beta of each logged item, -inf where the policy never shows it, (n_events,)."""
    return np.asarray(columns.log_policy - logger.log_propensities)


def _evaluated(
    columns: PolicyColumns, events: TestEvents, logger: LoggingPolicy
) -> OffPolicyValues:
    return evaluate(
        Rounds(
            log_policy=columns.log_policy,
            log_propensities=logger.log_propensities,
            rewards=np.asarray(events.rewards, dtype=np.float64),
            sessions=events.sessions,
            positions=_places(events),
            logged_reward_model=logger.logged_reward_model,
            policy_reward_model=columns.reward_model,
        )
    )


def _places(events: TestEvents) -> IntArray:
    """A number for each event that increases along its session, (n_events,).

    A missed event precedes the known event of the same position.
    """
    known = np.asarray(events.targets) >= 0
    order = np.lexsort((np.arange(len(events)), known, events.positions, events.sessions))
    places = np.empty(len(events), dtype=np.int64)
    places[order] = np.arange(len(events))
    return places


def _worst(overlaps: Sequence[Overlap]) -> Overlap | None:
    return min(overlaps, key=lambda each: each.effective_sample_size, default=None)
