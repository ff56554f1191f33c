"""Write reports whole or not at all."""

from __future__ import annotations

from pathlib import Path

from datasets.errors import InputError


def write_whole(file: Path, content: str | bytes) -> None:
    """Write `content` under a temporary name and give it `file`'s name at once.

    Raises InputError where it cannot be written, as on a full disk.
    """
    partial = file.with_name(f".{file.name}.partial")
    try:
        partial.write_bytes(content.encode() if isinstance(content, str) else content)
        partial.replace(file)
    except OSError as error:
        raise InputError(
            f"{file} cannot be written ({error.strerror}); make room and run the same command again"
        ) from error
