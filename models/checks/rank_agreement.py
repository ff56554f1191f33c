"""Ranks of items under two answers to one prefix: equal up to rounding, or moved."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.session_log import IntArray, SessionLog
from models.recommender import Factors, is_factored

ROUNDING = 64
"""Float32 steps by which a score may differ between two calls: what sums of other order give."""
PREFIXES_AT_ONCE = 2**16
SCORES_AT_ONCE = 2**22


class AnswerError(ValueError):
    """A model did not return a row for each prefix; the text says what it returned."""


@dataclass(frozen=True, eq=False)
class Answer:
    """Scores of some prefixes, and how far rounding may move each."""

    scores: NDArray[Any]
    """Shape (n_prefixes, n_items)."""
    rounding: NDArray[Any]
    """Shape (n_prefixes, n_items)."""

    def ranks(self, items: IntArray) -> IntArray:
        """Rank of `items`, (n_prefixes,), as ranking counts: items that score as high or higher."""
        own = self._own(self.scores, items)
        return np.asarray((self.scores >= own).sum(1))

    def middle_ranks(self, items: IntArray) -> NDArray[np.float64]:
        """Rank of `items`, (n_prefixes,), in the middle of those that tie."""
        own = self._own(self.scores, items)
        above, equal = (self.scores > own).sum(1), (self.scores == own).sum(1)
        return np.asarray(above + (equal + 1) / 2, dtype=np.float64)

    def rank_bounds(self, items: IntArray) -> tuple[IntArray, IntArray]:
        """Lowest and highest rank of `items`, (n_prefixes,), that rounding may give them."""
        own, band = self._own(self.scores, items), self._own(self.rounding, items)
        with np.errstate(invalid="ignore"):
            distance = self.scores - own
        distance[self.scores == own] = 0
        band = band + self.rounding
        return 1 + (distance > band).sum(1), (distance >= -band).sum(1)

    def of(self, rows: NDArray[Any]) -> Answer:
        """The answer to some of the prefixes."""
        return Answer(self.scores[rows], self.rounding[rows])

    @staticmethod
    def joined(parts: list[Answer]) -> Answer:
        """Several answers, one after another."""
        return Answer(
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.rounding for part in parts]),
        )

    @staticmethod
    def _own(columns: NDArray[Any], items: IntArray) -> NDArray[Any]:
        return np.take_along_axis(columns, items[:, None], axis=1)


def answer(model: Any, log: SessionLog, rows: IntArray) -> Answer:
    """What `model` answers to the prefixes `rows` of `log`, which are in rising order.

    The log is asked for in blocks of sessions, and only what `rows` names is kept. Raises
    AnswerError where the model does not return a row for each prefix.
    """
    factored = is_factored(model)
    at_once = PREFIXES_AT_ONCE if factored else SCORES_AT_ONCE // log.n_items
    before = np.concatenate([[0], np.cumsum(np.maximum(log.lengths - 1, 0))])
    nothing = np.empty((0, log.n_items), dtype=np.float32)
    found = [Answer(nothing, nothing)]
    start = 0
    while start < log.n_sessions:
        stop = int(np.searchsorted(before, before[start] + at_once, side="right")) - 1
        stop = min(max(stop, start + 1), log.n_sessions)
        inside = rows[(rows >= before[start]) & (rows < before[stop])] - before[start]
        if len(inside):
            block = log.sessions(start, stop)
            found.append(_product(model, block, inside) if factored else _row(model, block, inside))
            if np.isnan(found[-1].scores).any():
                raise AnswerError("a score is NaN, so its targets cannot be ranked")
        start = stop
    return Answer.joined(found)


def _product(model: Any, log: SessionLog, rows: IntArray) -> Answer:
    """Of a product, rounding moves each score by the size of the terms that it sums."""
    states, items, bias = Factors(*(np.asarray(part) for part in model.factors(log)))
    _check_rows(states, log)
    states = states[rows]
    with np.errstate(invalid="ignore", over="ignore"):
        scores = states @ items.T + bias
        terms = np.abs(states) @ np.abs(items).T + np.abs(bias)
    return Answer(scores, _steps(terms))


def _row(model: Any, log: SessionLog, rows: IntArray) -> Answer:
    """Of plain scores no terms are known: those of a usual score of the row, or of its own size."""
    scores = np.asarray(model.score(log))
    _check_rows(scores, log)
    scores = scores[rows]
    sizes = np.where(np.isfinite(scores), np.abs(scores), np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of rows without a finite score
        usual = np.nan_to_num(np.nanmedian(sizes, axis=1, keepdims=True))
    return Answer(scores, _steps(np.maximum(np.nan_to_num(sizes), usual)))


def _steps(sizes: NDArray[Any]) -> NDArray[Any]:
    finite = np.where(np.isfinite(sizes), sizes, 0)
    return np.asarray(ROUNDING * np.finfo(np.float32).eps * finite)


def _check_rows(rows: NDArray[Any], log: SessionLog) -> None:
    if rows.ndim != 2 or len(rows) != log.n_targets:
        raise AnswerError(
            f"it answered {log.n_targets} prefixes by shape {rows.shape}; return a row for each"
        )
