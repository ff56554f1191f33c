"""Slices: against scipy's bootstrap, sums that must add up, and orders that totals hide."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.figures import slices as module
from bench.figures.slices import Slice, reversals, slices
from bench.stats.estimate import Estimate
from bench.store.catalogue import Catalogue
from bench.store.events import TestEvents
from tests.bench.stats.session_oracles import scipy_interval

Values = NDArray[np.float64]


def random_events(n_sessions: int, seed: int = 0) -> TestEvents:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 9, n_sessions)
    sessions = np.repeat(np.arange(n_sessions), lengths)
    n_events = len(sessions)
    first = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    repeats = rng.random(n_events) < 0.4
    return TestEvents(
        sessions=sessions,
        positions=1 + np.arange(n_events) - first[sessions],
        targets=rng.integers(-1, 30, n_events).astype(np.int32),
        rewards=rng.integers(0, 2, n_events).astype(np.float32),
        repeats=repeats,
        immediate_repeats=repeats & (rng.random(n_events) < 0.5),
        times=rng.integers(0, 10**6, n_events),
    )


CATALOGUE = Catalogue(np.arange(30).astype(np.str_), np.arange(30) ** 2)


def hits(events: TestEvents, chances: float | Values, seed: int) -> Values:
    """Hits whose chance a session shares."""
    rng = np.random.default_rng(seed)
    mood = rng.uniform(0.5, 1.5, int(events.sessions.max()) + 1)[events.sessions]
    return (rng.random(len(events)) < chances * mood).astype(np.float64)


def of(found: list[Slice], dimension: str) -> dict[str, Slice]:
    return {part.name: part for part in found if part.dimension == dimension}


def test_every_dimension_adds_up_to_the_total() -> None:
    events = random_events(300)
    models = {"a": hits(events, 0.3, 1), "b": hits(events, 0.2, 2)}
    found = slices(models, events, CATALOGUE)
    dimensions = list(dict.fromkeys(part.dimension for part in found))
    assert dimensions == [
        "target popularity",
        "position in session",
        "session length",
        "repeat",
        "reward",
        "time in the test period",
    ]
    for dimension in dimensions:
        parts = of(found, dimension).values()
        assert sum(part.n_events for part in parts) == len(events)
        for label, values in models.items():
            total = sum(part.n_events * part.values[label].value for part in parts)
            assert total == pytest.approx(values.sum())
            assert all(
                part.values[label].low <= part.values[label].value <= part.values[label].high
                for part in parts
                if part.n_sessions >= 20
            )


def test_a_slice_by_hand() -> None:
    events = dataclasses.replace(random_events(40), times=None)
    values = hits(events, 0.3, 1)
    found = slices({"a": values}, events, CATALOGUE)
    assert not of(found, "time in the test period")
    part = of(found, "position in session")["4-5"]
    rows = (events.positions == 4) | (events.positions == 5)
    assert part.n_events == rows.sum()
    assert part.n_sessions == len(set(events.sessions[rows].tolist()))
    assert part.values["a"].value == pytest.approx(values[rows].mean())


def test_scipy_agrees() -> None:
    events = random_events(200)
    values = hits(events, 0.4, 3)
    rows = events.rewards > 0
    part = of(slices({"a": values}, events, CATALOGUE), "reward")["1"]
    oracle = scipy_interval(values[rows], events.sessions[rows], resamples=4000)
    assert (part.values["a"].low, part.values["a"].high) == pytest.approx(oracle, abs=0.012)


def test_same_figures_when_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    events = random_events(60)
    models = {"a": hits(events, 0.4, 3)}
    expected = slices(models, events, CATALOGUE)
    monkeypatch.setattr(module, "ROWS_PER_BLOCK", 7)
    for one, other in zip(slices(models, events, CATALOGUE), expected, strict=True):
        assert dataclasses.astuple(one.values["a"]) == pytest.approx(
            dataclasses.astuple(other.values["a"])
        )


def test_a_slice_of_one_session_has_no_width() -> None:
    events = random_events(20)
    rewards = (events.sessions == 4).astype(np.float32)
    events = dataclasses.replace(events, rewards=rewards)
    values = np.linspace(0, 1, len(events))
    part = of(slices({"a": values}, events, CATALOGUE), "reward")["1"]
    figure = part.values["a"]
    assert part.n_sessions == 1
    assert (figure.low, figure.high) == pytest.approx((figure.value, figure.value))


def test_equal_models_are_never_ahead_and_a_better_one_is() -> None:
    events = random_events(500)
    values = hits(events, 0.3, 1)
    better = np.maximum(values, hits(events, 0.3, 7))
    models = {"a": values, "same": values.copy(), "better": better}
    for part in of(slices(models, events, CATALOGUE), "repeat").values():
        assert part.ahead == {("better", "a"), ("better", "same")}


def planted(gain_at_reward: float, loss_without: float) -> list[Slice]:
    """Model `a` beside `b`, by reward; of eight events two have one."""
    events = random_events(800)
    rewarded = np.random.default_rng(5).random(len(events)) < 0.25
    events = dataclasses.replace(events, rewards=rewarded.astype(np.float32), times=None)
    chances = 0.3 + np.where(rewarded, gain_at_reward, -loss_without)
    models = {"a": hits(events, chances, 1), "b": hits(events, 0.3, 2)}
    return [part for part in slices(models, events, CATALOGUE) if part.dimension == "reward"]


def test_a_lead_that_rests_on_half_of_the_slices_is_said() -> None:
    assert reversals(planted(gain_at_reward=0.2, loss_without=0.2)) == [
        "b leads a over all events, but is behind it in 1 of 2 slices by reward: 1"
    ]


@pytest.mark.parametrize(("gain", "loss"), [(0.2, -0.2), (0.2, 0.0), (0.0, 0.0)])
def test_a_lead_in_all_slices_or_by_chance_in_one_is_not(gain: float, loss: float) -> None:
    assert reversals(planted(gain_at_reward=gain, loss_without=loss)) == []


def test_less_than_half_of_the_slices_is_not_said() -> None:
    def part(name: str, n_events: int, one: float, *ahead: tuple[str, str]) -> Slice:
        values = {"a": Estimate(one, 0, 1), "b": Estimate(0.5, 0, 1)}
        return Slice("time", name, n_events, 9, values, frozenset(ahead))

    large = part("x", 90, 0.9, ("a", "b"))
    small = [part("y", 5, 0.1, ("b", "a")), part("z", 5, 0.1, ("b", "a"))]
    assert reversals([large, *small]) == [
        "a leads b over all events, but is behind it in 2 of 3 slices by time: y; z"
    ]
    undecided = part("z", 5, 0.1)
    assert reversals([large, small[0], undecided]) == []
    assert reversals([part("x", 5, 0.5, ("a", "b")), part("y", 5, 0.5, ("b", "a"))]) == []
