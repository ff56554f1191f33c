"""Zip archives read in place: nothing is unpacked, and one that tries to escape is refused."""

from __future__ import annotations

import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from datasets.errors import InputError

_ENCRYPTED = 0x1
_ABSOLUTE = re.compile(r"^([/\\]|[A-Za-z]:)")


def members(path: Path) -> list[str]:
    """Names of the files in the archive, in its own order.

    Raises InputError if the file is no whole zip, or if any member has an absolute path, climbs
    out of the folder by '..', is a link or device, or is encrypted.
    """
    with _opened(path) as archive:
        for member in archive.infolist():
            _refuse_unsafe(path, member)
        return [member.filename for member in archive.infolist() if not member.is_dir()]


@contextmanager
def open_member(path: Path, member: str) -> Iterator[IO[bytes]]:
    """The bytes of one member as a stream; call `members` first, which refuses unsafe archives.

    Raises InputError if the archive or the member is damaged, also while the stream is read.
    """
    with _opened(path) as archive, archive.open(member) as stream:
        yield stream


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise InputError(
            f"{path}: not a readable zip archive ({error}); fetch or write it anew"
        ) from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error


def _refuse_unsafe(path: Path, member: zipfile.ZipInfo) -> None:
    mode = member.external_attr >> 16
    # The name as stored: `filename` is cut at a NUL and has its separators turned.
    names = (member.filename, member.orig_filename)
    if any(_ABSOLUTE.match(name) for name in names):
        fault = "has an absolute path"
    elif any(".." in re.split(r"[/\\]", name) for name in names):
        fault = "points out of the archive's folder"
    elif stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        fault = "is a link or device"
    elif member.flag_bits & _ENCRYPTED:
        fault = "is encrypted"
    else:
        return
    raise InputError(
        f"{path}: member '{member.filename}' {fault}, so the archive is refused; "
        "use one from a source you trust"
    )
