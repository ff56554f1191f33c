"""What a trial costs: seconds, speed and memory.

No import of torch here: a model without it shall not carry its memory.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from types import TracebackType

from datasets.errors import InputError


@dataclass(frozen=True)
class Cost:
    """Cost of one trial, as `cost.json` holds it."""

    train_seconds: float
    """Seconds inside the model's `fit`, validation excluded."""
    seconds_to_best_epoch: float
    """Seconds inside `fit` until the end of the epoch whose weights were kept."""
    epochs: int
    """Epochs that ran."""
    best_epoch: int
    """Epoch whose weights were kept, from 1."""
    train_events: int
    """Targets trained on, over all epochs."""
    events_per_second: float
    """`train_events / train_seconds`."""
    ranking_seconds: float
    """Seconds to score and rank the test events."""
    milliseconds_per_scored_event: float
    """Milliseconds to score and rank one test event, in blocks."""
    peak_memory_bytes: int
    """Most memory that the trial's process held at once."""
    device: str
    """Device that trained, "cpu" or "cuda"."""
    threads: int
    """Threads that computed."""
    others_load: float | None = None
    """Cores that other processes kept busy on average during the fit; None: unknown, as in records
    from before this was measured, on systems without /proc/stat, and of fits under a second."""
    cores: int | None = None
    """Cores that the trial might use, which `others_load` is a part of; None where that is."""

    def to_json(self) -> str:
        """One JSON object; raises ValueError for NaN and infinity, which JSON does not have."""
        return json.dumps(asdict(self), indent=2, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str, source: str = "cost.json") -> Cost:
        """Read what `to_json` wrote; raises InputError, naming `source`, where it is damaged."""
        fix = "remove its folder and run again."
        try:
            record = json.loads(text)
        except ValueError as error:
            raise InputError(f"{source} is not JSON ({error}); {fix}") from error
        if not isinstance(record, dict):
            raise InputError(f"{source} is not a JSON object; {fix}")
        needed = {field.name for field in fields(cls) if field.default is MISSING}
        known = {field.name for field in fields(cls)}
        wrong = sorted((needed - set(record)) | (set(record) - known))
        if wrong:
            raise InputError(f"{source} has unknown or missing keys {', '.join(wrong)}; {fix}")
        return cls(**record)


class Stopwatch:
    """Adds up the seconds of the stretches between `start` and `stop`, or of `with` blocks.

    `synchronise` is called before every reading, so that work a GPU was only given is counted.
    """

    def __init__(
        self,
        synchronise: Callable[[], None] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._synchronise = synchronise
        self._clock = clock
        self._seconds = 0.0
        self._started: float | None = None

    def start(self) -> None:
        """Begin a stretch; raises RuntimeError where one runs already."""
        if self._started is not None:
            raise RuntimeError("The stopwatch runs already.")
        self._started = self._now()

    def stop(self) -> None:
        """End a stretch; raises RuntimeError where none runs."""
        if self._started is None:
            raise RuntimeError("The stopwatch does not run.")
        self._seconds += self._now() - self._started
        self._started = None

    @property
    def elapsed(self) -> float:
        """Seconds of all stretches, one that still runs included."""
        running = 0.0 if self._started is None else self._now() - self._started
        return self._seconds + running

    def __enter__(self) -> Stopwatch:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _now(self) -> float:
        if self._synchronise is not None:
            self._synchronise()
        return self._clock()


def synchroniser(device: str) -> Callable[[], None] | None:
    """What a stopwatch calls to wait for `device` ("cpu", "cuda", "cuda:1"); None for the CPU."""
    if not device.startswith("cuda"):
        return None
    import torch

    return lambda: torch.cuda.synchronize(device)


def peak_memory_bytes() -> int:
    """Most resident memory in bytes that this process has held at once."""
    status = Path("/proc/self/status")
    if status.exists():
        # ru_maxrss passes from parent to child through fork and exec; VmHWM is the process's own.
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
