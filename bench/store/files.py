"""Atomic writes, and JSON records that carry their format version."""

from __future__ import annotations

import csv
import json
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
from numpy.lib.npyio import NpzFile

from datasets.errors import InputError

Record = TypeVar("Record")


_DAMAGED = (
    OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, csv.Error,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip


@contextmanager
def reading(file: Path, fix: str) -> Iterator[None]:
    """Turn any failure to read or parse `file` into an InputError that ends with `fix`."""
    try:
        yield
    except _DAMAGED as error:
        raise InputError(f"{file} cannot be read ({error}); {fix}") from error


@contextmanager
def reading_arrays(file: Path, fix: str) -> Iterator[NpzFile]:
    """The arrays of an `.npz` file; raises as `reading` does."""
    # NumPy leaves a damaged file open, unless it was opened for it.
    with (
        reading(file, fix),
        file.open("rb") as opened,
        np.load(opened, allow_pickle=False) as found,
    ):
        yield found


@contextmanager
def replacing(file: Path) -> Iterator[BinaryIO]:
    """A new file that replaces `file`, synced to disk, when the block ends without an exception.

    Raises OSError if it cannot be written.
    """
    partial = file.with_name(f".{file.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as opened:
            yield opened
            opened.flush()
            os.fsync(opened.fileno())
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def write_whole(file: Path, content: str | bytes) -> None:
    """Write `content` by `replacing`; raises InputError where it cannot be written."""
    try:
        with replacing(file) as opened:
            opened.write(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise InputError(
            f"{file} cannot be written ({error.strerror}); make room and run the same command again"
        ) from error


def read_versioned(
    file: Path,
    version: int,
    build: Callable[[dict[str, Any]], Record],
    *,
    absent: str,
    other_version: str,
    damaged: str,
) -> Record:
    """Read a JSON object whose `format_version` is `version`, and convert it by `build`.

    `absent`, `other_version` and `damaged` end the InputError that is raised if the file cannot be
    read, has another version, or does not fit `build`.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        found = content["format_version"]
        if found != version:
            raise InputError(
                f"{file} has format_version {found}, this code reads {version}; {other_version}"
            )
        return build(content)
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}); {absent}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file} is damaged ({error}); {damaged}") from error
