"""The MovieLens archives by name: one comes with the code, the others are downloaded once."""

from __future__ import annotations

import os
import re
from pathlib import Path

from datasets.dataset import Notify
from datasets.errors import InputError
from datasets.reading.cache import downloads
from datasets.reading.download import Checksum, download, fetch_text

BASE_URL = "https://files.grouplens.org/datasets/movielens"

_EMBEDDED = Path(__file__).parents[1] / "embedded" / "ml-latest-small.zip"

# From the checksum list of TensorFlow Datasets; the other archives have an .md5 file next to them.
_RECORDED = {
    "ml-latest-small": Checksum(
        "sha256", "696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436", 978202
    ),
    "ml-100k": Checksum(
        "sha256", "50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229", 4924029
    ),
    "ml-1m": Checksum(
        "sha256", "a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20", 5917549
    ),
    "ml-20m": Checksum(
        "sha256", "96f243c338a8665f6bcc89c53edf6ee39162a846940de6b7c8c48aeada765ff3", 198702078
    ),
    "ml-25m": Checksum(
        "sha256", "8b21cfb7eb1706b4ec0aac894368d90acf26ebdfb6aced3ebd4ad5bd1eb9c6aa", 261978986
    ),
}


def movielens_archive(name: str, notify: Notify) -> Path:
    """The archive `<name>.zip`, whole: the one in the repository, or from the user's cache.

    Downloads from GroupLens, or from the address in BENCH_MOVIELENS_URL. Raises InputError with
    the address and the place for the file if the archive cannot be downloaded whole.
    """
    return _embedded() if name == "ml-latest-small" else _downloaded(name, notify)


def _embedded() -> Path:
    fault = _RECORDED["ml-latest-small"].fault(_EMBEDDED) if _EMBEDDED.is_file() else "it is gone"
    if fault:
        raise InputError(
            f"{_EMBEDDED}: not the archive that belongs there ({fault}); "
            "bring it back with git checkout"
        )
    return _EMBEDDED


def _downloaded(name: str, notify: Notify) -> Path:
    url = f"{os.environ.get('BENCH_MOVIELENS_URL', BASE_URL).rstrip('/')}/{name}.zip"
    archive = downloads() / f"{name}.zip"
    # Stored next to the archive, so that later runs check it without asking the server.
    stored_md5 = archive.with_name(f"{archive.name}.md5")
    if archive.is_file():
        try:
            checksum = _RECORDED.get(name) or _stored_or_published(stored_md5, url, archive)
        except InputError:
            notify(f"{archive}: used without a check, since {url}.md5 cannot be reached")
            return archive
        fault = checksum.fault(archive)
        if fault is None:
            return archive
        notify(f"{archive}: not the published archive ({fault}); fetching it anew")
    checksum = _RECORDED.get(name) or _published(url, archive)
    download(url, archive, checksum, notify=notify)
    if name not in _RECORDED:
        stored_md5.write_text(checksum.digest, encoding="utf-8")
    return archive


def _stored_or_published(stored_md5: Path, url: str, archive: Path) -> Checksum:
    if stored_md5.is_file():
        return _checksum_in(stored_md5.read_text(encoding="utf-8"), str(stored_md5))
    return _published(url, archive)


def _published(url: str, archive: Path) -> Checksum:
    """GroupLens's own MD5, published next to each archive."""
    return _checksum_in(fetch_text(f"{url}.md5", needed_for=archive), f"{url}.md5")


def _checksum_in(text: str, place: str) -> Checksum:
    """The digest in 'MD5 (ml-32m.zip) = hex' or 'hex  ml-32m.zip'."""
    match = re.search(r"\b[0-9a-fA-F]{32}\b", text)
    if match is None:
        raise InputError(f"{place}: there is no MD5 sum in it; try again later")
    return Checksum("md5", match.group().lower())
