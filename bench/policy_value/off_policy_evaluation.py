"""Off-policy evaluation: the value of a policy from the log of another, or why there is none."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bench.policy_value import value_estimators as estimators
from bench.policy_value.overlap import Overlap, log_set_probability, measure_overlap, refusal
from bench.policy_value.per_decision import (
    SelfNormalisedPerDecision,
    SessionWeights,
    session_weights,
)
from bench.policy_value.value_estimators import Ratios
from bench.policy_value.value_intervals import (
    RatioSum,
    SessionStatistic,
    resampling_units,
    studentised_intervals,
)
from bench.stats.estimate import Estimate
from bench.stats.significance import Values
from datasets.session_log import IntArray

CAP = math.exp(3)
"""The paper's cap on a weight."""

SWEPT_CAPS = (1.0, math.e, math.exp(2), math.exp(3), math.exp(4), math.exp(5), math.inf)

ROUNDING = 1e-5
"""The log of a probability of 1 may exceed 0 by this in 32 bits."""

ESTIMATORS = (
    "ips", "clipped_ips", "snips", "dm", "dr", "sndr", "switch_dr", "pdis", "snpdis",
)  # fmt: skip
"""Names of all estimators, in the order of tables."""

PER_SESSION = ("pdis", "snpdis")
"""Estimators of the value of a session; the others estimate that of a round."""

Unit = Literal["round", "session"]
"""Mean reward of a round at the logger's states, or summed reward of a session at the policy's."""


@dataclass(frozen=True, eq=False)
class Rounds:
    """Logged actions as columns, each of shape (n_rounds,), in any order.

    Raises ValueError for a column of another length, without rounds, for a NaN or a value outside
    its range.
    """

    log_policy: Values
    """log pi of the logged action, at most 0; minus infinity if the policy never takes it."""
    log_propensities: Values
    """log beta of the logged action, finite and at most 0."""
    rewards: Values
    sessions: NDArray[np.generic]
    """Session of the round, an integer or text."""
    positions: NDArray[np.generic]
    """Order within the session."""
    logged_reward_model: Values | None = None
    """q(s, a) of the logged action, by a reward model learned from other rounds."""
    policy_reward_model: Values | None = None
    """sum_a pi(a|s) q(s, a); for sets of K, sum_a alpha_K(a|s) q(s, a)."""
    expected_set_sizes: Values | None = None
    """sum_a alpha_K(a|s), the expected number of items in a sampled set; for sets alone."""

    def __post_init__(self) -> None:
        n_rounds = len(self.rewards)
        if n_rounds == 0:
            raise ValueError("no rounds, so no value")
        for column in fields(self):
            values = getattr(self, column.name)
            if values is None:
                continue
            if np.shape(values) != (n_rounds,):
                raise ValueError(
                    f"{column.name} has shape {np.shape(values)}, rewards ({n_rounds},)"
                )
            if column.name in ("sessions", "positions"):
                continue
            values = np.asarray(values, dtype=np.float64)
            if column.name.startswith("log_"):
                _refuse(values > ROUNDING, column.name, values, "is the log of no probability")
                values = np.minimum(values, 0)
            finite = np.isfinite(values)
            if column.name == "log_policy":
                finite |= values == -np.inf
            _refuse(~finite, column.name, values, "is no finite number")
            object.__setattr__(self, column.name, values)


@dataclass(frozen=True)
class ClippedValue:
    """One point of a clip sweep."""

    cap: float
    value: float
    clipped_share: float
    """Fraction of the weights above the cap."""


@dataclass(frozen=True)
class OffPolicyValues:
    """Estimates of a policy's value, or why there are none."""

    estimates: Mapping[str, Estimate]
    """By name of `ESTIMATORS`."""
    overlap: Overlap
    session_overlap: Overlap | None
    """Of the sessions' weights, for per-decision estimates; None for sets."""
    refusal: str | None
    """Why no value is given; None if there are values."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """Why an estimator has no estimate though others have, by name."""
    clip_sweep: tuple[ClippedValue, ...] = ()
    """Clipped IPS by cap; empty without an estimate of it."""


def unit_of(estimator: str) -> Unit:
    """What an estimator of `ESTIMATORS` gives the value of."""
    return "session" if estimator in PER_SESSION else "round"


def evaluate(
    rounds: Rounds,
    *,
    cap: float = CAP,
    set_size: int = 1,
    discount: float = 1.0,
    resamples: int = 2000,
) -> OffPolicyValues:
    """Every estimate of the policy's value that the rounds allow.

    `cap` clips the weights of clipped IPS and is the threshold of switch-DR; infinity is none. With
    a `set_size` K above 1 the policy shows the set of K draws, and weights are alpha_K/beta (Chen
    et al. 2019, section 4.3): right if a user takes at most one item of a set and an item's reward
    does not depend on the others. `discount` counts per decision. Intervals are by a bootstrap
    over sessions. Raises ValueError for an option outside its range.
    """
    if not cap > 0:
        raise ValueError(f"cap must be above 0 (inf for none), not {cap}")
    if set_size < 1:
        raise ValueError(f"set_size must be at least 1, not {set_size}")
    if not 0 <= discount <= 1:
        raise ValueError(f"discount must be from 0 to 1, not {discount}")
    sessions = np.unique(rounds.sessions, return_inverse=True)[1].astype(np.int64)
    log_weights = log_set_probability(rounds.log_policy, set_size) - rounds.log_propensities
    expected = np.ones(len(sessions)) if set_size == 1 else rounds.expected_set_sizes
    overlap = measure_overlap(log_weights, sessions, cap)
    by_session = session_overlap = None
    if set_size == 1:
        by_session = session_weights(log_weights, sessions, np.asarray(rounds.positions))
        session_overlap = measure_overlap(
            by_session.final_log_weights, np.arange(by_session.n_sessions), cap
        )
    reason = refusal(overlap, None if expected is None else float(expected.mean()))
    if reason is not None:
        return OffPolicyValues({}, overlap, session_overlap, reason)
    weights = np.exp(log_weights)
    if not (weights * rounds.rewards).any():
        reason = "no action that the policy would take has a reward in the log"
        return OffPolicyValues({}, overlap, session_overlap, reason)
    units = resampling_units(sessions, overlap.sessions)
    ratios, missing = _by_round(rounds, weights, expected, cap)
    statistics: dict[str, SessionStatistic] = {
        name: RatioSum.of(terms, units) for name, terms in ratios.items()
    }
    if by_session is None or session_overlap is None:
        missing |= dict.fromkeys(PER_SESSION, "weights of single items say nothing of sets in turn")
    elif reason := refusal(session_overlap, 1.0, "sessions"):
        missing |= dict.fromkeys(PER_SESSION, reason)
    else:
        statistics |= _by_session(rounds, by_session, units[by_session.order], discount)
    intervals = studentised_intervals(statistics, int(units.max()) + 1, resamples)
    estimates = {}
    for name in ESTIMATORS:
        if name in intervals and np.isfinite(intervals[name]).all():
            estimates[name] = Estimate(statistics[name].value, *intervals[name])
        elif name in intervals:
            missing[name] = "too few rounds have weight and reward for an interval"
    return OffPolicyValues(
        estimates=estimates,
        overlap=overlap,
        session_overlap=session_overlap,
        refusal=None,
        missing=missing,
        clip_sweep=clip_sweep(weights, rounds.rewards) if "clipped_ips" in estimates else (),
    )


def clip_sweep(weights: Values, rewards: Values) -> tuple[ClippedValue, ...]:
    """Clipped IPS and the fraction of clipped weights at each of `SWEPT_CAPS`."""
    return tuple(
        ClippedValue(
            cap,
            value=estimators.clipped_ips(weights, rewards, cap)[0].value,
            clipped_share=float((weights > cap).mean()),
        )
        for cap in SWEPT_CAPS
    )


def _by_round(
    rounds: Rounds, weights: Values, expected: Values | None, cap: float
) -> tuple[dict[str, Ratios], dict[str, str]]:
    """Estimators over rounds by name, and why the others are missing."""
    rewards, guesses = rounds.rewards, rounds.policy_reward_model
    found = {
        "ips": estimators.ips(weights, rewards),
        "clipped_ips": estimators.clipped_ips(weights, rewards, cap),
    }
    missing: dict[str, str] = {}
    if expected is not None:
        found["snips"] = estimators.snips(weights, rewards, expected)
    else:
        missing |= dict.fromkeys(("snips", "sndr"), "the expected size of the sets is not known")
    if guesses is not None:
        found["dm"] = estimators.direct_method(guesses)
    if guesses is not None and rounds.logged_reward_model is not None:
        residuals = rewards - rounds.logged_reward_model
        found["dr"] = estimators.doubly_robust(weights, residuals, guesses)
        found["switch_dr"] = estimators.switch_doubly_robust(weights, residuals, guesses, cap)
        if expected is not None:
            found["sndr"] = estimators.self_normalised_doubly_robust(
                weights, residuals, guesses, expected
            )
    for name in ("dm", "dr", "sndr", "switch_dr"):
        if name not in found:
            missing.setdefault(name, "there is no reward model")
    return found, missing


def _by_session(
    rounds: Rounds, by_session: SessionWeights, units: IntArray, discount: float
) -> dict[str, SessionStatistic]:
    """Estimators over sessions by name."""
    rewards = rounds.rewards[by_session.order]
    discounted = np.power(discount, by_session.steps) * np.exp(by_session.log_products)
    return {
        "pdis": RatioSum.of(
            estimators.per_decision(discounted, rewards, by_session.is_first), units
        ),
        "snpdis": SelfNormalisedPerDecision.of(by_session, units, rewards, discount),
    }


def _refuse(bad: NDArray[np.bool_], name: str, values: Values, fault: str) -> None:
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ValueError(f"{name} of round {row} is {values[row]}, which {fault}")
