"""Run a trial in its own process, which isolates its memory and its crashes."""

from __future__ import annotations

import signal
from collections.abc import Callable

from bench.processes.fork_server import start_worker, worker_context
from bench.running.worker import Ended, Message, TrialTask, work

SECONDS_TO_END = 5.0


def run_in_process(task: TrialTask, on_message: Callable[[Message], None]) -> Ended:
    """Run `task` in a new process, passing on its messages, and return how it ended.

    A process that dies without a message, as one killed for its memory does, is a failed trial. If
    `on_message` or a signal handler raises, the process is ended first.
    """
    context = worker_context()
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(task, sender), name=task.spec.id, daemon=True)
    start_worker(process)
    sender.close()
    try:
        while True:
            try:
                message = receiver.recv()
            except EOFError:
                process.join()
                return Ended(_death(process.exitcode))
            if isinstance(message, Ended):
                process.join(SECONDS_TO_END)
                return message
            on_message(message)
    finally:
        receiver.close()
        if process.is_alive():
            process.terminate()
            process.join(SECONDS_TO_END)
        if process.is_alive():
            process.kill()
            process.join()


def _death(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        name = signal.Signals(-exit_code).name
        hint = "; it may have used up the memory" if name == "SIGKILL" else ""
        return f"its process was ended by {name}{hint}"
    return f"its process ended with exit status {exit_code} before its trial was whole"
