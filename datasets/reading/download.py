"""Downloads that end whole or not at all: size and checksum first, the final name last."""

from __future__ import annotations

import hashlib
import http.client
import os
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from datasets.errors import InputError

_TIMEOUT_SECONDS = 30.0
_CHUNK_BYTES = 1 << 18
_MAX_TEXT_BYTES = 1 << 16


@dataclass(frozen=True)
class Checksum:
    """What a file must be, as its publisher says."""

    algorithm: Literal["sha256", "md5"]
    digest: str
    """Hexadecimal, lower case."""
    size: int | None = None
    """Bytes, where recorded."""

    def fault(self, path: Path) -> str | None:
        """What is wrong with the file, in a few words; None if it is whole."""
        size = path.stat().st_size
        if self.size is not None and size != self.size:
            return f"it has {size:,} bytes where {self.size:,} belong"
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, self._new_hash).hexdigest()
        return None if found == self.digest else f"its {self.algorithm} is {found}"

    def _new_hash(self) -> hashlib._Hash:
        # MD5 is what GroupLens publishes; here it finds damage, it guards against nobody.
        return hashlib.new(self.algorithm, usedforsecurity=False)


def download(url: str, target: Path, checksum: Checksum, *, notify: Callable[[str], None]) -> None:
    """Fetch `url` into `target`, with a bar on a terminal's stderr.

    Writes beside `target` under a temporary name and renames once size and checksum are right, so
    `target` is never half a file. Raises InputError with the address and the place for the file
    if it cannot be fetched or is not what it should be.
    """
    notify(f"downloading {url} to {target}")
    part = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=target.parent, prefix=f".{target.name}-", suffix=".part", delete=False
        ) as file:
            part = Path(file.name)
            _copy(url, file, checksum.size)
            file.flush()
            os.fsync(file.fileno())
        fault = checksum.fault(part)
        if fault:
            raise _failure(url, target, f"what came is not the published file: {fault}")
        part.replace(target)
    except (OSError, http.client.HTTPException, _TransferError) as error:
        raise _failure(url, target, _reason(error)) from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


def fetch_text(url: str, needed_for: Path) -> str:
    """The short text at `url`; raises InputError if it cannot be fetched."""
    try:
        with _open(url) as response:
            return response.read(_MAX_TEXT_BYTES).decode("utf-8", errors="replace")
    except (OSError, http.client.HTTPException, _TransferError) as error:
        raise _failure(url, needed_for, _reason(error)) from error


class _TransferError(Exception):
    """A transfer that went wrong in a way that urllib lets pass."""


class _HttpOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https alone."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Any,
        newurl: str,
    ) -> urllib.request.Request | None:
        try:
            _check_scheme(newurl)
        except _TransferError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _check_scheme(url: str) -> None:
    scheme = urllib.parse.urlsplit(url).scheme
    if scheme not in ("http", "https"):
        raise _TransferError(f"'{scheme}' is neither http nor https")


def _open(url: str) -> http.client.HTTPResponse:
    _check_scheme(url)
    opener = urllib.request.build_opener(_HttpOnly)
    try:
        response: http.client.HTTPResponse = opener.open(url, timeout=_TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        raise _TransferError(f"the server answers {error.code} {error.reason}") from error
    return response


def _copy(url: str, file: IO[bytes], size: int | None) -> None:
    """Copy the body, refusing one that is shorter than announced or longer than recorded."""
    # Imported here because a run without a download needs none of it.
    from tqdm import tqdm

    with _open(url) as response:
        length = response.headers.get("Content-Length")
        announced = int(length) if length and length.isdecimal() else None
        if size is not None and announced not in (None, size):
            raise _TransferError(f"the server offers {announced:,} bytes where {size:,} belong")
        received = 0
        with tqdm(
            total=announced or size, unit="B", unit_scale=True, disable=None, leave=False
        ) as bar:
            while chunk := response.read(_CHUNK_BYTES):
                received += len(chunk)
                if size is not None and received > size:
                    raise _TransferError(f"the server sends more than the {size:,} bytes due")
                file.write(chunk)
                bar.update(len(chunk))
    if announced is not None and received != announced:
        raise _TransferError(f"the transfer broke off after {received:,} of {announced:,} bytes")


def _reason(error: BaseException) -> str:
    if isinstance(error, urllib.error.URLError):
        return str(error.reason)
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error) or type(error).__name__


def _failure(url: str, target: Path, reason: str) -> InputError:
    return InputError(
        f"{url} could not be downloaded ({reason}); "
        f"try again when online, or put the file at {target} yourself"
    )
