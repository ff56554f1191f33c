"""Write reports whole or not at all."""

from __future__ import annotations

from pathlib import Path

from datasets.errors import InputError


def write_whole(file: Path, text: str) -> None:
    """Write `text` under a temporary name and give it `file`'s name at once.

    Raises InputError where it cannot be written, as on a full disk.
    """
    partial = file.with_name(f".{file.name}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(file)
    except OSError as error:
        raise InputError(
            f"{file} cannot be written ({error.strerror}); make room and run the same command again"
        ) from error
