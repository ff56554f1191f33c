"""Downloads that end whole or not at all: the checksum first, the final name last."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from datasets.dataset import Notify
from datasets.errors import InputError

_TIMEOUT_SECONDS = 30.0
_CHUNK_BYTES = 1 << 18


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
        # MD5 is what GroupLens publishes; it detects damage here and is no security measure.
        return hashlib.new(self.algorithm, usedforsecurity=False)


def download(url: str, target: Path, checksum: Checksum, *, notify: Notify) -> None:
    """Fetch `url` into `target`, with a bar on a terminal's stderr.

    Writes to a temporary name next to `target` and renames once the checksum is right, so
    `target` is never half a file. Raises InputError with the address and the place for the file
    if it cannot be fetched or is not what it should be.
    """
    # Imported here because most runs download nothing.
    import pooch
    import requests

    notify(f"downloading {url} to {target}")
    pooch.get_logger().setLevel("ERROR")
    transfer = pooch.HTTPDownloader(
        progressbar=sys.stderr.isatty(), chunk_size=_CHUNK_BYTES, timeout=_TIMEOUT_SECONDS
    )

    def fetch(url: str, file: str, caller: object) -> None:
        transfer(url, file, caller)
        # pooch checks the hash as well, but says what is wrong in three sentences.
        if fault := checksum.fault(Path(file)):
            raise _failure(url, target, f"what came is not the published file: {fault}")

    try:
        pooch.retrieve(
            url,
            known_hash=f"{checksum.algorithm}:{checksum.digest}",
            fname=target.name,
            path=target.parent,
            downloader=fetch,
        )
    except (OSError, requests.RequestException) as error:
        if isinstance(error, requests.HTTPError):
            error.response.close()  # pooch leaves its socket open
        raise _failure(url, target, _reason(error)) from error


def fetch_text(url: str, needed_for: Path) -> str:
    """The short text at `url`; raises InputError if it cannot be fetched."""
    import requests

    try:
        response = requests.get(url, timeout=_TIMEOUT_SECONDS)
        response.raise_for_status()
    except requests.RequestException as error:
        raise _failure(url, needed_for, _reason(error)) from error
    return response.text


def _reason(error: BaseException) -> str:
    """Why a transfer failed, in a few words: requests' own text is a page of nested errors."""
    import requests
    from urllib3.exceptions import IncompleteRead

    if isinstance(error, requests.HTTPError):
        return f"the server answers {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.exceptions.InvalidSchema):
        return "the address is neither http nor https"
    while error.__context__ is not None:
        error = error.__context__
    if isinstance(error, IncompleteRead) and error.expected is not None:
        total = error.partial + error.expected
        return f"the transfer broke off after {error.partial:,} of {total:,} bytes"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _failure(url: str, target: Path, reason: str) -> InputError:
    return InputError(
        f"{url} could not be downloaded ({reason}); "
        f"try again when online, or put the file at {target} yourself"
    )
