"""One size of `scaling.py`: its log, its model, and what a process of its own measures of them."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any, NamedTuple, cast

import numpy as np
import torch

from bench.ranking.rank_targets import rank_targets
from bench.running.stopwatch import peak_memory_bytes
from datasets.session_log import SessionLog
from datasets.simulation.interest_log import SimulationOptions, simulated_log
from datasets.splitting.held_out import HeldOut, hold_out
from experiments.script import tell
from experiments.speed.training_speed import SteppedFit, report_often, undisturbed_seconds
from models.common.sampling.negative_sampler import DRAWS_AHEAD, NegativeSampler
from models.common.sessions.session_batches import SessionBatches
from models.gru4rec import Gru4Rec, Gru4RecConfig
from models.tocr import Tocr, TocrConfig

HIDDEN, BATCH, TRUNCATION, NEGATIVES, ALPHA = 100, 64, 4, 2048, 0.5
SETTINGS: dict[str, Any] = {
    "batch_size": BATCH, "truncation": TRUNCATION, "negatives": NEGATIVES, "negative_alpha": ALPHA,
    "dropout_embedding": 0, "dropout_hidden": 0,
}  # fmt: skip
GRU4REC = Gru4RecConfig(layers=(HIDDEN,), **SETTINGS)
TOCR = TocrConfig(width=HIDDEN, full_softmax_items=1, **SETTINGS)
RANKED_SESSIONS = 200
RANKINGS = 5
"""Of all these sessions, in a round."""


@dataclass(frozen=True)
class Size:
    """What one process measures."""

    by: str
    """What grows: "events", in whole histories of users, or "items", in short sessions."""
    model: str
    events: int
    items: int
    batch_size: int = BATCH

    def __str__(self) -> str:
        return f"{self.model}, {self.events:,} events, {self.items:,} items"


class Round(NamedTuple):
    """Medians of one round, in seconds for an event."""

    training: float
    ranking: float | None


def draw_log(size: Size) -> SessionLog:
    """The log of a size, the same for every model."""
    options = SimulationOptions(shape="users" if size.by == "events" else "clicks")
    return simulated_log(size.events, size.items, seed=1, options=options)


def build(size: Size, epochs: int) -> Gru4Rec | Tocr:
    """The model of a size at the settings of this script."""
    if size.model == "gru4rec":
        config = replace(GRU4REC, epochs=epochs, batch_size=size.batch_size)
        return Gru4Rec(config, seed=1, device="cpu")
    tocr = replace(TOCR, epochs=epochs, batch_size=size.batch_size)
    return Tocr(tocr, seed=1, device="cpu")


def cut_last_sessions(log: SessionLog) -> tuple[SessionLog, HeldOut]:
    """All but the last sessions, and those to be ranked, over the whole catalogue.

    `make_split` would take the items out of it that no session happens to have.
    """
    first = log.n_sessions - min(RANKED_SESSIONS, log.n_sessions // 2)
    last = log.sessions(first, log.n_sessions)
    held_out, _ = hold_out(
        last,
        candidates=last.position_in_session > 0,
        own=np.ones(last.n_events, dtype=np.bool_),
        codes=np.arange(log.n_items, dtype=np.int32),
        item_ids=log.item_ids,
        count_misses=False,
    )
    return log.sessions(0, first), held_out


def draw_seconds(log: SessionLog) -> float:
    """What drawing the negatives of one update takes; they are drawn for many updates at once."""
    sampler = NegativeSampler(log.item_counts(), alpha=ALPHA, seed=1, device=torch.device("cpu"))

    def draw() -> None:
        for _ in range(DRAWS_AHEAD):
            sampler.draw(NEGATIVES)

    return undisturbed_seconds(draw, 10) / DRAWS_AHEAD


def ranking_seconds_per_event(model: Gru4Rec | Tocr, test: HeldOut) -> float:
    """What ranking all of `test` takes for each of its events, undisturbed."""
    # `rank_targets` asks for no more of a model than `factors`, which both have.
    recommender = cast(Any, model)
    seconds = undisturbed_seconds(
        lambda: rank_targets(recommender, test, model_name="model"), RANKINGS
    )
    return seconds / test.n_targets


def busy_share(log: SessionLog, batch_size: int) -> float:
    """Targets of an epoch for each of its places: windows x slots x steps."""
    batches = SessionBatches(log, batch_size=batch_size, window=TRUNCATION, cut_long=True)
    return batches.n_targets / (len(batches) * batches.n_slots * TRUNCATION)


def measure_steps(size: Size, parent: Connection) -> None:
    """Body of a process: start, then a `Round` for each number of reports it is sent, until 0."""
    begin = time.perf_counter()
    log = draw_log(size)
    drawn = time.perf_counter()
    log, ranked = cut_last_sessions(log) if size.by == "items" else (log, None)
    report_often(log.n_events, size.batch_size * TRUNCATION)
    model = build(size, epochs=10**6)
    fit = SteppedFit(model, log)
    started = time.perf_counter()
    drawing = draw_seconds(log) / (size.batch_size * TRUNCATION)
    parent.send(
        {
            "items_in_events": int(np.count_nonzero(log.item_counts())),
            "generation_seconds": drawn - begin,
            "start_seconds": started - drawn,
        }
    )
    while reports := parent.recv():
        training = fit.seconds_per_event(reports) + drawing
        ranking = None if ranked is None else ranking_seconds_per_event(model, ranked)
        parent.send(Round(training, ranking))
    peak_mb = peak_memory_bytes() / 2**20
    parent.send({"peak_mb": peak_mb, "busy_share": busy_share(log, size.batch_size)})


def measure_epoch(size: Size, parent: Connection) -> None:
    """Body of a process: one whole epoch."""
    log = draw_log(size)
    model = build(size, epochs=1)
    begin, processor_begin, done = time.perf_counter(), time.process_time(), 0
    for progress in model.fit(log):
        done += progress.events
        seconds = time.perf_counter() - begin
        tell(f"{size}: {done / progress.total_events:.0%} of the epoch in {seconds:,.0f} s")
    seconds = time.perf_counter() - begin
    parent.send(
        {
            "epoch_seconds": seconds,
            "epoch_processor_seconds": time.process_time() - processor_begin,
            "peak_mb": peak_memory_bytes() / 2**20,
        }
    )
