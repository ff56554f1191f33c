"""The script trains one TOCR for each number and prints a row for each."""

from __future__ import annotations

from pathlib import Path

from tests.experiments.conftest import printed


def test_a_row_for_each_number(small_table: Path) -> None:
    draws = ("--draws", "0", "5:0.75", "--epochs", "1")
    lines, figures = printed(
        "science/behaviour_negatives.py", "--dataset", str(small_table), *draws
    )
    _, _, *of_numbers = lines
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in of_numbers]
    assert [row[0] for row in cells] == ["0", "5:0.75"]
    # Thirty items at random: no loss is far from log 30.
    assert all(3 < float(row[1]) < 5 and 0 < float(row[2]) <= 1 for row in cells)
    assert set(figures["behaviour_negatives"]) == {"0", "5:0.75"}
    assert 3 < figures["unigram_loss"] < 4
