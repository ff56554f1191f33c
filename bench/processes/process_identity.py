"""Tags that name a process, by which a later one knows whether it has ended."""

from __future__ import annotations

import platform
from collections.abc import Mapping

import psutil


def own_process_tags() -> dict[str, str]:
    """Tags by which a later process can tell whether this one still runs."""
    process = psutil.Process()
    return {
        "host": platform.node(),
        "process_id": str(process.pid),
        "process_started": _start(process),
    }


def has_ended(tags: Mapping[str, str]) -> bool:
    """Whether the process that wrote `tags` ran on this machine and has ended.

    False if that cannot be known: another host, no tags, a process that hides its start.
    """
    process_id = tags.get("process_id", "")
    if tags.get("host") != platform.node() or not process_id.isdigit():
        return False
    try:
        process = psutil.Process(int(process_id))
        # A reused id belongs to a process that started later.
        reused = _start(process) != tags.get("process_started", _start(process))
        return reused or process.status() == psutil.STATUS_ZOMBIE
    except psutil.AccessDenied:
        return False
    except psutil.NoSuchProcess:
        return True


def _start(process: psutil.Process) -> str:
    """Hundredths of a second from boot to the process's start, whatever the clock is set to."""
    return str(round(100 * (process.create_time() - psutil.boot_time())))
