"""Values of policies from stored columns: seeds, reasons for none, and events that are missed."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from bench.policy_value.logging_policy import LoggingPolicy
from bench.policy_value.off_policy_evaluation import SWEPT_CAPS, Rounds, evaluate
from bench.policy_value.policy_values import (
    NO_POLICY,
    NO_PROPENSITIES,
    NOT_STORED,
    PolicyValue,
    policy_value,
    read_policies,
)
from bench.policy_value.true_values import WorldValues, true_value_name, write_true_values
from bench.stats.estimate import Estimate
from bench.store.events import TestEvents
from bench.store.policy_columns import PolicyColumns, write_policy
from bench.store.trial import TrialRecord, write_trial_record

N_SESSIONS, LENGTH, N_ITEMS = 150, 4, 5
N_EVENTS = N_SESSIONS * LENGTH
BETA = np.array([0.4, 0.3, 0.15, 0.1, 0.05])
WORTH = np.array([0.1, 0.3, 0.5, 0.7, 0.9])


def logged(seed: int = 0) -> tuple[TestEvents, LoggingPolicy]:
    """Rounds of a bandit with five items, which have a click probability each."""
    rng = np.random.default_rng(seed)
    items = rng.choice(N_ITEMS, size=N_EVENTS, p=BETA)
    never = np.zeros(N_EVENTS, dtype=np.bool_)
    events = TestEvents(
        sessions=np.repeat(np.arange(N_SESSIONS), LENGTH),
        positions=np.tile(np.arange(1, 1 + LENGTH), N_SESSIONS),
        targets=items.astype(np.int32),
        rewards=(rng.random(N_EVENTS) < WORTH[items]).astype(np.float32),
        repeats=never,
        immediate_repeats=never,
    )
    return events, LoggingPolicy("logged", np.log(BETA[items]), WORTH[items])


def trial(
    folder: Path, seed: int, pi: np.ndarray | None, events: TestEvents, stochastic: bool | None
) -> Path:
    """A trial's folder with the policy `pi` over items, if any."""
    of_seed = folder / f"seed{seed}"
    of_seed.mkdir()
    if pi is not None:
        known = events.targets >= 0
        with np.errstate(divide="ignore"):
            log_pi = np.where(known, np.log(pi[events.targets]), -np.inf)
        write_policy(of_seed, PolicyColumns(log_pi, np.full(len(events), pi @ WORTH)))
    record = TrialRecord(
        id=f"seed{seed}", model="m", seed=seed, status="finished", reason=None, started=0.0,
        ended=1.0, experiment="e", parameters={}, tags={}, metrics={}, stochastic=stochastic,
    )  # fmt: skip
    write_trial_record(of_seed, record)
    return of_seed


def test_seeds_are_evaluated_one_by_one_and_averaged(tmp_path: Path) -> None:
    events, logger = logged()
    policies = [np.full(N_ITEMS, 0.2), np.array([0.1, 0.1, 0.1, 0.3, 0.4])]
    folders = [trial(tmp_path, seed, pi, events, True) for seed, pi in enumerate(policies, 1)]
    found = policy_value(folders, events, logger)
    alone = [policy_value([folder], events, logger) for folder in folders]
    assert found.refusal is None
    assert set(found.estimates) == set(alone[0].estimates) == set(alone[1].estimates)
    for name, estimate in found.estimates.items():
        parts = [each.estimates[name] for each in alone]
        for end in ("value", "low", "high"):
            assert getattr(estimate, end) == np.mean([getattr(part, end) for part in parts])
        values = [part.value for part in parts]
        assert estimate.spread == pytest.approx(np.std(values, ddof=1))
        assert parts[0].spread is None
    truth = np.mean([pi @ WORTH for pi in policies])
    snips = found.estimates["snips"]
    assert snips.low < truth < snips.high
    assert found.overlap is not None and alone[1].overlap is not None
    assert found.overlap == alone[1].overlap, "the seed of the smaller effective sample"


def test_the_clip_sweep_is_averaged_over_seeds(tmp_path: Path) -> None:
    events, logger = logged()
    policies = [np.full(N_ITEMS, 0.2), np.array([0.1, 0.1, 0.1, 0.3, 0.4])]
    folders = [trial(tmp_path, seed, pi, events, True) for seed, pi in enumerate(policies, 1)]
    found = policy_value(folders, events, logger).clip_sweep
    weights = [pi[events.targets] / BETA[events.targets] for pi in policies]
    assert [point.cap for point in found] == list(SWEPT_CAPS)
    for point in found:
        values = [(np.minimum(w, point.cap) * events.rewards).mean() for w in weights]
        assert point.value.value == pytest.approx(np.mean(values))
        assert point.value.spread == pytest.approx(np.std(values, ddof=1))
        assert point.clipped_share == (weights[1] > point.cap).mean()


def test_figures_are_those_of_the_estimators(tmp_path: Path) -> None:
    events, logger = logged()
    pi = np.array([0.1, 0.2, 0.2, 0.2, 0.3])
    found = policy_value([trial(tmp_path, 1, pi, events, True)], events, logger)
    expected = evaluate(
        Rounds(
            log_policy=np.log(pi[events.targets]),
            log_propensities=logger.log_propensities,
            rewards=events.rewards.astype(np.float64),
            sessions=events.sessions,
            positions=events.positions,
            logged_reward_model=logger.logged_reward_model,
            policy_reward_model=np.full(N_EVENTS, pi @ WORTH),
        )
    )
    for name, estimate in expected.estimates.items():
        assert found.estimates[name].value == pytest.approx(estimate.value)
        assert found.estimates[name].low == pytest.approx(estimate.low)


def test_one_refused_seed_leaves_no_value(tmp_path: Path) -> None:
    events, logger = logged()
    sure = np.array([0.0, 0.0, 0.0, 0.0, 1.0])
    policies = [np.full(N_ITEMS, 0.2), sure]
    folders = [trial(tmp_path, seed, pi, events, True) for seed, pi in enumerate(policies, 1)]
    found = policy_value(folders, events, logger)
    assert found.estimates == {} and found.clip_sweep == ()
    assert found.refusal is not None and found.refusal.startswith("seed 2: the weights are worth")
    assert found.overlap is not None and found.overlap.effective_sample_size < 100
    alone = policy_value(folders[1:], events, logger)
    assert alone.refusal is not None and found.refusal == f"seed 2: {alone.refusal}"


def test_each_reason_for_no_value_is_told_from_the_others(tmp_path: Path) -> None:
    events, logger = logged()
    (tmp_path / "none").mkdir()
    (tmp_path / "old").mkdir()
    no_policy = trial(tmp_path / "none", 1, None, events, False)
    old = trial(tmp_path / "old", 1, None, events, None)
    assert policy_value([no_policy], events, logger).refusal == NO_POLICY
    assert policy_value([old], events, logger).refusal == NOT_STORED
    assert policy_value([no_policy], events, None).refusal == NO_PROPENSITIES


def test_missed_events_are_rounds_that_the_policy_never_takes(tmp_path: Path) -> None:
    events, logger = logged()
    targets = events.targets.copy()
    # Two in a row: both have the position of the known event that follows.
    targets[[1, 2]] = -1
    positions = events.positions.copy()
    positions[[2, 3]] = positions[1]
    order = [*(i for i in range(N_EVENTS) if i not in (1, 2)), 1, 2]
    missed = dataclasses.replace(
        events,
        targets=targets[order],
        positions=positions[order],
        **{
            name: getattr(events, name)[order]
            for name in ("sessions", "rewards", "repeats", "immediate_repeats")
        },
    )
    reordered = LoggingPolicy(
        "logged", logger.log_propensities[order], logger.logged_reward_model[order]
    )
    pi = np.full(N_ITEMS, 0.2)
    found = policy_value([trial(tmp_path, 1, pi, missed, True)], missed, reordered)
    weights = np.where(targets >= 0, 0.2 / np.exp(logger.log_propensities), 0)
    assert found.estimates["ips"].value == pytest.approx((weights * events.rewards).mean())
    assert found.overlap is not None
    assert found.overlap.outside_share == pytest.approx(2 / N_EVENTS)


def test_true_values_are_means_over_seeds_of_what_all_have(tmp_path: Path) -> None:
    events, _ = logged()
    for seed, value in ((1, 2.0), (2, 3.0)):
        folder = trial(tmp_path, seed, None, events, False)
        both = WorldValues(Estimate(value, value - 0.5, value + 0.5), None, None)
        write_true_values(folder, {1: both, 20: both} if seed == 1 else {1: both})
    found = read_policies({"m": sorted(tmp_path.iterdir())}, events, None)
    assert list(found.true_values["m"]) == [true_value_name(1, "greedy")]
    estimate = found.true_values["m"][true_value_name(1, "greedy")]
    assert (estimate.value, estimate.low, estimate.high) == (2.5, 2.0, 3.0)
    assert estimate.spread == pytest.approx(0.5**0.5)
    assert isinstance(found.values["m"], PolicyValue)
