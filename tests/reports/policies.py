"""Benchmarks whose trials are policies, by the product's own writers."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from bench.figures.benchmark import Benchmark
from bench.policy_value.calibration import CalibrationBin
from bench.policy_value.estimated_propensities import PropensityReport
from bench.policy_value.logging_policy import LoggingPolicy, Source
from bench.policy_value.policy_values import read_policies
from bench.policy_value.true_values import write_true_values
from bench.policy_value.world_value import WorldValues
from bench.stats.estimate import Estimate
from bench.store.policy_columns import PolicyColumns, write_policy
from bench.store.trial import read_trial_record, write_trial_record
from tests.reports.written import written_benchmark

REPORT = PropensityReport(
    log_loss=3.25, unigram_loss=3.5, uniform_loss=4.0,
    calibration=(
        CalibrationBin(0.01, 0.02, 5000, 0.015, 0.0125),
        CalibrationBin(0.02, 0.5, 400, 0.1, 0.125),
    ),
    smallest=((0.0, 0.01), (0.5, 0.05)),
)  # fmt: skip


def policies_benchmark(
    folder: Path, source: Source | None, *, own_head: bool = True, world: bool = False
) -> Benchmark:
    """`good` and `sure` are policies, `counter` is none, and of `old` nothing is stored."""
    models = {"good": (0.1, 0.2), "sure": (0.1, 0.2), "counter": (0.1,), "old": (0.1,)}
    found = written_benchmark(folder, models)
    return with_policies(
        found, source, good="good", sure="sure", old="old", own_head=own_head, world=world
    )


def with_policies(
    found: Benchmark,
    source: Source | None,
    *,
    good: str,
    sure: str,
    old: str | None = None,
    own_head: bool = True,
    world: bool = False,
) -> Benchmark:
    """The benchmark with what its trials store of policies; all other models are none.

    The logger draws uniformly from 20 items. `good` shows what was logged about as often, `sure`
    never shows most of it, and of `old` nothing is stored. None as a source: the split's folder is
    of an earlier version.
    """
    rng = np.random.default_rng(0)
    events, n = found.events, len(found.events)
    logger = None
    if source is not None:
        logger = LoggingPolicy(
            source, np.full(n, np.log(1 / 20)), np.full(n, 0.5),
            REPORT if source == "estimated" else None,
        )  # fmt: skip
    for summary in found.summaries:
        (of_trial,) = summary.folders
        is_policy = summary.label in (good, sure)
        if is_policy:
            log_pi = np.where(np.arange(n) < 3, 0.0, -np.inf)
            if summary.label == good:
                weights = rng.uniform(0.9, 1.1, n)
                log_pi = np.log(weights / weights.mean() / 20)
            own = np.log(rng.uniform(0.02, 0.2, n)) if own_head else None
            write_policy(of_trial, PolicyColumns(log_pi, np.full(n, 0.5), own))
        stochastic = None if summary.label == old else is_policy
        write_trial_record(
            of_trial, dataclasses.replace(read_trial_record(of_trial), stochastic=stochastic)
        )
        if world:
            greedy = Estimate(2.0, 1.5, 2.5)
            drawn = Estimate(1.0, 0.75, 1.25) if summary.label == good else None
            values = WorldValues(greedy, drawn, drawn)
            write_true_values(of_trial, {1: values, 20: values})
    folders = {summary.label: summary.folders for summary in found.summaries}
    return dataclasses.replace(found, policies=read_policies(folders, events, logger))
