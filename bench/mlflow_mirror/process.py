"""The mirror in a process of its own.

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

from bench.mlflow_mirror.connection import is_refusal, summary
from bench.mlflow_mirror.mirror import Mirror
from bench.mlflow_mirror.run import Run
from bench.processes.fork_server import worker_context

SECONDS_TO_END = 5.0


class StoreError(Exception):
    """An error in the mirror's process, in words: to unpickle MLflow's own would import MLflow."""

    def __init__(self, text: str, *, refused: bool) -> None:
        super().__init__(text)
        self.refused = refused
        """Whether the store refused one run but still answers."""


@dataclass(frozen=True)
class _Answer:
    """How a request ended."""

    address: str
    error: str | None = None
    refused: bool = False


class MirrorProcess:
    """Starts the process of a `Mirror`; what waits for an answer passes on its warnings."""

    def __init__(self, uri: str | None, experiment: str, warn: Callable[[str], None]) -> None:
        self._warn = warn
        context = worker_context()
        self._connection, theirs = context.Pipe()
        # The fork server's environment may be older than that of now.
        surroundings = (dict(os.environ), Path.cwd())
        self._process = context.Process(
            target=_serve, args=(theirs, uri, experiment, *surroundings), name="mlflow", daemon=True
        )
        # It ignores the signal by which `multiprocessing` ends daemons.
        atexit.register(self.kill)
        self._process.start()
        theirs.close()

    def __enter__(self) -> MirrorProcess:
        return self

    def __exit__(self, *_: object) -> None:
        """End the process: every request is answered, and Python's own end would take a second."""
        self.kill()
        self._process.join(SECONDS_TO_END)
        self._connection.close()
        atexit.unregister(self.kill)

    def answer(self) -> str:
        """Wait until the store is open, or a request is done; its address, or `StoreError`."""
        try:
            while isinstance(said := self._connection.recv(), str):
                self._warn(said)
        except (EOFError, ConnectionResetError) as error:
            raise StoreError("its process has ended", refused=False) from error
        answer: _Answer = said
        if answer.error is not None:
            raise StoreError(answer.error, refused=answer.refused)
        return answer.address

    def request(self, source: Run | Path | None) -> None:
        """Have a run shown, or with None all open runs ended; raises `StoreError`."""
        # Where the process has ended, what it said last is still to be read.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._connection.send(source)
        self.answer()

    def kill(self) -> None:
        """End the process whatever it does, if it has begun."""
        if self._process.pid is not None:
            self._process.kill()


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
            mirror = Mirror(uri, experiment, connection.send)
            gc.freeze()
            gc.enable()
        except Exception as error:
            connection.send(_Answer("", summary(error)))
            return
        connection.send(_Answer(mirror.address))
        while True:
            source: Run | Path | None = connection.recv()
            answer = _Answer(mirror.address)
            try:
                if source is None:
                    mirror.end_open_runs()
                else:
                    mirror.show(source)
            except Exception as error:
                answer = _Answer(mirror.address, summary(error), is_refusal(error))
            connection.send(answer)
