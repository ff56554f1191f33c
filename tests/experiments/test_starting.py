"""The script runs on a small log and prints its figures; no time is asserted."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.starting import seconds_to_first_step

REPOSITORY = Path(__file__).parents[2]
POSITIVE = ("help_seconds", "list_seconds", "first_step_seconds", "run_seconds")
DIFFERENCES = ("mlflow_added_seconds", "mlflow_added_share")


def test_one_round_on_a_small_log(tmp_path: Path) -> None:
    rows = [f"{session},{item},{session}" for session in range(40) for item in "ABCA"]
    table = tmp_path / "small.csv"
    table.write_text("session_id,item_id,time\n" + "\n".join(rows) + "\n", encoding="utf-8")
    script = [sys.executable, "experiments/starting.py", "--dataset", str(table)]
    done = subprocess.run(
        [*script, "--rounds", "1", "--epochs", "2"],
        cwd=REPOSITORY,
        env=os.environ | {"OMP_NUM_THREADS": "1", "BENCH_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *printed, last = done.stdout.splitlines()
    figures = json.loads(last)
    assert all(figures[name] > 0 for name in POSITIVE)
    assert all(math.isfinite(figures[name]) for name in DIFFERENCES)
    assert all(any(name in line for line in printed) for name in POSITIVE + DIFFERENCES)
    assert (figures["rounds"], figures["epochs"]) == (1, 2)


def test_a_command_that_never_trains_is_no_first_step() -> None:
    refused = (sys.executable, "-c", "import sys; sys.exit('no such model')")
    with pytest.raises(RuntimeError, match="no such model"):
        seconds_to_first_step(refused)
