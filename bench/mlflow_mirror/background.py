"""Mirror a benchmark to MLflow while it runs, without ever making it wait.

Nothing is lost if MLflow fails: the same command run again mirrors the trial folders.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Callable, Hashable
from multiprocessing.process import BaseProcess
from pathlib import Path

from bench.mlflow_mirror.connection import configure_mlflow, summary, without_password
from bench.mlflow_mirror.process import Answer, Requests, mirror_process
from bench.mlflow_mirror.shown_run import Run

NO_TRACKING = "none"
EXIT_TIMEOUT = 20.0
"""Seconds to wait, on leaving the context, for what is still to be sent."""

_LATER = "results are on disk, and the same command run again fills MLflow from them"


class Tracker:
    """Has runs shown in an MLflow experiment, in order; no method but `close` waits.

    `uri` is None as in `Mirror`, or "none" to show nothing. If the store fails, one warning names
    its address and nothing further is sent. If it refuses a single run, one warning names that run
    and the others continue. `warn` is called from the sending thread, which also waits for the
    mirror's process to start and to answer.
    """

    def __init__(self, uri: str | None, experiment: str, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._keys: queue.SimpleQueue[Hashable] = queue.SimpleQueue()
        self._sources: dict[Hashable, Run | Path] = {}
        self._refused: set[str] = set()
        self._process: BaseProcess | None = None
        self._thread: threading.Thread | None = None
        self._sending = uri != NO_TRACKING
        if self._sending:
            configure_mlflow()
            address = uri or os.environ.get("MLFLOW_TRACKING_URI")
            self._address = without_password(address or "its default store in this folder")
            # A daemon, since a store that does not answer must not keep the process from ending.
            self._thread = threading.Thread(
                target=self._send_all, args=(uri, experiment), name="mlflow", daemon=True
            )
            self._thread.start()

    def __enter__(self) -> Tracker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close(EXIT_TIMEOUT)

    def show(self, source: Run | Path) -> None:
        """Have MLflow show a run as it is now, or the ended trial in a folder."""
        if self._sending and self._thread is not None:
            # A slow store gets only the latest state of a running trial.
            key = source if isinstance(source, Path) else (source.id, source.started, source.status)
            self._sources[key] = source
            self._keys.put(key)

    def close(self, timeout: float) -> None:
        """Wait at most `timeout` seconds until all is sent, and warn if it is not.

        Open runs are ended as KILLED. Further calls do nothing.
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
            with mirror_process(uri, experiment) as (self._process, connection):
                self._address = without_password(self._answer(connection).address)
                while self._sending and (key := self._keys.get()) is not None:
                    if (source := self._sources.pop(key, None)) is not None:
                        self._send(connection, source)
                self._send(connection, None)
                self._sending = False
        except Exception as error:
            if self._sending:
                self._sending = False
                self._warn(
                    f"MLflow at {self._address} cannot be used ({summary(error)}): {_LATER}."
                )

    def _send(self, connection: Requests, source: Run | Path | None) -> None:
        # If the process has ended, its last answer is still to be read.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.send(source)
        refusal = self._answer(connection).refusal
        if refusal is not None and source is not None:
            label = source.name if isinstance(source, Path) else source.label
            if label not in self._refused:
                self._refused.add(label)
                self._warn(f"MLflow at {self._address} lacks a part of {label}: {refusal}")

    def _answer(self, connection: Requests) -> Answer:
        """Wait for the next answer; raises ConnectionError if the store cannot be used."""
        try:
            while isinstance(said := connection.recv(), str):
                self._warn(said)
        except (EOFError, ConnectionResetError) as error:
            raise ConnectionError("its process has ended") from error
        if said.error is not None:
            raise ConnectionError(said.error)
        return said
