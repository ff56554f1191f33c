"""Discounted returns of logged sessions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.session_log import FloatArray, SessionLog
from models.common.options.checks import require_positive


def discounted_returns(
    log: SessionLog, *, discount: float, horizon: float | None = None
) -> FloatArray:
    """Return of each event, R_t = sum over t' >= t of discount^(t' - t) r_t', inside its session.

    Chen et al. 2019, eq. 2; the paper adds rewards up over a time horizon of 4 to 10 hours.

    Args:
        log: sessions with rewards.
        discount: gamma, from 0 (the immediate reward) to 1.
        horizon: rewards later than this, in the unit of `log.times`, are left out; None: none are.

    Returns:
        float32, shape (n_events,).

    Raises:
        ValueError: if a horizon is asked of a log without times.
    """
    returns = _to_session_end(log, discount)
    if horizon is None:
        return returns.astype(np.float32)
    if log.times is None:
        raise ValueError("horizon needs a log with times; leave it out")
    beyond = _first_event_beyond(log, horizon)
    inside = beyond < log.offsets[1:][log.session_of_event]
    events = np.flatnonzero(inside)
    steps = beyond[events] - events
    returns[events] -= np.power(discount, steps) * returns[beyond[events]]
    return returns.astype(np.float32)


def _to_session_end(
    log: SessionLog, discount: float
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Returns without a horizon, by stepping all sessions backwards together."""
    returns = np.asarray(log.rewards, dtype=np.float64).copy()
    by_length = np.argsort(-log.lengths, kind="stable")
    lengths = log.lengths[by_length]
    last = log.offsets[1:][by_length] - 1
    for step in range(1, int(lengths[0]) if len(lengths) else 0):
        alive = last[: int(np.searchsorted(-lengths, -step))]
        returns[alive - step] += discount * returns[alive - step + 1]
    return returns


def _first_event_beyond(
    log: SessionLog, horizon: float
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Index of the first event more than `horizon` after each event, or its session's end."""
    times = np.asarray(log.times)
    beyond = np.empty(log.n_events, dtype=np.int64)
    for start, stop in zip(log.offsets[:-1].tolist(), log.offsets[1:].tolist(), strict=True):
        session = times[start:stop]
        beyond[start:stop] = start + np.searchsorted(session, session + horizon, side="right")
    return beyond


def rewarded_returns(
    log: SessionLog, *, discount: float, horizon: float, model: str, negative: bool = False
) -> tuple[NDArray[np.bool_], FloatArray]:
    """Which events have a reward other than 0, bool (n_events,), and the return of each.

    Returns, float32 (n_events,), are in units of the mean size of these rewards (`reward_unit`).

    Args:
        log: sessions with rewards.
        discount: gamma.
        horizon: as in `discounted_returns`; inf: none.
        model: name of the model, for the message.
        negative: whether the model takes negative rewards, by a loss that stays bounded.

    Raises:
        ValueError: if a reward is negative and `negative` is not set, if no reward is positive
            (with `negative`: if all are 0), or if a finite horizon is asked of a log without times.
    """
    rewards = np.asarray(log.rewards)
    n_negative = int((rewards < 0).sum())
    if n_negative and not negative:
        raise ValueError(
            f"{n_negative:,} of {log.n_events:,} training events have a negative reward, from "
            f"which {model} cannot learn without a baseline; use tocr with baseline=mean, "
            "rewards of 0 or more, or --reward all"
        )
    rewarded = rewards != 0
    if not rewarded.any():
        raise ValueError("no positive reward in training; use --reward all")
    limit = None if math.isinf(horizon) else horizon
    returns = discounted_returns(log, discount=discount, horizon=limit)
    return rewarded, returns / reward_unit(log)


def weighted_returns(
    log: SessionLog, config: Any, *, model: str
) -> tuple[NDArray[np.bool_], FloatArray]:
    """Which events a policy loss weighs, bool (n_events,), and by which return, (n_events,).

    With a `baseline` all events are weighed, those without reward by a return of 0; where
    `reward_weighted` is off, all by 1. Raises ValueError as `rewarded_returns` does.
    """
    everything = np.ones(log.n_events, dtype=np.bool_)
    if not config.reward_weighted:
        return everything, everything.astype(np.float32)
    has_baseline = config.baseline != "none"
    rewarded, returns = rewarded_returns(
        log,
        discount=config.discount,
        horizon=config.horizon,
        model=model,
        negative=has_baseline,
    )
    if has_baseline:
        return everything, np.where(rewarded, returns, np.float32(0))
    return rewarded, returns


def reward_unit(log: SessionLog) -> float:
    """Mean size of the rewards that are not 0; 1 where every reward is 0 or 1.

    Losses are weighted by returns in this unit, so that a learning rate, a cap on the loss or a
    weight beside it means the same for rewards in cents and in euros.
    """
    sizes = np.abs(np.asarray(log.rewards, dtype=np.float64))
    return float(sizes[sizes > 0].mean())


def require_return_options(config: Any) -> None:
    """Raise ValueError where a config's `discount` or `horizon` is out of range."""
    require_positive(config, "horizon")
    if not 0 <= config.discount <= 1:
        raise ValueError(f"discount must be from 0 to 1, not {config.discount}")
