"""Propensities estimated from a log: a smoothed, cross-fitted Markov chain on the last item.

The logging policy of a log without propensities. Unlike a model's own behaviour head, it shares no
errors with the policy under test, and no probability uses the session that it is for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bench.policy_value.calibration import N_BINS, CalibrationBin
from bench.stats.significance import Values
from datasets.session_log import IntArray, SessionLog
from datasets.splitting.held_out import HeldOut

N_FOLDS = 5
"""Folds of the test sessions for cross-fitting."""
VALID_SHARE = 0.1
"""Fraction of training sessions that choose the weights if there is no validation part."""
STEPS = 50
"""Of the EM algorithm; more change nothing visible."""
PRIOR_EVENTS = 20
"""Pseudo-events of the prior, which is the weights over all contexts."""
ROUNDING = 1e-9
N_KINDS = 64
"""Kinds of context: binary digits that a count may have."""
QUANTILES = (0.0, 0.001, 0.01, 0.1, 0.5)
"""Levels of the reported quantiles of propensities."""


@dataclass(frozen=True)
class PropensityReport:
    """Quality of the estimate; losses are means of -log beta over events, in nats."""

    log_loss: float
    unigram_loss: float
    """Of the items' counts alone, cross-fitted in the same way."""
    uniform_loss: float
    """log(number of items)."""
    calibration: tuple[CalibrationBin, ...]
    """By increasing probability; each bin holds a tenth of the targets."""
    smallest: tuple[tuple[float, float], ...]
    """Quantile level, and that quantile of the propensities."""


def estimated_propensities(
    train: SessionLog, valid: HeldOut | None, test: HeldOut
) -> tuple[Values, PropensityReport]:
    """log beta(a|s) of each test event, missed ones last, (n_events,), and how good it is.

    With l the last item of the prefix, c counts, N events and n items,

        beta(a|l) = u c(l, a) / c(l) + v (c(a) + 1) / (N + n) + w / n,    u + v + w = 1

    (Jelinek and Mercer 1980), and weights that depend on the order of magnitude of c(l): those of
    highest likelihood on `valid`, else on the last tenth of the training sessions, by counts of
    the rest. For the test c is of training and of the test's targets in all folds of sessions but
    the event's own. Where c(l) = 0, the second term takes its weight. A missed event has 1 / n.
    """
    weights = _chosen_weights(train, valid)
    rows = np.flatnonzero(test.is_target)
    last, targets = _last_and_next(test.log, rows)
    n_items = train.n_items
    # Folds are random, so that neighbours in time share one no more often than others.
    fold_of_session = np.random.default_rng(0).permutation(test.log.n_sessions) % N_FOLDS
    folds = fold_of_session[test.log.session_of_event[rows]]
    together = _counts(train, last, targets)
    places = np.searchsorted(together.pairs, last * n_items + targets)
    probabilities, unigrams = np.empty(len(rows)), np.empty(len(rows))

    def models() -> Iterator[tuple[_Counts, NDArray[np.bool_]]]:
        """Counts for each fold and its events; recomputed to save memory."""
        for fold in range(N_FOLDS):
            own = folds == fold
            yield together.without(places[own], last[own], targets[own]), own

    for counts, own in models():
        parts = counts.parts(last[own], targets[own])
        probabilities[own] = (weights[counts.kinds()[last[own]]] * parts).sum(1)
        unigrams[own] = parts[:, 1]
    contexts = ((counts, np.bincount(last[own], minlength=n_items)) for counts, own in models())
    report = PropensityReport(
        log_loss=float(-np.log(probabilities).mean()) if len(rows) else np.nan,
        unigram_loss=float(-np.log(unigrams).mean()) if len(rows) else np.nan,
        uniform_loss=float(np.log(n_items)),
        calibration=_calibration(probabilities, contexts, weights),
        smallest=tuple(
            (level, float(np.quantile(probabilities, level))) for level in QUANTILES if len(rows)
        ),
    )
    missed = np.full(len(test.missed), -np.log(n_items))
    return np.concatenate([np.log(probabilities), missed]), report


@dataclass(frozen=True, eq=False)
class _Counts:
    """Counts of items and of pairs of successive items."""

    pairs: IntArray
    """last * n_items + next of the pairs, rising, (n_pairs,); some may have no count."""
    times: IntArray
    """Of each pair, (n_pairs,)."""
    followed: IntArray
    """How often each item was followed by any, (n_items,)."""
    support: IntArray
    """Events of each item, (n_items,)."""

    @property
    def n_items(self) -> int:
        return len(self.support)

    def without(self, places: IntArray, last: IntArray, targets: IntArray) -> _Counts:
        """The counts without those of some events, whose pairs are at `places`."""
        n_items, n_pairs = self.n_items, len(self.pairs)
        return replace(
            self,
            times=self.times - np.bincount(places, minlength=n_pairs),
            followed=self.followed - np.bincount(last, minlength=n_items),
            support=self.support - np.bincount(targets, minlength=n_items),
        )

    def unigram(self) -> Values:
        """(c(a) + 1) / (N + n), (n_items,)."""
        return np.asarray((self.support + 1) / (self.support.sum() + self.n_items))

    def kinds(self) -> IntArray:
        """Binary digits of each item's number of followers: the kind of context, (n_items,)."""
        return np.frexp(self.followed.astype(np.float64))[1].astype(np.int64)

    def parts(self, last: IntArray, items: IntArray) -> Values:
        """The three probabilities that are mixed, of `items` after `last`, (n, 3)."""
        wanted = last * self.n_items + items
        places = np.searchsorted(self.pairs, wanted)
        known = np.append(self.pairs, -1)[places] == wanted
        times = np.where(known, np.append(self.times, 0)[places], 0)
        followed, unigram = self.followed[last], self.unigram()[items]
        markov = np.where(followed > 0, times / np.maximum(followed, 1), unigram)
        return np.stack([markov, unigram, np.full(len(items), 1 / self.n_items)], 1)


def _counts(train: SessionLog, last: IntArray, targets: IntArray) -> _Counts:
    """Counts of a log, and of targets after their last items."""
    n_items = train.n_items
    inside = np.flatnonzero(train.position_in_session > 0)
    of_train = _last_and_next(train, inside)
    all_last = np.concatenate([of_train[0], last])
    pairs, times = np.unique(
        all_last * n_items + np.concatenate([of_train[1], targets]), return_counts=True
    )
    return _Counts(
        pairs,
        times,
        np.bincount(all_last, minlength=n_items),
        train.item_counts() + np.bincount(targets, minlength=n_items),
    )


def _last_and_next(log: SessionLog, rows: IntArray) -> tuple[IntArray, IntArray]:
    """Item before each event of `rows`, and its own; no row is the first of a session."""
    return log.items[rows - 1].astype(np.int64), log.items[rows].astype(np.int64)


def _chosen_weights(train: SessionLog, valid: HeldOut | None) -> Values:
    """Weights of the three parts by kind of context, (N_KINDS, 3), of highest likelihood."""
    if valid is None:
        cut = max(1, round((1 - VALID_SHARE) * train.n_sessions))
        log = train.sessions(cut, train.n_sessions)
        rows = np.flatnonzero(log.position_in_session > 0)
        train = train.sessions(0, cut)
    else:
        log, rows = valid.log, np.flatnonzero(valid.is_target)
    last, targets = _last_and_next(log, rows)
    none = np.empty(0, dtype=np.int64)
    counts = _counts(train, none, none)
    parts, kinds = counts.parts(last, targets), counts.kinds()[last]
    over_all = _mixture_weights(parts, np.zeros(len(rows), dtype=np.int64), np.full(3, 1 / 3))[:1]
    return _mixture_weights(parts, kinds, over_all[0])


def _mixture_weights(parts: Values, kinds: IntArray, prior: Values) -> Values:
    """Weights (N_KINDS, 3) by EM, shrunk to `prior` by `PRIOR_EVENTS` pseudo-events a kind."""
    weights = np.tile(prior, (N_KINDS, 1))
    sizes = np.bincount(kinds, minlength=N_KINDS)[:, None]
    for _ in range(STEPS):
        posterior = weights[kinds] * parts
        posterior /= posterior.sum(1, keepdims=True)
        sums = np.stack([np.bincount(kinds, column, N_KINDS) for column in posterior.T], 1)
        weights = (sums + PRIOR_EVENTS * prior) / (sizes + PRIOR_EVENTS)
    return weights


def _calibration(
    probabilities: Values, models: Iterable[tuple[_Counts, IntArray]], weights: Values
) -> tuple[CalibrationBin, ...]:
    """Predicted and observed frequency of all pairs of an event and an item, by probability.

    `probabilities` are the targets'; `models` has for each fold its counts and the number of events
    that each item precedes. All items that never followed the last item of a context have the
    probability of the kind of context, so no array has events x items.
    """
    if len(probabilities) == 0:
        return ()
    # Widened beyond rounding, so that equal probabilities share a bin.
    inner = np.unique(np.quantile(probabilities, np.arange(1, N_BINS) / N_BINS)) * (1 + ROUNDING)
    n_bins = len(inner) + 1
    pairs, mass = np.zeros(n_bins), np.zeros(n_bins)

    def add(of_items: Values, times: Values) -> None:
        bins = np.searchsorted(inner, of_items, side="left")
        pairs[:] += np.bincount(bins, times, n_bins)
        mass[:] += np.bincount(bins, times * of_items, n_bins)

    for counts, n_events in models:
        n_items, unigram, kinds = counts.n_items, counts.unigram(), counts.kinds()
        of_kind = np.bincount(kinds, n_events, N_KINDS)
        without = weights[:, 1, None] * unigram + weights[:, 2, None] / n_items
        without[0] += weights[0, 0] * unigram
        for kind in np.flatnonzero(of_kind):
            add(without[kind], np.full(n_items, of_kind[kind]))
        last, items = np.divmod(counts.pairs, n_items)
        used = (counts.times > 0) & (n_events[last] > 0)
        last, items, times = last[used], items[used], counts.times[used]
        base = without[kinds[last], items]
        add(base, -n_events[last].astype(np.float64))
        markov = weights[kinds[last], 0] * times / counts.followed[last]
        add(base + markov, n_events[last].astype(np.float64))
    hits = np.bincount(np.searchsorted(inner, probabilities, side="left"), minlength=n_bins)
    edges = [probabilities.min(), *inner, probabilities.max()]
    return tuple(
        CalibrationBin(
            float(edges[i]),
            float(edges[i + 1]),
            round(pairs[i]),
            float(mass[i] / pairs[i]),
            float(hits[i] / pairs[i]),
        )
        for i in range(n_bins)
        if hits[i] and pairs[i] > 0.5
    )
