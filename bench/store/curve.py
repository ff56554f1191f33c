"""The learning curve of a trial: a row an epoch."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.stats.headline import HEADLINE_K

CURVE = "curve.csv"
VALIDATION_RECALL = f"Recall@{HEADLINE_K}"
VALIDATION_MRR = f"MRR@{HEADLINE_K}"
"""Columns of the metrics on validation; absent without a validation part."""

CurveRow = Mapping[str, float | int | None]


def write_curve(folder: Path, rows: Sequence[CurveRow]) -> None:
    """Write the learning curve, a row an epoch."""
    with (folder / CURVE).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else ["epoch"])
        writer.writeheader()
        writer.writerows(rows)
