"""Scores that no float holds keep their order."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logsumexp

from datasets.session_log import SessionLog
from models.common.neighbours.log_scores import SAME, shares_of_best, sums_of_logs
from models.stan import Stan, StanConfig
from tests.models.logs import make_log, trained

LOGS = st.floats(-1e4, 1e4)


@given(st.lists(st.tuples(st.integers(0, 4), LOGS)))
def test_sums_of_logs_are_those_of_scipy(summands: list[tuple[int, float]]) -> None:
    cells = np.array([cell for cell, _ in summands], dtype=np.int64)
    logs = np.array([log for _, log in summands])
    found, sums = sums_of_logs(cells, logs)
    assert found.tolist() == sorted(set(cells.tolist()))
    for cell, found_sum in zip(found, sums, strict=True):
        assert found_sum == pytest.approx(logsumexp(logs[cells == cell]), abs=1e-9)


@given(st.lists(st.lists(st.one_of(LOGS, st.sampled_from([0.0, 1e-9, -1e-9, -500.0]))), max_size=5))
def test_shares_stand_as_their_logarithms_do(rows: list[list[float]]) -> None:
    row_of = np.repeat(np.arange(len(rows)), [len(logs) for logs in rows])
    found = shares_of_best(row_of, np.array([log for logs in rows for log in logs]))
    assert np.array_equal(found, found.astype(np.float32))
    for row, logs in enumerate(rows):
        shares, largest = found[row_of == row], max(logs, default=0.0)
        for share, log in zip(shares, logs, strict=True):
            assert share >= np.finfo(np.float32).tiny
            assert share == pytest.approx(math.exp(log - largest), rel=1e-5, abs=1e-30)
            for other, other_log in zip(shares, logs, strict=True):
                if log - other_log > 2 * SAME:
                    assert share > other
                if log == other_log:
                    assert share == other


def long_log(seed: int) -> SessionLog:
    """Long sessions, years apart."""
    rng = np.random.default_rng(seed)
    sessions = [rng.integers(400, size=rng.integers(2, 200)) for _ in range(60)]
    starts = np.sort(rng.uniform(0, 20 * 365 * 86400, len(sessions)))
    times = np.concatenate(
        [start + np.arange(len(items)) for start, items in zip(starts, sessions, strict=True)]
    )
    return make_log(sessions, times=times.tolist(), catalogue=range(400))


def log_scores_by_hand(train: SessionLog, prefix: list[int], config: StanConfig) -> np.ndarray:
    """Equations of the paper, in logarithms; -inf where no neighbour holds the item."""

    def decay(distances: Any, length: float) -> Any:
        return -distances / length if length else 0.0 * distances

    last_places = {item: place for place, item in enumerate(prefix, start=1)}
    assert train.times is not None
    similar = []
    for n in range(train.n_sessions):
        events = slice(train.offsets[n], train.offsets[n + 1])
        places = {item: place for place, item in enumerate(train.items[events].tolist(), start=1)}
        shared = places.keys() & last_places.keys()
        if shared:
            weights = [
                decay(len(prefix) - last_places[item], config.lambda_position) for item in shared
            ]
            age = train.times[-1] - train.times[events][-1]
            similarity = logsumexp(weights) - math.log(len(places)) / 2
            similarity += decay(age, config.lambda_age * config.units_per_day)
            similar.append((similarity, places, max(places[item] for item in shared)))
    similar.sort(key=lambda neighbour: -neighbour[0])
    found: list[list[float]] = [[] for _ in range(train.n_items)]
    for similarity, places, last in similar[: config.k]:
        for item, place in places.items():
            found[item].append(similarity + decay(abs(place - last), config.lambda_distance))
    return np.array([logsumexp(logs) if logs else -np.inf for logs in found])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"lambda_age": 0.1, "k": 20},
        {"lambda_distance": 0.1},
        {"lambda_position": 0.3, "lambda_age": 0.01, "lambda_distance": 0.05},
        {"lambda_position": 1.02, "lambda_age": 5.0, "lambda_distance": 2.05},
    ],
)
def test_items_of_long_sessions_far_apart_rank_as_by_exact_scores(options: dict[str, Any]) -> None:
    config = StanConfig(**options)
    train, test = long_log(1), long_log(2).sessions(0, 4)
    model, _ = trained(Stan, config, train)
    prefixes = [
        test.items[a:end].tolist()
        for a, b in zip(test.offsets[:-1], test.offsets[1:], strict=True)
        for end in range(a + 1, b)
    ]
    compared = range(0, len(prefixes), 16)
    found = model.score(test)
    assert found.dtype == np.float32
    for number in compared:
        exact = log_scores_by_hand(train, prefixes[number], config)
        order = np.argsort(exact)
        lower, higher = order[:-1], order[1:]
        apart = exact[higher] - np.where(np.isinf(exact[lower]), -1e9, exact[lower]) > 1e-9
        scores = found[number]
        assert (scores[higher] > scores[lower])[apart].all()
        np.testing.assert_array_equal(scores[exact == -np.inf], 0)
