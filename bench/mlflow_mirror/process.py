"""The mirror in another process: as a thread, MLflow's Python code would slow the benchmark."""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TypeAlias

from bench.mlflow_mirror.connection import is_refusal, summary
from bench.mlflow_mirror.mirror import Mirror
from bench.mlflow_mirror.shown_run import Run
from bench.processes.fork_server import start_worker, worker_context

SECONDS_TO_END = 5.0


@dataclass(frozen=True)
class Answer:
    """How a request ended, as text: unpickling MLflow's errors would import MLflow."""

    address: str = ""
    error: str | None = None
    """Why the store cannot be used."""
    refusal: str | None = None
    """Why it refused one run, while it still answers."""


Requests: TypeAlias = "Connection[Run | Path | None, Answer | str]"
"""Takes runs or folders to show, and None to end all open runs.

It sends an `Answer` when the store is open and one for each request; a text is a warning.
"""


@contextlib.contextmanager
def mirror_process(uri: str | None, experiment: str) -> Iterator[tuple[BaseProcess, Requests]]:
    """A running mirror process, killed at the end."""
    context = worker_context()
    connection, theirs = context.Pipe()
    # The fork server may have an older environment.
    surroundings = (dict(os.environ), Path.cwd())
    process = context.Process(
        target=_serve, args=(theirs, uri, experiment, *surroundings), name="mlflow", daemon=True
    )

    def kill() -> None:
        if process.pid is not None:
            process.kill()

    # It ignores the signal with which `multiprocessing` ends daemons.
    atexit.register(kill)
    start_worker(process)
    theirs.close()
    try:
        yield process, connection
    finally:
        kill()  # a regular exit would take a second
        process.join(SECONDS_TO_END)
        connection.close()
        atexit.unregister(kill)


def _serve(
    connection: Connection[Answer | str, Run | Path | None],
    uri: str | None,
    experiment: str,
    environment: dict[str, str],
    folder: Path,
) -> None:
    """Open a store and serve `connection` until its other end is closed."""
    # Signals may reach the whole process group; the parent decides when this process ends.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    # stdout is for the table, so MLflow must not print there.
    os.dup2(2, 1)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    # If the parent has died, nobody waits for the rest.
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            # Garbage collection among the import's objects, which stay alive, would take a quarter
            # of the import's time and most of the time to send a model.
            gc.disable()
            mirror = Mirror(uri, experiment, connection.send)
            gc.freeze()
            gc.enable()
        except Exception as error:
            connection.send(Answer(error=summary(error)))
            return
        connection.send(Answer(mirror.address))
        while True:
            source = connection.recv()
            answer = Answer()
            try:
                if source is None:
                    mirror.end_open_runs()
                else:
                    mirror.show(source)
            except Exception as error:
                text = summary(error)
                answer = Answer(refusal=text) if is_refusal(error) else Answer(error=text)
            connection.send(answer)
