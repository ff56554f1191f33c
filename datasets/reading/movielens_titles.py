"""Titles of MovieLens items, from the file next to the ratings."""

from __future__ import annotations

import csv
import io
from pathlib import Path, PurePosixPath

from datasets.errors import InputError
from datasets.reading.archive import members, open_member
from datasets.reading.delimited_text import open_file

_TITLES_FILE = {"ratings.csv": "movies.csv", "ratings.dat": "movies.dat", "u.data": "u.item"}


def read_titles(ratings: Path, member: str | None) -> dict[str, str]:
    """Title of each item by its id; empty if there is no file of titles next to the ratings.

    `ratings` is the ratings file, or with `member` the zip that holds it. Raises InputError if the
    file with titles is there and cannot be read.
    """
    place = PurePosixPath(member or ratings)
    titles_file = place.with_name(_TITLES_FILE[place.name])
    if member is None:
        if not Path(titles_file).is_file():
            return {}
        label, opened = str(titles_file), open_file(Path(titles_file))
    else:
        if str(titles_file) not in members(ratings):
            return {}
        label, opened = f"{ratings} ({titles_file})", open_member(ratings, str(titles_file))
    with opened as stream:
        text = _decoded(stream.read())
    if titles_file.suffix == ".csv":
        return _titles_of_csv(text, label)
    separator = "|" if titles_file.name == "u.item" else "::"
    # Not splitlines, which treats some Latin-1 characters as line ends.
    rows = (line.split(separator, 2) for line in text.split("\n"))
    return {row[0]: row[1] for row in rows if len(row) == 3}


def _titles_of_csv(text: str, label: str) -> dict[str, str]:
    try:
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
    except csv.Error as error:
        raise InputError(
            f"{label}: its titles cannot be read ({error}); fix the file or remove it"
        ) from error
    return {row["movieId"]: row["title"] for row in rows if row.get("movieId") and row.get("title")}


def _decoded(content: bytes) -> str:
    """Text of a MovieLens file: UTF-8, or Latin-1 in the sets up to ml-1m."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")
