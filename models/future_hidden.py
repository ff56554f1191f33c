"""The check that scores see nothing of what comes later; every trial runs it on a sample."""

from __future__ import annotations

import dataclasses
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from datasets.session_log import SessionLog

TOLERANCE = 1e-4
"""Largest difference of two scores that should be equal, as a share of the row's largest score."""
LONGEST_SESSION = 50
SCORES_SAMPLED = 2**21
"""About how many scores are compared: of large catalogues shorter sessions are taken."""


class ConformanceError(AssertionError):
    """A model breaks the protocol; the text names the model, the check and the mend."""


def check_future_hidden(
    model: Any, sessions: SessionLog, *, sample: int = 8, seed: int = 0
) -> None:
    """Change what comes later in some sessions and compare the scores of the prefixes before.

    Takes the first events of `sample` sessions, at most 50 of each and fewer where the catalogue is
    large, and cuts each at a random place. From there on items, rewards, times and propensities
    become others, or else the session ends. Session ids, order and number stay. A model with
    `factors` is compared by its states, as it is ranked by them. Raises `ConformanceError`.
    """
    rng = np.random.default_rng(seed)
    eligible = np.flatnonzero(sessions.lengths >= 2)
    if len(eligible) == 0:
        return
    chosen = np.sort(rng.choice(eligible, min(sample, len(eligible)), replace=False))
    longest = LONGEST_SESSION
    if not _is_factored(model):
        affordable = SCORES_SAMPLED // (len(chosen) * sessions.n_items)
        longest = int(np.clip(affordable, 3, LONGEST_SESSION))
    is_chosen = np.isin(sessions.session_of_event, chosen)
    log = sessions.keep_events(is_chosen & (sessions.position_in_session < longest))
    cut = rng.integers(1, log.lengths)[log.session_of_event]
    # The event at the cut is the target of the last prefix before it.
    until_cut = log.position_in_session <= cut
    before = np.flatnonzero(until_cut & (log.position_in_session > 0))
    rows = np.flatnonzero(until_cut[log.position_in_session > 0])

    changed = _with_other_events(log, log.position_in_session >= cut, rng)
    expected = _ranked_by(model, log)[rows]
    for change, actual in (
        ("later events changed", _ranked_by(model, changed)[rows]),
        ("the session was cut short", _ranked_by(model, log.keep_events(until_cut))),
    ):
        differing = differing_rows(expected, actual, TOLERANCE)
        if len(differing) == 0:
            continue
        if len(differing_rows(expected, _ranked_by(model, log)[rows], TOLERANCE)):
            fail(
                model,
                "future hidden",
                "the same sessions got other scores when asked again; draw any random number from "
                "seed, session id and position",
            )
        event = before[differing[0]]
        fail(
            model,
            "future hidden",
            f"the scores after the first {log.position_in_session[event]} events of session "
            f"'{log.session_ids[log.session_of_event[event]]}' moved when {change}; "
            "score each prefix from its own events alone",
        )


def differing_rows(
    expected: NDArray[Any], actual: NDArray[Any], tolerance: float
) -> NDArray[np.intp]:
    """Rows that differ by more than `tolerance` of their largest finite number.

    Scores have no unit, so no difference is small for every model.
    """
    with np.errstate(invalid="ignore"):
        scale = np.abs(np.where(np.isfinite(expected), expected, 0)).max(axis=1, keepdims=True)
        close = np.abs(expected - actual) <= tolerance * scale
    same = (expected == actual) | (np.isnan(expected) & np.isnan(actual))
    return np.flatnonzero(~(close | same).all(axis=1))


def fail(model: Any, check: str, what: str) -> NoReturn:
    """Raise `ConformanceError` in the name of a model or its class."""
    model_class = model if isinstance(model, type) else type(model)
    raise ConformanceError(f"{model_class.__name__}: {check}: {what}")


def _is_factored(model: Any) -> bool:
    return getattr(model, "factors", None) is not None


def _ranked_by(model: Any, log: SessionLog) -> NDArray[Any]:
    """What decides the ranks of each prefix: its state or its scores, one row a prefix."""
    rows = np.asarray(model.factors(log).states if _is_factored(model) else model.score(log))
    if rows.ndim != 2 or len(rows) != log.n_targets:
        fail(
            model,
            "score",
            f"it answered {log.n_targets} prefixes by shape {rows.shape}; return a row for each",
        )
    return rows


def _with_other_events(
    log: SessionLog, later: NDArray[np.bool_], rng: np.random.Generator
) -> SessionLog:
    """The log with other items, rewards, times and propensities where `later` is set."""
    items, rewards = log.items.copy(), log.rewards.copy()
    steps = rng.integers(1, max(log.n_items, 2), int(later.sum()))
    items[later] = (items[later] + steps) % log.n_items
    rewards[later] = np.where(rewards[later] > 0, 0, 1)
    times, propensities = log.times, log.propensities
    if times is not None:
        times = np.where(later, times + 1000, times)
    if propensities is not None:
        propensities = np.where(later, propensities / 2, propensities)
    return dataclasses.replace(
        log, items=items, rewards=rewards, times=times, propensities=propensities
    )
