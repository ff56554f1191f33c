"""Mirror trials to MLflow beside a benchmark, which never waits for it.

What could not be sent is never lost, as the trial folders hold it: the same command run again
reuses them and shows each in MLflow.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Hashable
from pathlib import Path
from types import TracebackType

from bench.mlflow_mirror.connection import configure_mlflow, summary, without_password
from bench.mlflow_mirror.process import MirrorProcess, StoreError
from bench.mlflow_mirror.run import Run

NO_TRACKING = "none"
EXIT_TIMEOUT = 20.0
"""Seconds that leaving the context waits for what is still to be sent."""

_LATER = "results are on disk, and the same command run again fills MLflow from them"


class Tracker:
    """Has runs shown in an MLflow experiment, in order; no method but `close` waits.

    `uri` None means what MLFLOW_TRACKING_URI says, else MLflow's own default in this folder; with
    "none" nothing is shown.

    Where the store fails, one warning names its address and nothing further is sent. Where it
    refuses a single run, one warning names that run and the others go on. `warn` is called from
    the sending thread, which also waits for the mirror's process to start and to answer.
    """

    def __init__(self, uri: str | None, experiment: str, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._keys: queue.SimpleQueue[Hashable] = queue.SimpleQueue()
        self._sources: dict[Hashable, Run | Path] = {}
        self._refused: set[str] = set()
        self._process: MirrorProcess | None = None
        self._thread: threading.Thread | None = None
        self._sending = uri != NO_TRACKING
        if self._sending:
            configure_mlflow()
            named = (
                uri or os.environ.get("MLFLOW_TRACKING_URI") or "its default store in this folder"
            )
            self._address = without_password(named)
            # A daemon: a store that hangs must not keep the process from ending.
            self._thread = threading.Thread(
                target=self._send_all, args=(uri, experiment), name="mlflow", daemon=True
            )
            self._thread.start()

    def __enter__(self) -> Tracker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close(EXIT_TIMEOUT)

    def show(self, source: Run | Path) -> None:
        """Have MLflow show a run as it is now, or the ended trial in a folder."""
        if self._sending and self._thread is not None:
            # A slow store is sent the latest state of a running trial, which holds all before it.
            key = source if isinstance(source, Path) else (source.id, source.started, source.status)
            self._sources[key] = source
            self._keys.put(key)

    def close(self, timeout: float) -> None:
        """Wait at most `timeout` seconds for what is still to be sent, and say what was not.

        A run that was started and not ended becomes KILLED. Further calls do nothing.
        """
        if self._thread is None:
            return
        self._keys.put(None)
        self._thread.join(timeout)
        if self._thread.is_alive() and self._sending:
            self._sending = False
            self._warn(
                f"MLflow at {self._address} did not take everything within {timeout:g} s: {_LATER}."
            )
            if self._process is not None:
                self._process.kill()
        self._thread = None

    def _send_all(self, uri: str | None, experiment: str) -> None:
        try:
            with MirrorProcess(uri, experiment, self._warn) as process:
                self._process = process
                self._address = without_password(process.answer())
                while self._sending and (key := self._keys.get()) is not None:
                    if (source := self._sources.pop(key, None)) is not None:
                        self._send(process, source)
                process.request(None)
                # All is sent: what is left is the end of a process.
                self._sending = False
        except Exception as error:
            # Whatever it was, the benchmark goes on: its results are on disk.
            if self._sending:
                self._sending = False
                self._warn(
                    f"MLflow at {self._address} cannot be used ({summary(error)}): {_LATER}."
                )

    def _send(self, process: MirrorProcess, source: Run | Path) -> None:
        try:
            process.request(source)
        except StoreError as error:
            if not error.refused:
                raise
            label = source.name if isinstance(source, Path) else source.label
            if label not in self._refused:
                self._refused.add(label)
                self._warn(f"MLflow at {self._address} lacks a part of {label}: {summary(error)}")
