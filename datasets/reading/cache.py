"""The folders of downloads and preprocessed logs, and the cache of logs, memory-mapped."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path

import numpy as np
from platformdirs import user_cache_path

from datasets.dataset import Dataset, Notify
from datasets.errors import InputError
from datasets.session_log import SessionLog

_ENTRY_FORMAT = 1
_MANIFEST = "manifest.json"


def cache_folder() -> Path:
    """BENCH_CACHE_DIR itself, else the program's folder where the system keeps users' caches."""
    if chosen := os.environ.get("BENCH_CACHE_DIR"):
        return Path(chosen).expanduser()
    return user_cache_path("session-recommender-bench", appauthor=False)


def downloads() -> Path:
    """The folder of downloaded files, and of those that the user puts there."""
    return cache_folder() / "downloads"


def cached_logs() -> Path:
    """The folder of preprocessed logs."""
    return cache_folder() / "logs"


def cached_dataset(
    build: Callable[[str], Dataset],
    *,
    name: str,
    source: Path,
    content: Path,
    loader: str,
    version: int,
    options: Mapping[str, str],
    notify: Notify,
) -> Dataset:
    """The data set that `build(name)` makes, cached as one `.npy` file for each column of its log.

    The key is the SHA-256 of the file `content` with the loader's name, version and options, so
    an edited source or loader is preprocessed again. An entry whose files do not match its
    manifest is rebuilt. If the cache cannot be written, `notify` says so and the log is used
    from memory. Raises InputError if `content` cannot be read.
    """
    try:
        checksum = _digest(content)
    except OSError as error:
        raise InputError(
            f"{content}: cannot be read ({error.strerror or error}); check the file"
        ) from error
    facts = [_ENTRY_FORMAT, checksum, loader, version, sorted(options.items())]
    key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()
    folder = cached_logs() / key[:32]
    cached = _read(folder, name, source)
    if cached is not None:
        return cached
    dataset = build(name)
    try:
        _write(folder, dataset)
    except OSError as error:
        notify(
            f"{folder.parent}: the cache cannot be written ({error.strerror or error}), so the "
            "log will be preprocessed again next time; set BENCH_CACHE_DIR to a folder of yours"
        )
        return dataset
    return _read(folder, name, source) or dataset


def _write(folder: Path, dataset: Dataset) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        digests = {}
        for field in fields(SessionLog):
            column = getattr(dataset.log, field.name)
            if column is not None:
                np.save(building / f"{field.name}.npy", column, allow_pickle=False)
                digests[field.name] = _digest(building / f"{field.name}.npy")
        manifest = {
            "columns": digests,
            "default_split": dataset.default_split,
            "order": dataset.order,
            "equal_time_share": dataset.equal_time_share,
            "notes": dataset.notes,
        }
        # Written last: a folder that has a manifest is complete.
        (building / _MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        try:
            building.rename(folder)
        except OSError:
            # Another process may have put the same entry there first.
            if not (folder / _MANIFEST).is_file():
                raise
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _read(folder: Path, name: str, source: Path) -> Dataset | None:
    """The entry in `folder`, or None if there is none or its files have changed."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        digests: dict[str, str] = manifest["columns"]
        paths = {column: folder / f"{column}.npy" for column in digests}
        if any(_digest(paths[column]) != digests[column] for column in digests):
            return None
        columns = {
            column: np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
            for column, path in paths.items()
        }
        return Dataset(
            name=name,
            log=SessionLog(**columns),
            default_split=manifest["default_split"],
            source=source,
            order=manifest["order"],
            equal_time_share=manifest["equal_time_share"],
            notes=tuple(manifest["notes"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
