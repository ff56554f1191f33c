"""Runs one trial from fit to files, in its own process."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import random
import signal
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bench.figures.results import trial_metrics
from bench.policy_value.policy_log_probabilities import policy_columns
from bench.policy_value.reward_model import item_reward_model
from bench.policy_value.true_values import (
    N_SESSIONS,
    true_value_figures,
    true_values,
    write_true_values,
)
from bench.policy_value.world_value import WorldValues
from bench.processes.file_guard import hide
from bench.processes.machine_load import others_load, processes_beside, read_load
from bench.ranking.rank_targets import rank_targets
from bench.ranking.score_blocks import ScoreError
from bench.ranking.top_lists import write_top_lists
from bench.running.stopwatch import Stopwatch, peak_memory_bytes, synchroniser
from bench.running.training import Step, fit_model
from bench.store.cost import Cost
from bench.store.curve import CurveRow, write_curve
from bench.store.events import events_from
from bench.store.policy_columns import write_policy
from bench.store.trial import (
    COST,
    TRACEBACK,
    WEIGHTS,
    Status,
    TrialRecord,
    TrialSpec,
    write_ranks,
    write_trial_record,
)
from datasets.simulation.worlds import World
from datasets.splitting.splits import Split
from models.checks.future_hidden import WRITES, FutureCheck, fail, refusing_writes
from models.recommender import Recommender, policy_temperature
from models.registry import load_model


@dataclass(frozen=True)
class TrialTask:
    """What a worker needs to run a trial."""

    spec: TrialSpec
    split: Split
    folder: Path
    """The trial's folder, still empty."""
    ks: tuple[int, ...]
    experiment: str
    parameters: Mapping[str, Any]
    tags: Mapping[str, str]
    keep_top: int = 0
    """Length of the stored lists of every test event's first items; 0: none."""
    with_policy: bool = True
    """Whether to store what off-policy evaluation needs."""
    hidden: tuple[Path, ...] = ()
    """Files and folders with test events, which the model may not read."""
    world: World | None = None
    """The world in which to measure the model's true value; None: none."""

    def record(
        self,
        ended: Ended,
        started: float,
        metrics: Mapping[str, float] | None = None,
        stochastic: bool | None = None,
    ) -> TrialRecord:
        """The record of the trial, ended now."""
        return TrialRecord(
            id=self.spec.id,
            model=self.spec.label,
            seed=self.spec.seed,
            status=ended.status,
            reason=ended.reason,
            started=started,
            ended=time.time(),
            experiment=self.experiment,
            parameters=self.parameters,
            tags=self.tags,
            metrics=metrics or {},
            ks=self.ks,
            stochastic=stochastic,
        )


@dataclass(frozen=True)
class Phase:
    """A line about a step other than training."""

    text: str


@dataclass(frozen=True)
class Ended:
    """The trial's folder is complete."""

    reason: str | None
    """Why the trial failed; None if it finished."""

    @property
    def status(self) -> Status:
        """As `trial.json` has it."""
        return "finished" if self.reason is None else "failed"


Message = Step | CurveRow | Phase | Ended


def work(task: TrialTask, connection: Connection) -> None:
    """Run `task` and report to the parent through `connection`; the last message is `Ended`."""
    # Ctrl-C reaches the whole process group; the parent decides when this process ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # stdout is for the table, so models must not print there.
    os.dup2(2, 1)
    hide(task.hidden)
    # If the parent has died, nobody waits for the rest.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.send(run_task(task, connection.send))


def run_task(task: TrialTask, send: Callable[[Message], None]) -> Ended:
    """Run `task` in this process and fill its folder, whether the model fails or not."""
    started = time.time()
    metrics: dict[str, float] = {}
    stochastic: bool | None = None
    try:
        with refusing_writes(task.spec.label):
            metrics, stochastic = _run(task, send)
        ended = Ended(None)
    except (BrokenPipeError, ConnectionResetError):
        raise
    except Exception as error:
        ended = Ended(f"{type(error).__name__}: {error}")
        with contextlib.suppress(OSError):  # a full disk must not hide the reason
            (task.folder / TRACEBACK).write_text(traceback.format_exc(), encoding="utf-8")
    try:
        write_trial_record(task.folder, task.record(ended, started, metrics, stochastic))
    except OSError as error:
        ended = Ended(ended.reason or f"its results cannot be written ({error})")
    return ended


def _run(task: TrialTask, send: Callable[[Message], None]) -> tuple[dict[str, float], bool | None]:
    """Fit, rank and write all files but the record.

    Returns the metrics, and whether the model is a stochastic policy (None without `with_policy`).
    """
    spec, split = task.spec, task.split
    # Models that draw from a global generator are repeatable too.
    random.seed(spec.seed)
    np.random.seed(spec.seed)
    model_class = load_model(spec.reference).model_class
    config = model_class.Config(**spec.config)
    model: Recommender = model_class(config, seed=spec.seed, device=spec.device)
    contents = _contents(split)
    watch = Stopwatch(synchroniser(spec.device))
    # Over the whole fit, validation included, since each reading errs by the system's coarse ticks;
    # the worker's own work is subtracted.
    start_of_fit = read_load(processes_beside())
    fit = fit_model(
        model,
        split,
        label=spec.label,
        patience=spec.patience,
        weights=task.folder / WEIGHTS,
        watch=watch,
        report=send,
    )
    end_of_fit = read_load(processes_beside())
    load = others_load(start_of_fit, end_of_fit)
    send(Phase(f"ranking {split.test.n_targets:,} events"))
    # Before the model has seen a test target, so that memorising gains nothing.
    check = None
    if split.test.log.n_events:  # 0 if training saw no target
        check = FutureCheck(model, split.test.log, seed=spec.seed)
    ranking = Stopwatch(synchroniser(spec.device))
    with ranking:
        ranks = rank_targets(
            model, split.test, ks=task.ks, n_first=task.keep_top, model_name=spec.label
        )
    if check is not None:
        check.check_ranks(_at_events(split, ranks.ranks, 0))
        check.check_scores()
    cost = Cost(
        train_seconds=fit.seconds,
        seconds_to_best_epoch=fit.seconds_to_best_epoch,
        epochs=len(fit.curve),
        best_epoch=fit.best_epoch,
        train_events=fit.events,
        events_per_second=fit.events / max(fit.seconds, 1e-9),
        ranking_seconds=ranking.elapsed,
        milliseconds_per_scored_event=1000 * ranking.elapsed / split.test.n_targets,
        peak_memory_bytes=peak_memory_bytes(),
        device=spec.device,
        threads=torch.get_num_threads(),
        others_load=load,
        cores=None if load is None or end_of_fit is None else end_of_fit.cores,
    )
    write_ranks(task.folder, ranks)
    if task.keep_top:
        write_top_lists(task.folder, ranks, split.test)
    write_curve(task.folder, fit.curve)
    (task.folder / COST).write_text(cost.to_json(), encoding="utf-8")
    stochastic = _store_policy(task, model, check, send) if task.with_policy else None
    values: dict[int, WorldValues] = {}
    if task.world is not None:
        send(Phase(f"playing {N_SESSIONS:,} sessions in the world"))
        values = true_values(task.world, model, split.train.item_ids, task.ks)
        write_true_values(task.folder, values)
    if _contents(split) != contents:
        fail(spec.label, "input", WRITES)
    send(Phase("computing intervals"))
    costs = {
        name: float(value)
        for name, value in dataclasses.asdict(cost).items()
        if isinstance(value, int | float)
    }
    support = split.train.item_counts()
    metrics = trial_metrics(ranks, events_from(split.test), task.ks, support)
    return metrics | true_value_figures(values) | costs, stochastic


def _store_policy(
    task: TrialTask, model: Recommender, check: FutureCheck | None, send: Callable[[Message], None]
) -> bool:
    """Write `policy.npy` if the model is a stochastic policy, and return whether it is one.

    Its log-probabilities must equal those that `check` recorded.
    """
    temperature = policy_temperature(model)
    if temperature is None:
        return False
    send(Phase("computing log-probabilities"))
    try:
        columns = policy_columns(
            model,
            task.split.test,
            item_reward_model(task.split.train),
            temperature=temperature,
            model_name=task.spec.label,
        )
    except ScoreError as error:
        # The trial has finished: its targets could be ranked.
        send(Phase(str(error)))
        return False
    if check is not None:
        check.check_policy(_at_events(task.split, columns.log_policy, np.nan), temperature)
    write_policy(task.folder, columns)
    return True


def _at_events(split: Split, figures: NDArray[Any], absent: float) -> NDArray[Any]:
    """Figures of the targets at their events, (n_events,), `absent` at all others."""
    test = split.test
    of_events = np.full(test.log.n_events, absent, dtype=figures.dtype)
    of_events[test.is_target] = figures[: int(test.is_target.sum())]
    return of_events


def _contents(split: Split) -> list[int]:
    """Checksums of all logs that models are given or evaluated on."""
    logs = [split.train, split.test.log, split.test.prefixes]
    if split.valid is not None:
        logs += [split.valid.log, split.valid.prefixes]
    return [log.checksum() for log in logs]
