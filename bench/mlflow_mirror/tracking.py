"""Mirror trials to MLflow beside a benchmark, which never waits for it.

What could not be sent is never lost, as the trial folders hold it: the same command run again
reuses them and sends each to MLflow with `mirror_trial`.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from bench.mlflow_mirror.address import without_password
from bench.mlflow_mirror.errors import summary
from bench.mlflow_mirror.process import Call, MlflowProcess, StoreError
from bench.mlflow_mirror.store import MlflowStore

RunStatus = Literal["FINISHED", "FAILED", "KILLED"]
NO_TRACKING = "none"
EXIT_TIMEOUT = 20.0
"""Seconds that leaving the context waits for what is still to be sent."""

_LATER = "results are on disk, and the same command run again fills MLflow from them"


@dataclass(frozen=True)
class _Message:
    trial_id: str
    call: Call


class Tracker:
    """Sends what it is told to an MLflow store, in order; no method but `close` waits.

    Where the store fails, one warning names its address and nothing further is sent. Where it
    refuses a single trial, one warning names the trial and the others go on. `warn` is called from
    the sending thread, which also waits for the store's process to start and to answer. Without
    `start_store` it drops everything.
    """

    def __init__(
        self,
        address: str,
        start_store: Callable[[], MlflowProcess] | None,
        warn: Callable[[str], None],
    ) -> None:
        self._address = address
        self._warn = warn
        self._messages: queue.SimpleQueue[_Message | None] = queue.SimpleQueue()
        self._refused: set[str] = set()
        self._sending = start_store is not None
        self._store: MlflowProcess | None = None
        self._thread: threading.Thread | None = None
        if start_store is not None:
            # A daemon: a store that hangs must not keep the process from ending.
            self._thread = threading.Thread(
                target=self._run, args=(start_store,), name="mlflow", daemon=True
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

    def start_trial(
        self,
        trial_id: str,
        name: str,
        parameters: Mapping[str, Any],
        tags: Mapping[str, str],
        started: float,
    ) -> None:
        """A trial begins at `started` (epoch seconds); `name` is the run's, "gru4rec seed 1"."""
        self._put(
            trial_id,
            partial(
                MlflowStore.start_trial,
                trial_id=trial_id,
                name=name,
                parameters=dict(parameters),
                tags=dict(tags),
                started=started,
            ),
        )

    def log_epoch(self, trial_id: str, epoch: int, metrics: Mapping[str, float]) -> None:
        """Figures of an epoch, by the names of the columns of `curve.csv`."""
        self._put(
            trial_id,
            partial(
                MlflowStore.log_epoch,
                trial_id=trial_id,
                epoch=epoch,
                metrics=dict(metrics),
                time=time.time(),
            ),
        )

    def end_trial(
        self, trial_id: str, status: RunStatus, folder: Path | None, reason: str | None
    ) -> None:
        """A trial has ended; its final figures and files come from `folder`, if there is one."""
        self._put(
            trial_id,
            partial(
                MlflowStore.end_trial,
                trial_id=trial_id,
                status=status,
                folder=folder,
                reason=reason,
                ended=time.time(),
            ),
        )

    def mirror_trial(self, folder: Path) -> None:
        """A trial reused from disk: its run is made from `folder` if MLflow does not have it."""
        self._put(folder.name, partial(MlflowStore.mirror_trial, folder=folder))

    def start_benchmark(self, benchmark_id: str, name: str, parameters: Mapping[str, Any]) -> None:
        """A benchmark begins: the trials from here on are its run's children."""
        self._put(
            name,
            partial(
                MlflowStore.start_benchmark,
                benchmark_id=benchmark_id,
                name=name,
                parameters=dict(parameters),
                started=time.time(),
            ),
        )

    def end_benchmark(self, status: RunStatus, paths: Sequence[Path]) -> None:
        """The benchmark has ended; its run takes the report's files and folders at `paths`."""
        self._put(
            "the benchmark",
            partial(
                MlflowStore.end_benchmark, status=status, paths=tuple(paths), ended=time.time()
            ),
        )

    def close(self, timeout: float) -> None:
        """Wait at most `timeout` seconds for what is still to be sent, and say what was not.

        A run that was started and not ended becomes KILLED. Further calls do nothing.
        """
        if self._thread is None:
            return
        self._messages.put(None)
        self._thread.join(timeout)
        if self._thread.is_alive() and self._sending:
            self._sending = False
            self._warn(
                f"MLflow at {self._address} did not take everything within {timeout:g} s: {_LATER}."
            )
            if self._store is not None:
                self._store.kill()
        self._thread = None

    def _put(self, trial_id: str, call: Call) -> None:
        if self._sending and self._thread is not None:
            self._messages.put(_Message(trial_id, call))

    def _run(self, start_store: Callable[[], MlflowProcess]) -> None:
        try:
            with start_store() as store:
                self._store = store
                self._address = without_password(store.open())
                while self._sending and (message := self._messages.get()):
                    self._send(store, message)
                store.call(partial(MlflowStore.end_open_runs, time=time.time()))
                # All is sent: what is left is the end of a process.
                self._sending = False
        except Exception as error:
            # Whatever it was, the benchmark goes on: its results are on disk.
            if self._sending:
                self._sending = False
                self._warn(
                    f"MLflow at {self._address} cannot be used ({summary(error)}): {_LATER}."
                )

    def _send(self, store: MlflowProcess, message: _Message) -> None:
        try:
            store.call(message.call)
        except StoreError as error:
            if not error.refused:
                raise
            if message.trial_id not in self._refused:
                self._refused.add(message.trial_id)
                self._warn(
                    f"MLflow at {self._address} lacks a part of {message.trial_id}: "
                    f"{summary(error)}"
                )


def make_tracker(uri: str | None, experiment: str, warn: Callable[[str], None]) -> Tracker:
    """Tracker of an experiment at `uri`, or one that drops everything where `uri` is "none".

    None means what MLFLOW_TRACKING_URI says, else MLflow's own default in this folder.
    """
    if uri == NO_TRACKING:
        return Tracker(NO_TRACKING, None, warn)
    quieten_mlflow()
    address = uri or os.environ.get("MLFLOW_TRACKING_URI") or "its default store in this folder"
    return Tracker(without_password(address), partial(MlflowProcess, uri, experiment, warn), warn)


def browse_hint(uri: str | None) -> str:
    """What a person does to browse the runs that a tracker of `uri` has sent."""
    address = uri or os.environ.get("MLFLOW_TRACKING_URI")
    if not address:
        return "mlflow ui --host 127.0.0.1"
    if address.startswith(("http://", "https://")):
        return without_password(address)
    return f"mlflow ui --backend-store-uri {without_password(address)} --host 127.0.0.1"


def quieten_mlflow() -> None:
    """Set MLflow's environment, before it is imported; what the user has set stays.

    MLflow would otherwise wait for minutes on a server that is down.
    """
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    # What lies in the current folder is no part of a model.
    os.environ.setdefault("MLFLOW_UV_AUTO_DETECT", "false")
    if "DO_NOT_TRACK" not in os.environ:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # stdout holds the table and nothing else.
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
