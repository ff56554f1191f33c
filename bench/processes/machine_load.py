"""Cores kept busy by other processes, by which a table marks times that are not comparable."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import psutil

SHORTEST_SECONDS = 1.0
"""Shorter intervals are within the system's resolution, a hundredth of a second a core."""


@dataclass(frozen=True)
class LoadReading:
    """Clock and processor seconds so far, of which only differences are meaningful."""

    clock: float
    cores: int
    """Cores that this process may use."""
    idle: float
    """Seconds in which these cores had nothing to do, added up."""
    counted: float
    """All seconds that the system has counted for these cores, idle or busy, added up."""
    own: float
    """Processor seconds of this process and of those of its children that have ended."""
    beside: Mapping[int, float] = field(default_factory=dict)
    """Processor seconds of the further processes that are no others, by number."""


def read_load(own: Collection[int] = ()) -> LoadReading | None:
    """Read the clocks; None on systems other than Linux.

    The processes `own` count as this one's own work, as do this one and its children that ended.
    """
    if sys.platform != "linux":
        return None
    # Work on other cores does not slow this process.
    cores = os.sched_getaffinity(0)
    seconds = core_seconds(cores)
    if seconds is None:
        return None
    idle, counted = seconds
    times = os.times()
    return LoadReading(
        clock=time.perf_counter(),
        cores=len(cores),
        idle=idle,
        counted=counted,
        own=time.process_time() + times.children_user + times.children_system,
        beside={process: _process_seconds(process) for process in own},
    )


def others_load(before: LoadReading | None, after: LoadReading | None) -> float | None:
    """Cores that other processes kept busy on average between two readings; None if unknown.

    All time neither idle nor one's own counts, so that time taken by a virtual machine's host does
    too, whether the system noticed ("steal") or lost its ticks. Unknown are an interval under
    `SHORTEST_SECONDS` and a system whose counters do not advance.
    """
    if before is None or after is None:
        return None
    seconds = after.clock - before.clock
    if seconds < SHORTEST_SECONDS or after.counted <= before.counted:
        return None
    busy = after.cores * seconds - (after.idle - before.idle)
    # A process that has ended since reads 0: what it did is not known.
    beside = sum(
        max(0.0, until - before.beside.get(process, 0.0)) for process, until in after.beside.items()
    )
    others = (busy - (after.own - before.own) - beside) / seconds
    return min(max(others, 0.0), float(after.cores))


def processes_beside() -> tuple[int, ...]:
    """The process that started this one by multiprocessing, and its other workers."""
    parent = multiprocessing.parent_process()
    if parent is None or parent.pid is None:
        return ()
    # A fork server's children are the workers of one process, this one among them.
    try:
        children = psutil.Process(os.getppid()).children()
    except psutil.Error:
        children = []
    return (parent.pid, *(child.pid for child in children if child.pid != os.getpid()))


def core_seconds(cores: Collection[int]) -> tuple[float, float] | None:
    """Idle seconds and all counted seconds of `cores` so far; None where the system hides them."""
    try:
        of_core = psutil.cpu_times(percpu=True)
    except OSError:
        return None
    if max(cores) >= len(of_core):
        return None  # cores are numbered with gaps, so which is which is not known
    used = [of_core[core] for core in cores]
    idle = sum(times.idle + times.iowait for times in used)
    # The seconds of guests are in user and nice already.
    return idle, sum(sum(times) - times.guest - times.guest_nice for times in used)


def _process_seconds(process: int) -> float:
    """Processor seconds of a process so far, 0 if it has gone."""
    try:
        times = psutil.Process(process).cpu_times()
    except psutil.Error:
        return 0.0
    return times.user + times.system
