"""Checks that any model must pass, built in or a plugin's.

`check_recommender(MyModel)` runs all of them on a small log of its own, from any test runner.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from datasets.session_log import IntArray, SessionLog
from models.checks.future_hidden import (
    WRITES,
    ConformanceError,
    check_future_hidden,
    differing_rows,
    fail,
    refusing_writes,
)
from models.recommender import FloatMatrix, Progress, is_factored

__all__ = ["ConformanceError", "check_future_hidden", "check_recommender", "synthetic_log"]

TOLERANCE = 1e-5
"""Largest difference of two scores that should be equal, as a share of the row's largest score."""
EPOCHS = 2


def check_recommender(model_class: Any, config: Any = None, *, device: str = "cpu") -> None:
    """Train `model_class` for two epochs on a small made-up log and check all it promises.

    `config` is an instance of `model_class.Config`; None: its defaults. Equal scores for an equal
    seed are asked for on the CPU alone. Raises `ConformanceError`, or whatever the model raises.
    """
    train, test = synthetic_log(seed=1, n_sessions=200), synthetic_log(seed=2, n_sessions=40)
    test = test.keep_events(test.lengths[test.session_of_event] >= 2)
    config = _checked_config(model_class, config)
    before = train.fingerprint(), test.fingerprint()

    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        model = model_class(config, seed=1, device=device)
        with refusing_writes(model):
            for progress in _checked_fit(model, config, train):
                # As in the harness, which validates after each epoch.
                if progress.epoch_ended:
                    model.score(test)
            scores = _checked_scores(model, test)
        _check_other_sessions_ignored(model, test, scores)
        check_future_hidden(model, test, sample=test.n_sessions)
        _check_factors(model, test, scores)
        _check_save_and_load(model, model_class, config, device, test, scores)
        if device == "cpu":
            _check_deterministic(model_class, config, train, test, scores)
    if (train.fingerprint(), test.fingerprint()) != before:
        fail(model, "input", WRITES)
    if output.getvalue():
        first_line = output.getvalue().strip().partition("\n")[0]
        fail(model, "silence", f"the model printed '{first_line}'; put figures into Progress")


def synthetic_log(*, seed: int, n_sessions: int, n_items: int = 60) -> SessionLog:
    """Sessions of 1 to 12 events, one of 70, with rewards 0 and 1 and times; the last item unused.

    An item without an event is what models meet where only the validation part holds it.
    """
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 13, n_sessions)
    lengths[n_sessions // 2] = 70
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    n_events = int(offsets[-1])
    popularity = 1 / np.arange(1, n_items)
    items = rng.choice(n_items - 1, n_events, p=popularity / popularity.sum())
    rewards = rng.random(n_events) < 0.5
    rewards[0] = True
    return SessionLog(
        items=items.astype(np.int32),
        rewards=rewards.astype(np.float32),
        offsets=offsets,
        item_ids=np.array([f"item {i}" for i in range(n_items)]),
        session_ids=np.array([f"session {seed}-{i}" for i in range(n_sessions)]),
        times=np.cumsum(rng.integers(1, 60, n_events)).astype(np.int64),
    )


def _checked_config(model_class: Any, config: Any) -> Any:
    """The config to train with: the one given or the defaults, for two epochs."""
    for name in ("fit", "score", "save", "load"):
        if not callable(getattr(model_class, name, None)):
            fail(model_class, "protocol", f"there is no method {name}; see models/recommender.py")
    config_class: Any = getattr(model_class, "Config", None)
    if not (isinstance(config_class, type) and dataclasses.is_dataclass(config_class)):
        fail(model_class, "protocol", "Config is no dataclass; make one that holds the options")
    if config is None:
        required = [
            field.name
            for field in dataclasses.fields(config_class)
            if field.init
            and field.default is dataclasses.MISSING
            and field.default_factory is dataclasses.MISSING
        ]
        if required:
            fail(model_class, "protocol", f"Config.{required[0]} has no default; give it one")
        config = config_class()
    return dataclasses.replace(config, epochs=EPOCHS) if hasattr(config, "epochs") else config


def _checked_fit(model: Any, config: Any, train: SessionLog) -> Iterator[Progress]:
    fit = model.fit(train)
    if not isinstance(fit, Iterator):
        fail(model, "fit", "it returns no iterator; yield Progress so that the clock can stop")
    ended = events = 0
    for progress in fit:
        if not isinstance(progress, Progress):
            fail(model, "fit", f"it yielded a {type(progress).__name__}; yield Progress")
        if progress.loss is not None and not math.isfinite(progress.loss):
            fail(model, "fit", f"the loss is {progress.loss}; raise DivergedError instead")
        if progress.epoch != ended + 1:
            fail(model, "fit", f"epoch {progress.epoch} after {ended} ended ones; count from 1")
        events += progress.events
        if progress.epoch_ended:
            ended += 1
            if events != progress.total_events:
                fail(
                    model,
                    "fit",
                    f"the events of epoch {ended} add up to {events}, but total_events says "
                    f"{progress.total_events}; yield the events since the last yield",
                )
            events = 0
        if ended > 1 and not all(
            hasattr(config, name) for name in ("epochs", "learning_rate", "batch_size")
        ):
            fail(
                model,
                "protocol",
                "it trains by epochs; name options epochs, learning_rate and batch_size",
            )
        if ended > EPOCHS:
            fail(model, "fit", f"more than {EPOCHS} epochs ended; stop after Config.epochs")
        yield progress
    if ended == 0:
        fail(model, "fit", "no epoch ended; yield a Progress with epoch_ended at least once")


def _checked_scores(model: Any, log: SessionLog) -> FloatMatrix:
    scores = np.asarray(model.score(log))
    expected = (log.n_targets, log.n_items)
    if scores.shape != expected or scores.dtype.kind != "f":
        fail(
            model,
            "score",
            f"it returned {scores.dtype} of shape {scores.shape}; return floating point numbers of "
            f"shape {expected}: a row for each prefix, a column for each item",
        )
    if not np.isfinite(scores).all():
        fail(model, "score", "a score is NaN or infinite; return finite numbers")
    return scores


def _check_other_sessions_ignored(model: Any, log: SessionLog, scores: FloatMatrix) -> None:
    """Blocks of other widths, each session alone, a short one beside the longest, other order."""
    _check_equal(model, scores, model.score(log), "scored again")
    rows = np.concatenate([[0], np.cumsum(log.lengths - 1)])
    for width in (1, 2, 7):
        for start in range(0, log.n_sessions, width):
            stop = min(start + width, log.n_sessions)
            part = model.score(log.sessions(start, stop))
            what = "alone" if width == 1 else f"in blocks of {width}"
            _check_equal(model, scores[rows[start] : rows[stop]], part, f"scored {what}")
    longest, shortest = int(np.argmax(log.lengths)), int(np.argmin(log.lengths))
    for order, what in (
        (np.array([shortest, longest]), "the shortest stands before the longest"),
        (np.array([longest, shortest]), "the shortest stands after the longest"),
        (np.arange(log.n_sessions)[::-1], "scored in the opposite order"),
    ):
        expected = np.concatenate([scores[rows[s] : rows[s + 1]] for s in order])
        _check_equal(model, expected, model.score(_in_order(log, order)), what)


def _check_factors(model: Any, log: SessionLog, scores: FloatMatrix) -> None:
    if not is_factored(model):
        return
    states, items, bias = (np.asarray(part) for part in model.factors(log))
    width = states.shape[-1]
    for name, part, shape in (
        ("states", states, (log.n_targets, width)),
        ("items", items, (log.n_items, width)),
        ("bias", bias, (log.n_items,)),
    ):
        if part.shape != shape:
            fail(model, "factors", f"{name} have shape {part.shape}; return shape {shape}")
    if len(differing_rows(scores, states @ items.T + bias, TOLERANCE)):
        fail(model, "factors", "states @ items.T + bias is not what score returns; make it so")


def _check_save_and_load(
    model: Any, model_class: Any, config: Any, device: str, log: SessionLog, scores: FloatMatrix
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder))
        loaded = model_class(config, seed=2, device=device)
        loaded.load(Path(folder))
    if not np.array_equal(np.asarray(loaded.score(log)), scores):
        fail(
            model,
            "save and load",
            "a fresh model with another seed scores otherwise after load; save all that score uses",
        )


def _check_deterministic(
    model_class: Any, config: Any, train: SessionLog, test: SessionLog, scores: FloatMatrix
) -> None:
    """Train twice more, without scoring between epochs."""
    again = []
    for _ in range(2):
        model = model_class(config, seed=1, device="cpu")
        for _progress in model.fit(train):
            pass
        again.append(np.asarray(model.score(test)))
    if not np.array_equal(again[0], again[1]):
        fail(model_class, "seed", "two fits of one seed differ; draw every random number from it")
    if not np.array_equal(again[0], scores):
        fail(model_class, "seed", "scoring between epochs changes the fit; leave its state alone")


def _check_equal(model: Any, expected: FloatMatrix, actual: Any, what: str) -> None:
    actual = np.asarray(actual)
    if actual.shape != expected.shape:
        fail(
            model,
            "sessions apart",
            f"scores have shape {actual.shape} instead of {expected.shape} where sessions are "
            f"{what}; return a row for each prefix",
        )
    if len(differing_rows(expected, actual, TOLERANCE)):
        fail(
            model,
            "sessions apart",
            f"scores move where sessions are {what}; start every session from a fresh state and "
            "keep padding and the other sessions of the call out of its scores",
        )


def _in_order(log: SessionLog, order: IntArray) -> SessionLog:
    """The sessions `order` of a log, in that order."""
    events = np.concatenate([np.arange(log.offsets[s], log.offsets[s + 1]) for s in order])
    return dataclasses.replace(
        log,
        items=log.items[events],
        rewards=log.rewards[events],
        offsets=np.concatenate([[0], np.cumsum(log.lengths[order])]).astype(np.int64),
        session_ids=log.session_ids[order],
        times=None if log.times is None else log.times[events],
        propensities=None if log.propensities is None else log.propensities[events],
    )
