"""Comparisons by session keep their promise, and those by event do not."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.science.false_alarms import Kind, measure
from tests.experiments.conftest import printed

UNEVEN = np.array([5] * 6 + [20] * 3 + [200])


def test_alarms_and_intervals_are_as_often_right_as_they_say() -> None:
    repeats = 200
    found = measure(Kind("uneven", UNEVEN, 60, 0.2, 0.2), repeats, resamples=299)
    four_errors = 4 * (0.05 * 0.95 / repeats) ** 0.5
    assert found["false_alarms"] == pytest.approx(0.05, abs=four_errors)
    assert found["mean_held"] == pytest.approx(0.95, abs=four_errors)
    assert found["difference_held"] == pytest.approx(0.95, abs=four_errors)
    assert found["false_alarms_by_event"] > 0.05 + four_errors


def test_the_last_line_holds_the_figures() -> None:
    _, found = printed("science/false_alarms.py", "--repeats", "1", "--resamples", "19")
    assert (found["repeats"], found["resamples"]) == (1, 19)
    assert found["figures"]["even lengths"]["mean_held"] in (0, 1)
