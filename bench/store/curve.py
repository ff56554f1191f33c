"""The learning curve of a trial, a row for each epoch."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.stats.headline import HEADLINE_K
from bench.store.files import reading

CURVE = "curve.csv"
VALIDATION_RECALL = f"Recall@{HEADLINE_K}"
VALIDATION_MRR = f"MRR@{HEADLINE_K}"
"""Columns of the metrics on validation; absent without a validation part."""

CurveRow = Mapping[str, float | int | None]


def write_curve(folder: Path, rows: Sequence[CurveRow]) -> None:
    """Write `curve.csv`; all rows have the same columns."""
    with (folder / CURVE).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else ["epoch"])
        writer.writeheader()
        writer.writerows(rows)


def read_curve(folder: Path) -> list[dict[str, float]]:
    """Rows without their empty cells; no rows if there is no file, as in a failed trial's folder.

    Every row has an "epoch" and "train_seconds". Raises InputError if the file is damaged.
    """
    file = folder / CURVE
    if not file.exists():
        return []
    fix = "remove its folder and run again"
    with reading(file, fix), file.open(newline="", encoding="utf-8") as lines:
        return [_figures(*numbered) for numbered in enumerate(csv.DictReader(lines), start=2)]


def _figures(number: int, row: Mapping[str, str]) -> dict[str, float]:
    try:
        figures = {name: float(cell) for name, cell in row.items() if cell}
        return {**figures, "epoch": figures["epoch"], "train_seconds": figures["train_seconds"]}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"row {number}: {error}") from error
