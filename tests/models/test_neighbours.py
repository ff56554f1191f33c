"""Nearest-neighbour models against loops over prefixes, written from the papers' formulas."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from datasets.session_log import SessionLog
from models.conformance import check_recommender
from models.stan import Stan, StanConfig
from models.vsknn import VSkNN, VSkNNConfig
from tests.models.logs import make_log, random_log, trained

DAY = 86400.0
TEST = random_log(12, n_items=15, longest=8, seed=8)
Similarity = Callable[[dict[int, float], set[int]], float]


def timed_log() -> SessionLog:
    """Sessions that do not lie in the order of their times, some of which are equal."""
    log = random_log(40, n_items=15, longest=9, seed=4)
    ends = np.random.default_rng(2).integers(0, 10, log.n_sessions) * DAY
    times = ends[log.session_of_event] + log.position_in_session
    return make_log(
        [log.items[a:b] for a, b in zip(log.offsets[:-1], log.offsets[1:], strict=True)],
        times=times.tolist(),
        catalogue=range(15),
    )


TRAIN = timed_log()
UNTIMED = random_log(40, n_items=15, longest=9, seed=4)


def sessions_of(log: SessionLog) -> list[list[int]]:
    return [log.items[a:b].tolist() for a, b in zip(log.offsets[:-1], log.offsets[1:], strict=True)]


def last_time(log: SessionLog, session: int) -> float:
    return session if log.times is None else float(log.times[log.offsets[session + 1] - 1])


def most_recent(log: SessionLog, prefix: set[int], size: int) -> list[int]:
    """Sessions that share an item of the prefix, the latest first; equal times: the later one."""
    sharing = [n for n, items in enumerate(sessions_of(log)) if prefix & set(items)]
    return sorted(sharing, key=lambda n: (last_time(log, n), n), reverse=True)[:size]


def prefixes_of(log: SessionLog) -> list[list[int]]:
    return [items[:end] for items in sessions_of(log) for end in range(1, len(items))]


def positions_in(prefix: list[int]) -> dict[int, int]:
    """Place of each item's last event, from 1."""
    return {item: place for place, item in enumerate(prefix, start=1)}


def vsknn_by_hand(train: SessionLog, prefix: list[int], config: VSkNNConfig) -> list[float]:
    decays: dict[str, Callable[[int, int], float]] = {
        "div": lambda place, n: place / n,
        "quadratic": lambda place, n: (place / n) ** 2,
        "log": lambda place, n: 1 / math.log10(n - place + 1.7),
        "linear": lambda place, n: max(0.0, 1 - 0.1 * (n - place)),
        "same": lambda place, n: 1.0,
    }
    step_decays: dict[str, Callable[[int], float]] = {
        "div": lambda step: 1 / step,
        "quadratic": lambda step: 1 / step**2,
        "log": lambda step: 1 / math.log10(step + 1.7),
        "linear": lambda step: max(0.0, 1 - 0.1 * step),
        "same": lambda step: 1.0,
    }
    places = positions_in(prefix)
    weights = {item: decays[config.weighting](place, len(prefix)) for item, place in places.items()}
    weights = {item: weight for item, weight in weights.items() if weight > 0}
    sessions = [set(items) for items in sessions_of(train)]
    similarity = {}
    for n in most_recent(train, set(weights), config.sample_size):
        similarity[n] = sum(w for item, w in weights.items() if item in sessions[n])
        if config.similarity == "cosine":
            norm = math.sqrt(sum(w**2 for w in weights.values()))
            similarity[n] /= norm * math.sqrt(len(sessions[n]))
    # The sort is stable: of equally similar ones the most recent stay.
    nearest = sorted(similarity, key=lambda n: -similarity[n])[: config.k]
    scores = [0.0] * train.n_items
    for n in nearest:
        last_shared = max(place for item, place in places.items() if item in sessions[n])
        step = len(prefix) - last_shared + 1
        for item in sessions[n]:
            scores[item] += similarity[n] * step_decays[config.weighting_score](step)
    if config.idf_weighting > 0:
        for item in range(train.n_items):
            holding = sum(item in items for items in sessions)
            idf = math.log(len(sessions) / max(holding, 1))
            scores[item] *= 1 + config.idf_weighting * idf
    return scores


def stan_by_hand(train: SessionLog, prefix: list[int], config: StanConfig) -> list[float]:
    def decay(distance: float, length: float) -> float:
        return math.exp(-distance / length) if length else 1.0

    places = positions_in(prefix)
    weights = {
        item: decay(len(prefix) - place, config.lambda_position) for item, place in places.items()
    }
    norm = math.sqrt(sum(weight**2 for weight in weights.values()))
    sessions = sessions_of(train)
    similarity = {}
    # Any time of the prefix will do: it is a factor of all its neighbours.
    now = max(last_time(train, n) for n in range(train.n_sessions))
    for n in most_recent(train, set(prefix), config.sample_size):
        items = set(sessions[n])
        cosine = sum(w for item, w in weights.items() if item in items) / norm
        age = 0.0 if train.times is None else now - last_time(train, n)
        recency = decay(age, config.lambda_age * config.units_per_day)
        similarity[n] = cosine / math.sqrt(len(items)) * recency
    nearest = sorted(similarity, key=lambda n: -similarity[n])[: config.k]
    scores = [0.0] * train.n_items
    for n in nearest:
        of_neighbour = positions_in(sessions[n])
        shared = max(place for item, place in of_neighbour.items() if item in places)
        for item, place in of_neighbour.items():
            scores[item] += similarity[n] * decay(abs(place - shared), config.lambda_distance)
    return scores


def assert_proportional(found: np.ndarray, expected: np.ndarray) -> None:
    """Equal but for a factor of each row, which moves no rank."""
    largest = expected.max(axis=1, keepdims=True)
    assert (largest > 0).any()
    scale = np.where(largest > 0, found.max(axis=1, keepdims=True) / largest, 1.0)
    np.testing.assert_allclose(found, expected * scale, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"k": 3},
        {"k": 2, "sample_size": 5},
        {"similarity": "cosine", "k": 4},
        {"weighting": "quadratic", "weighting_score": "quadratic", "k": 4},
        {"weighting": "log", "weighting_score": "log", "k": 4},
        {"weighting": "linear", "weighting_score": "linear", "k": 4},
        {"weighting": "same", "weighting_score": "same", "idf_weighting": 2.0},
    ],
)
@pytest.mark.parametrize("train", [TRAIN, UNTIMED], ids=["times", "no times"])
def test_vsknn_is_the_loop(train: SessionLog, options: dict[str, Any]) -> None:
    config = VSkNNConfig(**options)
    model, _ = trained(VSkNN, config, train)
    expected = [vsknn_by_hand(train, prefix, config) for prefix in prefixes_of(TEST)]
    np.testing.assert_allclose(model.score(TEST), np.array(expected), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"k": 3},
        {"k": 2, "sample_size": 5},
        {"lambda_position": 0.0, "lambda_distance": 0.7},
        {"lambda_age": 0.0, "k": 4},
        {"lambda_distance": 0.0, "lambda_age": 1.0, "k": 4},
    ],
)
@pytest.mark.parametrize("train", [TRAIN, UNTIMED], ids=["times", "no times"])
def test_stan_is_the_loop(train: SessionLog, options: dict[str, Any]) -> None:
    config = StanConfig(**options)
    model, _ = trained(Stan, config, train)
    expected = [stan_by_hand(train, prefix, config) for prefix in prefixes_of(TEST)]
    assert_proportional(model.score(TEST), np.array(expected))


def test_neighbours_are_those_of_an_independent_library() -> None:
    """scikit-learn's cosine neighbours of the set of the prefix's items, without any decay."""
    k = 5
    vectors = np.zeros((UNTIMED.n_sessions, UNTIMED.n_items))
    vectors[UNTIMED.session_of_event, UNTIMED.items] = 1
    options: dict[str, Any] = {"weighting": "same", "weighting_score": "same"}
    config = VSkNNConfig(**options, similarity="cosine", k=k)
    model, _ = trained(VSkNN, config, UNTIMED)
    library = NearestNeighbors(n_neighbors=k + 1, metric="cosine").fit(vectors)
    compared = 0
    for prefix, scores in zip(prefixes_of(TEST), model.score(TEST), strict=True):
        query = np.zeros((1, UNTIMED.n_items))
        query[0, prefix] = 1
        distances, neighbours = library.kneighbors(query)
        if np.isclose(distances[0, k - 1], distances[0, k]):
            continue  # which of equally near sessions is taken is each one's own choice
        expected = (1 - distances[0, :k]) @ vectors[neighbours[0, :k]]
        np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-6)
        compared += 1
    assert compared > 10


@pytest.mark.parametrize("model_class", [VSkNN, Stan])
def test_they_keep_the_protocol(model_class: Any) -> None:
    check_recommender(model_class)


@pytest.mark.parametrize("model_class", [VSkNN, Stan])
@pytest.mark.parametrize("cost", [1, 500])
def test_the_size_of_a_block_changes_no_score(
    model_class: Any, cost: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = trained(model_class, model_class.Config(), TRAIN)
    scores = model.score(TEST)
    monkeypatch.setattr("models.common.neighbours.neighbour_recommender.COST_PER_BLOCK", cost)
    np.testing.assert_array_equal(model.score(TEST), scores)


@pytest.mark.parametrize("model_class", [VSkNN, Stan])
@pytest.mark.parametrize("train", [TRAIN, UNTIMED], ids=["times", "no times"])
def test_a_loaded_model_scores_alike(model_class: Any, train: SessionLog, tmp_path: Path) -> None:
    model, _ = trained(model_class, model_class.Config(), train)
    model.save(tmp_path)
    other = model_class(model_class.Config(), seed=1, device="cpu")
    other.load(tmp_path)
    np.testing.assert_array_equal(other.score(TEST), model.score(TEST))


@pytest.mark.parametrize("model_class", [VSkNN, Stan])
def test_a_prefix_that_nobody_shares_ties_all_items(model_class: Any) -> None:
    train = make_log(["ab", "ba"], catalogue="abcd")
    model, _ = trained(model_class, model_class.Config(), train)
    assert not model.score(make_log(["cd"], catalogue="abcd")).any()


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (lambda: VSkNNConfig(k=0), "k must be greater than 0"),
        (lambda: VSkNNConfig(idf_weighting=-1), "idf_weighting must not be negative"),
        (lambda: StanConfig(units_per_day=0), "units_per_day must be greater than 0"),
        (lambda: StanConfig(lambda_age=-1), "lambda_age must not be negative"),
    ],
)
def test_options_out_of_range_are_refused_by_name(config: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}"):
        config()
