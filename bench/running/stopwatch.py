"""Seconds of training and ranking, and peak memory; imports no torch, which would add to it."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path


class Stopwatch:
    """Adds up the seconds of `with` blocks.

    `synchronise` is called before every reading, so that work still queued on a GPU is counted.
    """

    def __init__(
        self,
        synchronise: Callable[[], None] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._synchronise = synchronise
        self._clock = clock
        self.elapsed = 0.0
        """Seconds of all blocks that have ended."""

    def __enter__(self) -> None:
        self._started = self._now()

    def __exit__(self, *_: object) -> None:
        self.elapsed += self._now() - self._started

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
        # A child inherits ru_maxrss through fork and exec, but not VmHWM.
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
