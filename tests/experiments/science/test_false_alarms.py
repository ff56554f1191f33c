"""Comparisons by session keep their promise, and those by event do not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from experiments.science.false_alarms import Kind, measure

REPOSITORY = Path(__file__).parents[3]
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
    script = [
        sys.executable,
        "experiments/science/false_alarms.py",
        "--repeats",
        "1",
        "--resamples",
        "19",
    ]
    done = subprocess.run(script, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["repeats"], found["resamples"]) == (1, 19)
    assert found["figures"]["even lengths"]["mean_held"] in (0, 1)
