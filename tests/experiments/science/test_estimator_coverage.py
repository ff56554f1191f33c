"""The coverage experiment knows the truth of its worlds, and finds the intervals right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from experiments.science.estimator_coverage import (
    DISCOUNT,
    coverage,
    draw_world,
    refused_without_support,
    write_log,
)
from tests.experiments.conftest import printed


def test_true_values_are_those_of_a_long_walk() -> None:
    world = draw_world(np.random.default_rng(5), distance=1.0, longest=4)
    truth = world.true_values()
    log = write_log(
        replace(world, logger=world.policy), n_sessions=40_000, rng=np.random.default_rng(6)
    )
    earned = np.bincount(log["sessions"], weights=DISCOUNT ** log["positions"] * log["rewards"])
    error = earned.std() / np.sqrt(len(earned))
    assert earned.mean() == pytest.approx(truth["session"], abs=4 * error)
    logged = write_log(world, n_sessions=40_000, rng=np.random.default_rng(7))
    clicks = (world.policy * world.clicks).sum(1)[logged["states"]]
    assert clicks.mean() == pytest.approx(truth["round"], rel=0.02)
    assert truth["round"] != pytest.approx(truth["session"], rel=0.1)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    n_worlds = 100
    found = coverage(0.5, n_worlds, n_sessions=300, resamples=200, longest=4)
    four_errors = 4 * (0.05 * 0.95 / n_worlds) ** 0.5
    for name in ("ips", "snips", "dm", "dr", "sndr", "switch_dr", "pdis", "snpdis"):
        assert found[name]["logs"] >= 0.95 * n_worlds
        assert found[name]["holds"] > 0.95 - four_errors, name
    assert found["dm (wrong model)"]["holds"] < 0.5


def test_support_that_is_cut_is_refused_where_weights_are_light_enough_to_see_it() -> None:
    near, far = (
        refused_without_support(distance, 60, n_sessions=1000, longest=4) for distance in (0.5, 1.5)
    )
    for found in (near, far):
        assert sum(of["logs"] for of in found.values()) == 60
        assert found["0.2 or more"]["refused"] == 1
    assert far["0.05 to 0.1"]["refused"] < near["0.05 to 0.1"]["refused"]


def test_the_last_line_holds_the_figures() -> None:
    script = ("science/estimator_coverage.py", "--worlds", "2")
    _, figures = printed(*script, "--sessions", "200", "--resamples", "20")
    assert (figures["worlds"], figures["sessions"], figures["resamples"]) == (2, 200, 20)
    assert 0 <= figures["coverage"]["0.5"]["ips"]["holds"] <= 1
    assert list(figures["refused"]) == ["0.5", "1", "1.5"]
    _, alone = printed(*script, "--refusals-only")
    assert alone["coverage"] == {}
    assert [sum(of["logs"] for of in by.values()) for by in alone["refused"].values()] == [2, 2, 2]
