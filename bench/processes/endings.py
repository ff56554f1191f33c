"""How processes end: whether the writer of a record has, and signals that end this one."""

from __future__ import annotations

import os
import platform
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType


def own_process_tags() -> dict[str, str]:
    """Tags by which a later process can tell whether this one still runs."""
    process_id = os.getpid()
    return {
        "host": platform.node(),
        "process_id": str(process_id),
        "process_started": _state_and_start(process_id)[1],
    }


def has_ended(tags: Mapping[str, str]) -> bool:
    """Whether the process that wrote `tags` ran on this machine and has ended.

    False if that cannot be known: another host, no tags, a system without POSIX signals.
    """
    process_id = tags.get("process_id", "")
    if tags.get("host") != platform.node() or not process_id.isdigit() or os.name != "posix":
        return False
    if not exists(int(process_id)):
        return True
    state, started = _state_and_start(int(process_id))
    # A zombie still answers signals; a reused id belongs to a process that started later.
    return state == "Z" or started != tags.get("process_started", started)


def exists(process_id: int) -> bool:
    """Whether a process with this id exists on this machine."""
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def terminate_as_interrupt() -> Iterator[None]:
    """Treat SIGTERM and a closed terminal as Ctrl-C, so that they end as cleanly as it does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {
        number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _state_and_start(process_id: int) -> tuple[str, str]:
    """State letter and start (clock ticks since boot), empty where the system has no /proc."""
    try:
        text = Path(f"/proc/{process_id}/stat").read_text()
    except OSError:
        return "", ""
    # The second field is the command in brackets, which may itself hold spaces and brackets.
    fields = text.rpartition(")")[2].split()
    return fields[0], fields[19]
