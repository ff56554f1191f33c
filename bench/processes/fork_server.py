"""The process that workers are forked from, so that torch is imported once and not per trial."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import threading
from functools import cache
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType

REPOSITORY = Path(__file__).resolve().parents[2]
PRELOADED = ["torch", "pandas", "bench.processes.numba_target"]
"""Modules that are slow to import and start no threads; those not installed are skipped."""
_STARTING = threading.Lock()


@cache
def start_fork_server() -> None:
    """Let the server import while this process does other things, or the first worker waits for it.

    Except on Linux, libraries do not survive a fork, and every worker starts afresh.
    """
    # By default GNU OpenMP's threads spin for milliseconds while they wait for each other, and one
    # other busy process then slows training tenfold or more; read when torch is loaded.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    if sys.platform == "linux":
        forkserver.set_forkserver_preload(PRELOADED)
        # The server finds modules of this program in its current folder alone; workers change to
        # that of their caller.
        with contextlib.chdir(REPOSITORY):
            forkserver.ensure_running()


def worker_context() -> ForkServerContext | SpawnContext:
    """The start method of worker processes on this system."""
    start_fork_server()
    if sys.platform == "linux":
        return multiprocessing.get_context("forkserver")
    return multiprocessing.get_context("spawn")


def start_worker(process: BaseProcess) -> None:
    """Start a process of `worker_context` that does not import the caller's `__main__`.

    `multiprocessing` would run that file again in the new process, which does not need it: a
    script without `if __name__ == "__main__"` would start its benchmark again in each worker.
    """
    with _STARTING:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            process.start()
        finally:
            sys.modules["__main__"] = main
