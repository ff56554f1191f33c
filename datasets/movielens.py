"""MovieLens (Harper & Konstan, 2015, doi:10.1145/2827872): by name, or as a folder or zip.

A session is a user's whole history in time order, as in published replications on these sets.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from datasets.dataset import Dataset, Notify
from datasets.errors import InputError
from datasets.reading.archive import members, open_member
from datasets.reading.cache import cached_dataset
from datasets.reading.delimited_text import (
    DelimitedText,
    Opener,
    blocks,
    column_names,
    line_of_row,
    open_file,
)
from datasets.reading.event_columns import gather_columns
from datasets.reading.event_fields import EventFields
from datasets.reading.event_log import event_log
from datasets.reading.movielens_archives import movielens_archive
from datasets.reading.movielens_titles import read_titles

NAMES: dict[str, str] = {
    "ml-latest-small": "MovieLens latest-small: 100,836 ratings by 610 users (comes with the code)",
    "ml-100k": "MovieLens 100K: 100,000 ratings by 943 users (download, 5 MB)",
    "ml-1m": "MovieLens 1M: 1,000,209 ratings by 6,040 users (download, 6 MB)",
    "ml-10m": "MovieLens 10M: 10,000,054 ratings by 71,567 users (download, 66 MB)",
    "ml-20m": "MovieLens 20M: 20,000,263 ratings by 138,493 users (download, 199 MB)",
    "ml-25m": "MovieLens 25M: 25,000,095 ratings by 162,541 users (download, 262 MB)",
    "ml-32m": "MovieLens 32M: 32,000,204 ratings by 200,948 users (download, 239 MB)",
    "ml-latest": "MovieLens latest: all ratings, grows over time (download, 350 MB)",
}

LOADER_VERSION = 2
"""Increased whenever the same files would give a different log, so that caches are rebuilt."""

POSITIVE_RATING = 4.0
"""The lowest rating, in stars, that counts as a reward of 1."""

_FIELDS = EventFields("userId", "movieId", time="timestamp", reward="rating")
_CSV_HEADER = ("userId", "movieId", "rating", "timestamp")
# '::' read as ':' leaves an empty column in each gap, and keeps pandas' fast parser.
_GAPS = ("gap1", "gap2", "gap3")
_DAT_COLUMNS = ("userId", "gap1", "movieId", "gap2", "rating", "gap3", "timestamp")
_RATINGS_FILES = ("ratings.csv", "ratings.dat", "u.data")


@dataclass(frozen=True)
class _Ratings:
    """The ratings file of a MovieLens folder or zip."""

    content: Path
    """The file whose bytes determine the log."""
    text: DelimitedText
    member: str | None = None
    """Its name in the zip; None outside one."""


def load(name: str, *, reward: str | None, notify: Notify) -> Dataset:
    """Load one of `NAMES`, downloading it into the user's cache unless it is there.

    `reward` is "rating" (the default: 1 for 4 stars or more, else 0, and both stay in the log) or
    "all" (all ones). Raises InputError if the archive cannot be downloaded whole.
    """
    archive = movielens_archive(name, notify)
    ratings = _find_ratings(archive)
    if ratings is None:
        raise InputError(f"{archive}: there is no ratings file in it; delete it and run again")
    return _load(name, archive, ratings, reward, notify)


def recognises(path: Path) -> bool:
    """Whether the path is a MovieLens folder, zip or ratings file, judged by its content.

    Raises InputError for a zip that is damaged or would write outside its folder.
    """
    ratings = _find_ratings(path)
    if ratings is None or path.name != "ratings.csv":
        return ratings is not None
    # A table of events may have this name too.
    return set(_CSV_HEADER) <= set(column_names(ratings.text))


def load_path(path: Path, *, reward: str | None, notify: Notify) -> Dataset:
    """Load a MovieLens folder, zip or ratings file of the user's own; `reward` as in `load`."""
    ratings = _find_ratings(path)
    if ratings is None:
        raise InputError(f"{path}: not MovieLens; give a place that has {_listed(_RATINGS_FILES)}")
    resolved = path.resolve()
    folder = resolved.parent if resolved.name in _RATINGS_FILES else resolved
    return _load(folder.name.removesuffix(".zip"), path, ratings, reward, notify)


def _load(
    name: str, source: Path, ratings: _Ratings, reward: str | None, notify: Notify
) -> Dataset:
    if reward not in (None, "rating", "all"):
        raise InputError(f"--reward {reward}: not one of rating, all; choose one of them")
    dataset = cached_dataset(
        partial(_build, source=source, text=ratings.text, all_ones=reward == "all"),
        name=name,
        source=source,
        content=ratings.content,
        loader="movielens",
        version=LOADER_VERSION,
        options={
            "reward": reward or "rating",
            "separator": ratings.text.separator,
            "columns": " ".join(ratings.text.columns or ()),
        },
        notify=notify,
    )
    # Titles are not cached with the log: training and metrics do not use them.
    return replace(dataset, read_titles=partial(read_titles, ratings.content, ratings.member))


def _build(name: str, *, source: Path, text: DelimitedText, all_ones: bool) -> Dataset:
    found = column_names(text)
    missing = [column for column in _CSV_HEADER if column not in found]
    if missing:
        raise InputError(
            f"{text.label}: there is no column {missing[0]} among its columns ({_listed(found)}); "
            f"a MovieLens file has {_listed(_CSV_HEADER)}"
        )
    gaps = tuple(gap for gap in _GAPS if gap in found)
    ids = _FIELDS.ids
    columns = gather_columns(
        blocks(text, (*ids, *gaps, *_FIELDS.numbers), ids=(*ids, *gaps)),
        ids=ids,
        numbers=_FIELDS.numbers,
        time=_FIELDS.time,
        place=lambda row: f"line {line_of_row(text, row)}",
        label=text.label,
        empty=gaps,
    )
    events = event_log(
        columns,
        _FIELDS,
        all_ones=all_ones,
        positive_from=POSITIVE_RATING,
        equal_times="shuffle",
    )
    return Dataset(name=name, source=source, **vars(events))


def _find_ratings(path: Path) -> _Ratings | None:
    """The ratings file at, in or packed in `path`; None if there is no such thing."""
    if path.is_dir():
        inside = [path / name for name in _RATINGS_FILES if (path / name).is_file()]
        _refuse_several(path, [file.name for file in inside])
        return _find_ratings(inside[0]) if inside else None
    if path.suffix == ".zip":
        packed = [
            member
            for member in members(path)
            if Path(member).name in _RATINGS_FILES and not member.startswith("__MACOSX/")
        ]
        _refuse_several(path, packed)
        if not packed:
            return None
        label = f"{path} ({packed[0]})"
        opener = partial(open_member, path, packed[0])
        return _Ratings(path, _layout(Path(packed[0]).name, label, opener), packed[0])
    if not path.is_file() or path.name not in _RATINGS_FILES:
        return None
    return _Ratings(path, _layout(path.name, str(path), partial(open_file, path)))


def _refuse_several(path: Path, found: list[str]) -> None:
    if len(found) > 1:
        raise InputError(
            f"{path}: it has more than one ratings file ({_listed(found)}); "
            "give a folder or zip with one of them"
        )


def _layout(file_name: str, label: str, opener: Opener) -> DelimitedText:
    if file_name == "u.data":
        return DelimitedText(label, opener, "\t", _CSV_HEADER)
    if file_name == "ratings.dat":
        return DelimitedText(label, opener, ":", _DAT_COLUMNS)
    return DelimitedText(label, opener)


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names)
