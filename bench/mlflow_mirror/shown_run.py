"""A run as MLflow is to show it, with names, texts and numbers in the forms that MLflow accepts."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bench.store.curve import CURVE, read_curve
from bench.store.trial import COST, TRACEBACK, TRIAL_RECORD, read_trial_record

if TYPE_CHECKING:
    from mlflow.entities import Metric

RunStatus = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]
MAX_PARAMETER_LENGTH = 6000
MAX_TAG_LENGTH = 5000
PARAMETERS_FILE = "parameters.json"
TRIAL_TAG, BENCHMARK_TAG = "trial_id", "benchmark_id"
_ARTIFACTS = (TRIAL_RECORD, CURVE, COST, TRACEBACK)
_SO_FAR = {"train_seconds", "events_per_second"}
"""Columns of the curve that are final figures too."""


@dataclass(frozen=True)
class Epoch:
    """A row of a learning curve."""

    number: int
    measured: float
    """Seconds since 1970."""
    figures: Mapping[str, float]
    """By the names of the other columns of `curve.csv`."""


@dataclass(frozen=True)
class Run:
    """Everything MLflow shows of a trial or a benchmark, running or ended."""

    id: str
    name: str
    parameters: Mapping[str, Any]
    tags: Mapping[str, str]
    started: float
    """Seconds since 1970."""
    id_tag: str = TRIAL_TAG
    """Tag that holds `id`; a BENCHMARK_TAG makes the run the parent of the trials shown next."""
    curve: tuple[Epoch, ...] = ()
    status: RunStatus = "RUNNING"
    reason: str | None = None
    ended: float = math.nan
    """Seconds since 1970; NaN while it runs."""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[Path, ...] = ()
    """Files and folders to upload if they exist."""
    model: Path | None = None
    """Folder of the finished trial whose model to log."""

    @property
    def label(self) -> str:
        """Its name in warnings."""
        return self.id if self.id_tag == TRIAL_TAG else self.name

    def end(self, status: RunStatus, reason: str | None = None, files: Sequence[Path] = ()) -> Run:
        """This run, ended now."""
        return replace(self, status=status, reason=reason, files=tuple(files), ended=time.time())


def benchmark_run(benchmark_id: str, labels: Sequence[str], parameters: Mapping[str, Any]) -> Run:
    """The run of a benchmark that starts now."""
    name = f"benchmark: {', '.join(labels)}"
    return Run(benchmark_id, name, parameters, {}, time.time(), BENCHMARK_TAG)


def trial_run(folder: Path) -> Run:
    """The run of an ended trial's folder; raises InputError if a file is missing or damaged.

    An epoch's time is the trial's start plus its training seconds: `curve.csv` has no other.
    """
    record = read_trial_record(folder)
    finished = record.status == "finished"
    curve = tuple(
        Epoch(
            number=int(row.pop("epoch")),
            measured=min(record.started + row["train_seconds"], record.ended),
            figures=row,
        )
        for row in read_curve(folder)
    )
    return Run(
        id=record.id,
        name=record.name,
        parameters=record.parameters,
        tags=record.tags,
        started=record.started,
        curve=curve,
        status="FINISHED" if finished else "FAILED",
        reason=record.reason,
        ended=record.ended,
        metrics=record.metrics,
        files=tuple(folder / name for name in _ARTIFACTS),
        model=folder if finished else None,
    )


def curve_points(epochs: Iterable[Epoch]) -> list[Metric]:
    """Epochs as points of MLflow's curves."""
    return [
        point
        for epoch in epochs
        for point in _points(epoch.figures, tracked_curve_name, epoch.measured, epoch.number)
    ]


def final_points(run: Run) -> list[Metric]:
    """Final figures of an ended run, at its last epoch: MLflow shows the value of the last step."""
    step = run.curve[-1].number if run.curve else 0
    return _points(run.metrics, tracked_name, run.ended, step)


def tracked_name(name: str) -> str:
    """Name of a metric in MLflow, which rejects '@': "Recall@20" is "recall_at_20"."""
    words = re.sub(r"[^a-z0-9_]", "_", name.lower().replace("@", "_at_"))
    return re.sub(r"_+", "_", words).strip("_")


def tracked_curve_name(column: str) -> str:
    """Name of a column of the learning curve: "Recall@20" is "valid_recall_at_20".

    Final figures need other names, or the last epoch would have two points.
    """
    name = tracked_name(column)
    if name in _SO_FAR:
        return f"{name}_so_far"
    return f"valid_{name}" if "@" in column and not name.startswith("valid_") else name


def parameter_texts(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Parameters in full length: text as it is, everything else as JSON."""
    return {
        _key(name): value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in parameters.items()
    }


def tracked_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags with names and lengths that MLflow accepts."""
    return {
        _key(name): shortened(str(value), MAX_TAG_LENGTH, TRIAL_RECORD)
        for name, value in tags.items()
    }


def shortened(text: str, limit: int, whole_in: str) -> str:
    """`text` cut to `limit` characters, with a note that the file `whole_in` has all of it."""
    if len(text) <= limit:
        return text
    note = f"... (shortened from {len(text):,} characters; the whole is in {whole_in})"
    return text[: limit - len(note)] + note


def milliseconds(seconds: float) -> int:
    """Seconds since 1970 as MLflow counts time."""
    return round(seconds * 1000)


def _key(name: str) -> str:
    """Name of a parameter or tag with the characters that MLflow rejects replaced by '_'."""
    return re.sub(r"[^\w\-. :/]", "_", name)


def _points(
    figures: Mapping[str, Any], name_of: Callable[[str], str], seconds: float, step: int
) -> list[Metric]:
    """The finite numbers among `figures`; undefined ones are omitted, not sent as NaN."""
    from mlflow.entities import Metric

    return [
        Metric(name_of(name), float(value), milliseconds(seconds), step)
        for name, value in figures.items()
        if isinstance(value, (int, float)) and math.isfinite(value)
    ]
