"""An MLflow store in a process of its own.

MLflow's import and its calls are seconds of Python, which as a thread would hold up the process
that splits the data and draws the report.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from bench.mlflow_mirror.errors import is_refusal, summary
from bench.mlflow_mirror.store import MlflowStore
from bench.processes.fork_server import start_worker, worker_context

SECONDS_TO_END = 5.0

Call = Callable[[MlflowStore], None]
"""What the store is to do, in a form that can be pickled."""


class StoreError(Exception):
    """An error in the store's process, in words: to unpickle MLflow's own would import MLflow."""

    def __init__(self, text: str, *, refused: bool) -> None:
        super().__init__(text)
        self.refused = refused
        """Whether one trial was refused while the store itself answers."""


@dataclass(frozen=True)
class _Answer:
    """How a call ended."""

    address: str = ""
    error: str | None = None
    refused: bool = False


class MlflowProcess:
    """Starts the process of an `MlflowStore`; what waits for an answer passes on its warnings."""

    def __init__(self, uri: str | None, experiment: str, warn: Callable[[str], None]) -> None:
        self._warn = warn
        context = worker_context()
        self._connection, theirs = context.Pipe()
        # The fork server's surroundings may be older than those of now.
        surroundings = (dict(os.environ), Path.cwd())
        self._process = context.Process(
            target=_serve, args=(theirs, uri, experiment, *surroundings), name="mlflow", daemon=True
        )
        # It does not heed the signal by which `multiprocessing` ends daemons.
        atexit.register(self.kill)
        start_worker(self._process)
        theirs.close()

    def __enter__(self) -> MlflowProcess:
        return self

    def __exit__(self, *_: object) -> None:
        """End the process: every call is answered, and Python's own end would take a second."""
        self.kill()
        self._process.join(SECONDS_TO_END)
        self._connection.close()
        atexit.unregister(self.kill)

    def open(self) -> str:
        """Wait until the store is open and return its address; raises `StoreError`."""
        return self._answer().address

    def call(self, call: Call) -> None:
        """Let the store do `call`; raises `StoreError`."""
        # Where the process has ended, what it said last is still to be read.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._connection.send(call)
        self._answer()

    def kill(self) -> None:
        """End the process whatever it does, if it has begun."""
        if self._process.pid is not None:
            self._process.kill()

    def _answer(self) -> _Answer:
        try:
            while isinstance(said := self._connection.recv(), str):
                self._warn(said)
        except (EOFError, ConnectionResetError) as error:
            raise StoreError("its process has ended", refused=False) from error
        answer: _Answer = said
        if answer.error is not None:
            raise StoreError(answer.error, refused=answer.refused)
        return answer


def _serve(
    connection: Connection,
    uri: str | None,
    experiment: str,
    environment: dict[str, str],
    folder: Path,
) -> None:
    """Open a store and do what comes through `connection`, until its other end is closed."""
    # These may reach the whole process group; the parent decides what is still to be sent.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # stdout belongs to the table, whatever MLflow prints.
    os.dup2(2, 1)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    # Where the parent is gone, nobody waits for the rest.
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            # What the import makes stays: to look through it again and again is a quarter of the
            # import's time, and of a model's sending most.
            gc.disable()
            store = MlflowStore(uri, experiment, connection.send)
            gc.freeze()
            gc.enable()
        except Exception as error:
            connection.send(_failure(error))
            return
        connection.send(_Answer(address=store.address))
        while True:
            connection.send(_done(connection.recv(), store))


def _done(call: Call, store: MlflowStore) -> _Answer:
    try:
        call(store)
    except Exception as error:
        return _failure(error)
    return _Answer()


def _failure(error: Exception) -> _Answer:
    return _Answer(error=summary(error), refused=is_refusal(error))
