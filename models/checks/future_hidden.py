"""The check that scores see nothing but their own prefix; every trial runs it on a sample.

Copies of sessions are asked for that end otherwise, among other sessions and in another order.
Ranks before the change must be those of the sessions as they are, and the items after it, drawn at
random, must rank as random items do.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from datasets.session_log import IntArray, SessionLog
from models.checks.altered_copies import Copies, affordable_rows, altered_copies
from models.checks.rank_agreement import Answer, AnswerError, answer

TOLERANCE = 1e-4
"""Largest difference of two scores that should be equal, as a share of the row's largest score: it
finds what ranks do not show, such as another scale, and is asked beside them, never instead."""
LOG_TOLERANCE = 1e-3
"""Share of a log-probability, plus 1, by which two of one prefix may differ."""
FALSE_ALARM = 1e-9
"""Largest probability with which chance alone ranks the random items as high as they rank."""


_NUMPY_REFUSES = "is read-only", "cannot set WRITEABLE flag"
WRITES = "the model writes into the log it is given; copy what you change"


class ConformanceError(AssertionError):
    """A model breaks the protocol; the text names the model, the check and the fix."""


class FutureCheck:
    """A model's answers to altered copies of sessions, to which its ranks are then held.

    `sample` sessions are copied, fewer where catalogue or sessions are large. A trial makes this
    before the model has seen a test target, so that nothing remembered can help. Raises
    `ConformanceError` where the random items at the ends of the copies rank higher than by chance.
    """

    def __init__(
        self, model: Any, sessions: SessionLog, *, sample: int = 64, seed: int = 0
    ) -> None:
        self._model, self._sessions = model, sessions
        rng = np.random.default_rng(seed)
        self._copies = copies = altered_copies(model, sessions, sample, rng)
        # Of each copy the last true prefix, the first, and one between; then those after the cut.
        between = rng.integers(0, copies.cuts)
        last = (copies.cuts - 1).tolist()
        compared = [sorted({0, *pair}) for pair in zip(between.tolist(), last, strict=True)]
        ends = (copies.log.lengths - 1).tolist()
        random = [range(*pair) for pair in zip(last, ends, strict=True)]
        self._rows = _rows(copies, compared)
        self._copy = np.repeat(np.arange(len(compared)), [len(c) for c in compared])
        self._place = np.array([place for c in compared for place in c], dtype=np.int64)
        self._events = sessions.offsets[copies.sessions[self._copy]] + self._place + 1
        random_rows = _rows(copies, random)
        rows = np.union1d(self._rows, random_rows)
        found = self._ask(rows)
        self._answer = found.of(np.searchsorted(rows, self._rows))
        self._bounds = self._answer.rank_bounds(self._targets)
        _check_chance(
            model,
            found.of(np.searchsorted(rows, random_rows)),
            copies.log.items[copies.log.position_in_session > 0][random_rows].astype(np.int64),
        )

    @property
    def _targets(self) -> IntArray:
        return np.asarray(self._sessions.items[self._events], dtype=np.int64)

    def check_ranks(self, ranks: NDArray[Any]) -> None:
        """Hold the ranks that were found to the answers; raises `ConformanceError`.

        `ranks` has the rank of each event of the sessions, (n_events,), 0 where it has none.
        """
        found = np.asarray(ranks)[self._events].astype(np.int64)
        low, high = self._bounds
        moved = np.flatnonzero((found > 0) & ((found < low) | (found > high)))
        if len(moved):
            self._fail_moved(int(moved[0]))

    def check_policy(self, log_policy: NDArray[Any], temperature: float) -> None:
        """Hold log-probabilities of targets to the answers; raises `ConformanceError`.

        `log_policy` is that of softmax(score / `temperature`) at each event of the sessions,
        (n_events,), NaN where it has none.
        """
        logits = self._answer.scores.astype(np.float64) / temperature
        own = np.take_along_axis(logits, self._targets[:, None], axis=1)[:, 0]
        expected = own - np.logaddexp.reduce(logits, axis=1)
        found = np.asarray(log_policy)[self._events]
        rounding = self._answer.rounding.max(axis=1) / temperature
        moved = np.abs(found - expected) > LOG_TOLERANCE * (1 + np.abs(expected)) + 2 * rounding
        if (moved & np.isfinite(found)).any():
            self._fail_moved(int(np.flatnonzero(moved & np.isfinite(found))[0]))

    def check_scores(self) -> None:
        """Ask about the sessions as they are and compare the ranks of the targets, of the items
        around them and of the first, then the scores; raises `ConformanceError`.

        Leaves out the longest sessions where the catalogue is large.
        """
        copies, sessions = self._copies, self._sessions
        lengths = sessions.lengths[copies.sessions]
        by_length = np.argsort(lengths, kind="stable")
        is_first = np.arange(len(lengths)) == 0
        affordable = affordable_rows(self._model, sessions.n_items)
        asked = by_length[is_first | (np.cumsum(lengths[by_length] - 1) <= affordable)]
        log = sessions.keep_events(np.isin(sessions.session_of_event, copies.sessions[asked]))
        asked = asked[np.argsort(copies.sessions[asked])]
        first_row = np.zeros(len(lengths), dtype=np.int64)
        first_row[asked] = (log.offsets - np.arange(log.n_sessions + 1))[:-1]
        own = np.flatnonzero(np.isin(self._copy, asked))
        rows, index = np.unique(first_row[self._copy[own]] + self._place[own], return_inverse=True)
        found, before = self._answer_to(log, rows).of(index), self._answer.of(own)
        for items in _probes(found, self._targets[own]):
            low, high = before.rank_bounds(items)
            ranks = found.ranks(items)
            moved = np.flatnonzero((ranks < low) | (ranks > high))
            if len(moved):
                self._fail_moved(int(own[moved[0]]))
        differing = differing_rows(before.scores, found.scores, TOLERANCE)
        if len(differing):
            self._fail_moved(int(own[differing[0]]))

    def _ask(self, rows: IntArray) -> Answer:
        """Answers to prefixes of the copies: two copies alone, the others together."""
        log = self._copies.log
        ends = [*range(min(3, log.n_sessions)), log.n_sessions]
        found = []
        for start, stop in pairwise(ends):
            first, last = log.offsets[start] - start, log.offsets[stop] - stop
            inside = rows[(rows >= first) & (rows < last)] - first
            found.append(self._answer_to(log.sessions(start, stop), inside))
        return Answer.joined(found)

    def _answer_to(self, log: SessionLog, rows: IntArray) -> Answer:
        try:
            return answer(self._model, log, rows)
        except AnswerError as error:
            fail(self._model, "score", str(error))

    def _fail_moved(self, row: int) -> NoReturn:
        again = self._ask(self._rows)
        if len(differing_rows(self._answer.scores, again.scores, TOLERANCE)):
            fail(
                self._model,
                "future hidden",
                "the same sessions got other scores when asked again; draw any random number from "
                "seed, session id and position",
            )
        session = self._copies.sessions[self._copy[row]]
        fail(
            self._model,
            "future hidden",
            f"the scores after the first {self._place[row] + 1} events of session "
            f"'{self._sessions.session_ids[session]}' moved when later events and the other "
            "sessions of the call changed; score each prefix from its own events alone",
        )


def check_future_hidden(
    model: Any, sessions: SessionLog, *, sample: int = 64, seed: int = 0
) -> None:
    """Change what comes later in `sample` sessions and compare ranks and scores before it.

    Items, rewards, times, propensities and lengths become others, and so do the other sessions of
    the call and their order. Raises `ConformanceError`.
    """
    if (sessions.lengths >= 2).any():
        FutureCheck(model, sessions, sample=sample, seed=seed).check_scores()


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
    """Raise `ConformanceError` in the name of a model, its class, or by the name given."""
    if not isinstance(model, str):
        model = (model if isinstance(model, type) else type(model)).__name__
    raise ConformanceError(f"{model}: {check}: {what}")


@contextlib.contextmanager
def refusing_writes(model: Any) -> Iterator[None]:
    """Say in the model's name that it writes into a log, whose arrays refuse writes."""
    try:
        yield
    except ValueError as error:
        if not any(text in str(error) for text in _NUMPY_REFUSES):
            raise
        try:
            fail(model, "input", WRITES)
        except ConformanceError as failure:
            raise failure from error


def _rows(copies: Copies, places: Any) -> IntArray:
    """Rows, among all prefixes of the copies, of the prefixes at `places` of each copy."""
    first = (copies.log.offsets - np.arange(copies.log.n_sessions + 1)).tolist()
    return np.array([first[c] + p for c, of_copy in enumerate(places) for p in of_copy], np.int64)


def _probes(found: Answer, targets: IntArray) -> list[IntArray]:
    """Targets, the items that rank next above and below them, and the three first items."""
    scores = found.scores
    own = np.take_along_axis(scores, targets[:, None], axis=1)
    above = np.argmin(np.where(scores > own, scores, np.inf), axis=1)
    below = np.argmax(np.where(scores < own, scores, -np.inf), axis=1)
    n_first = min(3, scores.shape[1])
    first = np.argpartition(-scores, n_first - 1, axis=1)[:, :n_first]
    return [targets, above, below, *first.T]


def _check_chance(model: Any, found: Answer, items: IntArray) -> None:
    """Hold the ranks of items drawn at random after each prefix to what is possible by chance.

    Whatever the scores, each is among the first K of n with probability at most K / n, and its
    middle rank is (n + 1) / 2 in the mean: bounds of Chernoff and Hoeffding for sums of such.
    """
    n, n_items = len(items), found.scores.shape[1]
    ranks, needed = found.ranks(items), -math.log(FALSE_ALARM)
    for k in (1, 20):
        share, chance = float((ranks <= k).mean()), k / n_items
        if share > chance and n * _divergence(share, chance) > needed:
            fail(
                model,
                "future hidden",
                f"of {n} items drawn at random {round(n * share)} were among its first {k}, where "
                f"chance gives {n * chance:.1f}; score each prefix from its own events alone",
            )
    mean = float(((found.middle_ranks(items) - 0.5) / n_items).mean())
    if mean < 0.5 and 2 * n * (0.5 - mean) ** 2 > needed:
        fail(
            model,
            "future hidden",
            f"{n} items drawn at random have the mean rank {mean * n_items:.0f} of {n_items}, "
            "where chance gives the middle; score each prefix from its own events alone",
        )


def _divergence(share: float, chance: float) -> float:
    """Kullback-Leibler divergence of two coins."""
    found = share * math.log(share / chance)
    return found + (1 - share) * math.log((1 - share) / (1 - chance)) if share < 1 else found
