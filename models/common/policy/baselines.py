"""What is taken from the return of an action: nothing, the mean return, or a running mean.

Williams, Machine Learning 1992, section 4: a baseline that does not depend on the action leaves the
expected gradient as it is, for sum over a of pi(a) grad log pi(a) = 0.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from datasets.session_log import FloatArray, SessionLog

BaselineKind = Literal["none", "mean", "running"]

RUNNING_RATE = 0.01
"""Least weight of a new batch in the running mean; it is an ordinary mean of the first 100."""


class Baseline:
    """Turns the returns of a batch of actions into advantages."""

    def __init__(self, kind: BaselineKind, train: SessionLog, returns: FloatArray) -> None:
        """`returns` is what each event of `train` counts, (n_events,)."""
        self._running = kind == "running"
        self._n_batches = 0
        self._value = 0.0
        if kind == "mean":
            # A session's first event follows no state, so it is not an action.
            actions = train.position_in_session > 0
            self._value = float(np.mean(returns[actions], dtype=np.float64))

    def advantages(self, returns: FloatArray) -> FloatArray:
        """R - b of each action, (A,); a running b is that of the batches before this one."""
        advantages = returns - np.float32(self._value)
        if self._running and len(returns):
            self._n_batches += 1
            rate = max(1 / self._n_batches, RUNNING_RATE)
            self._value += rate * (float(np.mean(returns, dtype=np.float64)) - self._value)
        return advantages
