"""The training loop, which measures time, validates and stops early."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.ranking.rank_targets import rank_targets
from bench.running.stopwatch import Stopwatch
from bench.stats.headline import HEADLINE_K
from bench.stats.metrics import recall_at, reciprocal_rank_at
from bench.store.curve import VALIDATION_MRR, VALIDATION_RECALL, CurveRow
from datasets.splitting.splits import Split
from models.recommender import Progress, Recommender


@dataclass(frozen=True)
class Step:
    """Progress within an epoch."""

    progress: Progress
    epoch_events: int
    """Targets trained on in this epoch so far."""
    events_per_second: float


@dataclass(frozen=True)
class Fit:
    """A completed fit; the model has the weights of its best epoch."""

    curve: list[CurveRow]
    best_epoch: int
    seconds: float
    """Inside the model."""
    seconds_to_best_epoch: float
    events: int
    """Targets trained on."""


def fit_model(
    model: Recommender,
    split: Split,
    *,
    label: str,
    patience: int,
    weights: Path,
    watch: Stopwatch,
    report: Callable[[Step | CurveRow], None],
) -> Fit:
    """Fit `model` and load the weights of its best epoch, which the folder `weights` keeps.

    After each epoch the validation part is ranked; `patience` epochs without a higher Recall@20
    end the fit. Without a validation part all epochs run and the last one is taken. Epochs of a
    model that is still warming up are reported but never taken. `watch` runs only while the model
    trains; `report` receives steps, and a row of the curve after each epoch. Raises ValueError if
    no epoch was completed.
    """
    curve: list[CurveRow] = []
    best_recall, best_epoch, seconds_to_best, events, epoch_events = -1.0, 0, 0.0, 0, 0
    warm_until = 0
    fit = iter(model.fit(split.train))
    while True:
        with watch:
            progress = next(fit, None)
        if progress is None:
            break
        events += progress.events
        epoch_events += progress.events
        speed = events / max(watch.elapsed, 1e-9)
        report(Step(progress, epoch_events, speed))
        if not progress.epoch_ended:
            continue
        epoch_events = 0
        row: dict[str, float | int | None] = {
            "epoch": progress.epoch,
            "train_seconds": watch.elapsed,
            "loss": progress.loss,
        }
        if split.valid is not None:
            ranks = rank_targets(model, split.valid, model_name=label).ranks
            row[VALIDATION_RECALL] = float(recall_at(ranks, HEADLINE_K).mean())
            row[VALIDATION_MRR] = float(reciprocal_rank_at(ranks, HEADLINE_K).mean())
        row["events_per_second"] = speed
        row |= {name: float(value) for name, value in progress.diagnostics.items()}
        curve.append(row)
        recall = row.get(VALIDATION_RECALL)
        if progress.warming_up:
            warm_until = progress.epoch
        elif recall is None or recall > best_recall:
            best_recall = best_recall if recall is None else recall
            best_epoch, seconds_to_best = progress.epoch, watch.elapsed
            shutil.rmtree(weights, ignore_errors=True)
            weights.mkdir(parents=True)
            model.save(weights)
        report(row)
        if progress.epoch - max(best_epoch, warm_until) >= patience:
            break
    if best_epoch == 0:
        raise ValueError(f"{label}: fit ended without yielding the end of an epoch to keep")
    model.load(weights)
    return Fit(curve, best_epoch, watch.elapsed, seconds_to_best, events)
