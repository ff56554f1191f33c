"""The speed script runs on a small log and prints its figures; no time is asserted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]
POSITIVE = (
    "gru4rec_events_per_second",
    "gru4rec_h512_events_per_second",
    "tocr_over_gru4rec",
    "tocr_equal_negatives_over_gru4rec",
    "reinforce_over_gru4rec",
    "sasrec_over_gru4rec",
    "sqn_over_gru4rec",
    "gemm_fraction",
    "gemm_fraction_h512",
    "gru4rec_windows_events_per_second",
    "gemm_fraction_windows",
    "tocr_over_gru4rec_windows",
    "gemm_gflops",
    "share_of_gemm_rate",
    "draws_fraction",
)


def test_one_round_on_a_small_log(small_table: Path, tmp_path: Path) -> None:
    script = [sys.executable, "experiments/speed/training_speed.py", "--dataset", str(small_table)]
    done = subprocess.run(
        [*script, "--rounds", "1", "--reports", "2"],
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
