"""The cache of preprocessed logs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from datasets.dataset import Dataset
from datasets.reading.cache import cache_folder, cached_dataset
from datasets.session_log import SessionLog

LOG = SessionLog(
    items=np.array([0, 1, 1], dtype=np.int32),
    rewards=np.array([1, 0, 1], dtype=np.float32),
    offsets=np.array([0, 2, 3]),
    item_ids=np.array(["b", "ä"]),
    session_ids=np.array(["s", "t"]),
    times=np.array([5, 6, 7]),
)


class Source:
    """A source file, and a count of how often its log was built."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.built = 0
        self.said: list[str] = []
        path.write_text("content")

    def build(self, name: str) -> Dataset:
        self.built += 1
        return Dataset(name, LOG, "temporal", self.path, "time", 0.25, ("a note", "another"))

    def load(self, version: int = 1, options: dict[str, str] | None = None) -> Dataset:
        return cached_dataset(
            self.build,
            name="tiny",
            source=self.path,
            content=self.path,
            loader="test",
            version=version,
            options=options or {},
            notify=self.said.append,
        )


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(tmp_path / "source.csv")


def entry(cache: Path) -> Path:
    (found,) = (cache / "logs").iterdir()
    return found


def test_the_second_load_reads_equal_columns_without_building(source: Source) -> None:
    first, second = source.load(), source.load()
    assert source.built == 1
    for dataset in (first, second):
        assert dataset.log.fingerprint() == LOG.fingerprint()
        assert dataset.log.propensities is None
        for field in fields(Dataset):
            if field.name != "log":
                assert getattr(dataset, field.name) == getattr(source.build("tiny"), field.name)
    for field in fields(SessionLog):
        column = getattr(LOG, field.name)
        if column is not None:
            assert getattr(second.log, field.name).dtype == column.dtype


def test_columns_are_memory_mapped_and_read_only(source: Source) -> None:
    source.load()
    items = source.load().log.items
    assert isinstance(items.base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        items[0] = 1


def test_source_version_and_options_are_part_of_the_key(source: Source) -> None:
    source.load()
    source.load(version=2)
    source.load(options={"reward": "all"})
    source.path.write_text("edited")
    source.load()
    assert source.built == 4
    source.load(options={})
    assert source.built == 4


def truncate(folder: Path) -> None:
    file = folder / "items.npy"
    file.write_bytes(file.read_bytes()[:-1])


def flip(folder: Path) -> None:
    file = folder / "times.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def drop_column(folder: Path) -> None:
    (folder / "offsets.npy").unlink()


def drop_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def garble_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text("{")


def empty_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text(json.dumps([]))


@pytest.mark.parametrize(
    "damage", [truncate, flip, drop_column, drop_manifest, garble_manifest, empty_manifest]
)
def test_a_damaged_entry_is_rebuilt(
    source: Source, cache: Path, damage: Callable[[Path], None]
) -> None:
    source.load()
    damage(entry(cache))
    assert source.load().log.fingerprint() == LOG.fingerprint()
    assert source.built == 2
    source.load()
    assert source.built == 2


def test_a_build_that_fails_leaves_nothing_behind(
    source: Source, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full_disk)
    assert source.load().log.fingerprint() == LOG.fingerprint()
    assert not list((cache / "logs").iterdir())
    assert len(source.said) == 1
    assert "No space left on device" in source.said[0]


def test_a_cache_that_cannot_be_written_is_said_and_done_without(
    source: Source, cache: Path
) -> None:
    cache.write_text("a file where the folder should be")
    dataset = source.load()
    assert dataset.log.fingerprint() == LOG.fingerprint()
    assert len(source.said) == 1
    assert str(cache) in source.said[0]
    assert "BENCH_CACHE_DIR" in source.said[0]


def test_where_the_cache_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("BENCH_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "session-recommender-bench"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "session-recommender-bench"
