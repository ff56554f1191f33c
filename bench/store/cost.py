"""What a trial costs: seconds, speed and memory."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Cost:
    """Cost of one trial, as `cost.json` holds it."""

    train_seconds: float
    """Seconds inside the model's `fit`, validation excluded."""
    seconds_to_best_epoch: float
    """Seconds inside `fit` until the end of the best epoch."""
    epochs: int
    best_epoch: int
    """From 1."""
    train_events: int
    """Targets trained on, over all epochs."""
    events_per_second: float
    ranking_seconds: float
    """Seconds to score and rank the test events."""
    milliseconds_per_scored_event: float
    peak_memory_bytes: int
    """Of the trial's process."""
    device: str
    """Device that trained, "cpu" or "cuda"."""
    threads: int
    others_load: float | None = None
    """Mean number of cores busy with other processes during the fit; None if unknown, as on systems
    other than Linux and for fits under a second."""
    cores: int | None = None
    """Cores available to the trial, `others_load` included; None if that is."""

    def to_json(self) -> str:
        """One JSON object; raises ValueError for NaN and infinity, which JSON does not have."""
        return json.dumps(asdict(self), indent=2, allow_nan=False) + "\n"
