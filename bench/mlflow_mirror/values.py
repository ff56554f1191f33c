"""Turn trial folders into what MLflow takes: metric names, lengths of text, finite numbers."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasets.errors import InputError

if TYPE_CHECKING:
    from mlflow.entities import Metric

MAX_PARAMETER_LENGTH = 6000
MAX_TAG_LENGTH = 5000
PARAMETERS_FILE = "parameters.json"
_SO_FAR = {"train_seconds", "events_per_second"}
"""Columns of the curve that are also final figures, of all training."""


def tracked_name(name: str) -> str:
    """Name under which MLflow keeps a metric, as it refuses '@': "Recall@20" is "recall_at_20"."""
    words = re.sub(r"[^a-z0-9_]", "_", name.lower().replace("@", "_at_"))
    return re.sub(r"_+", "_", words).strip("_")


def tracked_curve_name(column: str) -> str:
    """Name of a column of the learning curve: "Recall@20" is "valid_recall_at_20".

    A name must not be that of a final figure, which would stand there as a second point of the last
    epoch: a ranking metric in a curve is measured on validation, a cost is that so far.
    """
    name = tracked_name(column)
    if name in _SO_FAR:
        return f"{name}_so_far"
    return f"valid_{name}" if "@" in column and not name.startswith("valid_") else name


def tracked_key(name: str) -> str:
    """Name of a parameter or tag with the characters that MLflow refuses replaced by '_'."""
    return re.sub(r"[^\w\-. :/]", "_", name)


def shortened(text: str, limit: int, whole_in: str) -> str:
    """`text` in at most `limit` characters; one that is cut ends by saying where the whole is."""
    if len(text) <= limit:
        return text
    note = f"... (shortened from {len(text):,} characters; the whole is in {whole_in})"
    return text[: limit - len(note)] + note


def parameter_text(value: object) -> str:
    """A parameter as MLflow shows it: text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def finite(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The metrics that are finite numbers: an undefined figure is left out, not sent as NaN."""
    return {
        name: float(value)
        for name, value in metrics.items()
        if isinstance(value, (int, float)) and math.isfinite(value)
    }


def read_curve(folder: Path) -> list[dict[str, float]]:
    """Read `curve.csv`: a dict of the finite figures of each epoch; empty where there is no curve.

    Raises InputError for a cell that is no number or a row without an epoch.
    """
    path = folder / "curve.csv"
    if not path.exists():
        return []
    curve = []
    with path.open(newline="", encoding="utf-8") as file:
        for row_number, row in enumerate(csv.DictReader(file), start=2):
            try:
                figures = finite({name: float(cell) for name, cell in row.items() if cell})
                epoch = figures["epoch"]
            except (ValueError, KeyError) as error:
                raise InputError(
                    f"{path}, row {row_number}, cannot be read ({error}); "
                    "remove its folder and run again."
                ) from error
            curve.append({**figures, "epoch": epoch})
    return curve


def epoch_metrics(metrics: Mapping[str, float], epoch: int, time: float) -> list[Metric]:
    """Figures of an epoch, measured at `time` (epoch seconds), as points of MLflow's curves."""
    from mlflow.entities import Metric

    return [
        Metric(tracked_curve_name(name), value, milliseconds(time), epoch)
        for name, value in finite(metrics).items()
    ]


def tracked_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags under names and in lengths that MLflow takes."""
    return {
        tracked_key(name): shortened(str(value), MAX_TAG_LENGTH, "trial.json")
        for name, value in tags.items()
    }


def milliseconds(seconds: float) -> int:
    """Epoch seconds as MLflow counts time."""
    return round(seconds * 1000)
