"""Comparisons by session keep their promise, and those by event do not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.false_alarms import measure

REPOSITORY = Path(__file__).parents[2]


def test_alarms_and_intervals_are_as_often_right_as_they_say() -> None:
    comparisons = 200
    found = measure(comparisons, n_sessions=100, resamples=299)
    four_errors = 4 * (0.05 * 0.95 / comparisons) ** 0.5
    assert found["false_alarms_by_session"] == pytest.approx(0.05, abs=four_errors)
    assert found["intervals_with_the_margin"] == pytest.approx(0.95, abs=four_errors)
    assert found["false_alarms_by_event"] > 0.05 + four_errors


def test_the_last_line_holds_the_figures() -> None:
    script = [sys.executable, "experiments/false_alarms.py", "--comparisons", "3"]
    done = subprocess.run(
        [*script, "--sessions", "9", "--resamples", "9"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    figures = json.loads(done.stdout.splitlines()[-1])
    assert (figures["comparisons"], figures["sessions"], figures["resamples"]) == (3, 9, 9)
    assert 0 <= figures["false_alarms_by_session"] <= 1
