"""Keeps a model from reading the test events in its process."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_MEMORY_SEARCHES = ("gc.get_objects", "gc.get_referrers")
_OTHER_NAMES = ("os.link", "os.rename", "os.symlink")


def hide(paths: Iterable[Path]) -> None:
    """From now on this process can neither open `paths`, or files in them, nor search its memory.

    The hook cannot be removed. It sees only what Python opens, not native code.
    """
    hidden = [os.path.realpath(path) for path in paths]

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
            opened = os.path.realpath(os.fsdecode(arguments[0]))
            if any(opened == path or opened.startswith(path + os.sep) for path in hidden):
                raise PermissionError(
                    f"{opened} holds test events, which a trial may not read; "
                    "learn from the log given to fit"
                )
        elif event in _OTHER_NAMES and isinstance(arguments[0], str | bytes | os.PathLike):
            source = os.path.realpath(os.fsdecode(arguments[0]))
            if any((path + os.sep).startswith(source + os.sep) for path in hidden) or any(
                source.startswith(path + os.sep) for path in hidden
            ):
                raise PermissionError(
                    f"{source} holds test events, to which a trial may give no other name; "
                    "learn from the log given to fit"
                )
        elif event in _MEMORY_SEARCHES:
            raise PermissionError(f"a trial may not call {event}, which finds the test events")

    sys.addaudithook(refuse)
