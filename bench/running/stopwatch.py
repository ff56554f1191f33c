"""Measures a trial's process: seconds of training and ranking, and peak memory.

No import of torch here: the process of a model without it must not hold its memory.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType


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
