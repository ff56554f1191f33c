"""The speed script runs on a small log and prints its figures; no time is asserted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).parents[2]
POSITIVE = (
    "gru4rec_events_per_second",
    "tocr_over_gru4rec",
    "tocr_gru_cell_over_gru4rec",
    "gemm_fraction",
    "gemm_gflops",
    "ranking_events_per_second",
)


def test_one_round_on_a_small_log(tmp_path: Path) -> None:
    items = np.random.default_rng(1).integers(30, size=(120, 4))
    rows = [
        f"s{session},item-{item},{time}"
        for session, row in enumerate(items.tolist())
        for time, item in enumerate(row)
    ]
    table = tmp_path / "small.csv"
    table.write_text("session_id,item_id,time\n" + "\n".join(rows) + "\n", encoding="utf-8")
    script = [sys.executable, "experiments/training_speed.py", "--dataset", str(table)]
    done = subprocess.run(
        [*script, "--rounds", "1", "--steps", "2"],
        cwd=REPOSITORY,
        env=os.environ | {"OMP_NUM_THREADS": "1", "BENCH_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    *printed, last = done.stdout.splitlines()
    figures = json.loads(last)
    assert all(figures[name] > 0 for name in POSITIVE)
    assert all(any(name in line for line in printed) for name in POSITIVE)
    assert (figures["items"], figures["threads"], figures["rounds"]) == (30, 1, 1)
