"""The script trains one TOCR for each number and prints a row for each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]


def test_a_row_for_each_number(small_table: Path, tmp_path: Path) -> None:
    script = [
        sys.executable,
        "experiments/science/behaviour_negatives.py",
        "--dataset",
        str(small_table),
    ]
    done = subprocess.run(
        [*script, "--draws", "0", "5:0.75", "--epochs", "1"],
        cwd=REPOSITORY,
        env=os.environ | {"BENCH_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    _, _, *of_numbers, last = done.stdout.splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in of_numbers]
    assert [row[0] for row in cells] == ["0", "5:0.75"]
    # Thirty items at random: no loss is far from log 30.
    assert all(3 < float(row[1]) < 5 and 0 < float(row[2]) <= 1 for row in cells)
    figures = json.loads(last)
    assert set(figures["behaviour_negatives"]) == {"0", "5:0.75"}
    assert 3 < figures["unigram_loss"] < 4
