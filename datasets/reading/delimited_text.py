"""Delimited text read in blocks, so that memory depends on the columns and not on the text."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, cast

import pandas as pd

from datasets.errors import InputError

ROWS_PER_BLOCK = 1 << 19

Opener = Callable[[], AbstractContextManager[IO[bytes]]]


@dataclass(frozen=True)
class DelimitedText:
    """A table of text, and how to read it."""

    label: str
    """What messages call it."""
    open: Opener
    """Opens the bytes of the text; called once for each pass over it."""
    separator: str = ","
    columns: tuple[str, ...] | None = None
    """Column names of a text without a header line; None if the first line has them."""

    @staticmethod
    def of_file(path: Path) -> DelimitedText:
        """A file of comma-separated text with a header line, packed or not."""
        return DelimitedText(str(path), partial(open_file, path))


@contextmanager
def open_file(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of a file, unpacked if its name ends in .gz.

    Raises InputError if it cannot be read or its compression is damaged, also while it is read.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            # A gzip stream reads like any other, but typeshed does not know that.
            yield cast(IO[bytes], stream)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            f"{path}: not a whole gzip file ({error}); fetch or write it anew"
        ) from error
    except FileNotFoundError as error:
        raise InputError(f"{path}: there is no such file; check the path") from error
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror or error}); check the file"
        ) from error


def column_names(text: DelimitedText) -> list[str]:
    """Names of the columns in their order.

    Raises InputError if the text is empty, has no rows, or its first row has more fields than
    there are columns: the parser would take its first field for a row label and shift the others.
    """
    with _rows(text) as rows:
        _, first = next(rows, (0, None))
        if first is None:
            raise InputError(f"{text.label}: the file is empty; give one with events")
        names = list(text.columns or first)
        line, row = (1, first) if text.columns else next(rows, (0, None))
    if row is None:
        raise InputError(f"{text.label}: the file has a header but no rows; give one with events")
    if len(row) > len(names):
        raise _too_many_fields(text, f"line {line} has {len(row)} fields, not {len(names)}")
    return names


def blocks(
    text: DelimitedText, wanted: Collection[str], ids: Collection[str]
) -> Iterator[pd.DataFrame]:
    """The wanted columns in blocks of rows: ids as the text wrote them, others as pandas parses.

    No value counts as missing: a blank field is an empty string. Call `column_names` first.
    Raises InputError if a row has too many fields, a quote is never closed or a byte is not UTF-8.
    """
    names = column_names(text)
    # Unused columns are parsed too, in the cheapest type: without that pandas would let long rows
    # pass.
    dtypes = {name: "category" for name in names if name not in wanted}
    dtypes |= dict.fromkeys(ids, "str")
    try:
        with (
            text.open() as stream,
            pd.read_csv(
                stream,
                sep=text.separator,
                header=None if text.columns else 0,
                names=names if text.columns else None,
                dtype=dtypes,
                na_filter=False,
                low_memory=False,
                encoding="utf-8",
                chunksize=ROWS_PER_BLOCK,
            ) as reader,
        ):
            for block in reader:
                yield block[list(wanted)]
    except pd.errors.ParserError as error:
        reason = str(error).strip().removeprefix("Error tokenizing data. C error: ")
        raise _too_many_fields(text, reason) from error
    except UnicodeDecodeError as error:
        raise _not_utf8(text, error) from error


def line_of_row(text: DelimitedText, row: int) -> int:
    """Line, from 1, on which a row of data starts; rows count from 0, blank lines are no rows."""
    with _rows(text) as rows:
        for place, (line, _) in enumerate(rows, start=0 if text.columns else -1):
            if place == row:
                return line
    raise ValueError(f"{text.label} has no row {row}")


@contextmanager
def _rows(text: DelimitedText) -> Iterator[Iterator[tuple[int, list[str]]]]:
    """The line on which each row starts, and its fields."""

    def numbered(lines: io.TextIOWrapper) -> Iterator[tuple[int, list[str]]]:
        reader = csv.reader(lines, delimiter=text.separator)
        line = 1
        for fields in reader:
            # As in pandas, a line of white space alone is no row.
            if len(fields) > 1 or (fields and fields[0].strip()):
                yield line, fields
            line = reader.line_num + 1

    try:
        with (
            text.open() as stream,
            io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as lines,
        ):
            yield numbered(lines)
    except UnicodeDecodeError as error:
        raise _not_utf8(text, error) from error
    except csv.Error as error:
        raise InputError(f"{text.label}: not a table of text ({error}); give a CSV file") from error


def _too_many_fields(text: DelimitedText, reason: str) -> InputError:
    return InputError(
        f"{text.label}: {reason[0].lower()}{reason[1:]}; "
        "fix the line, or put quotes around a field that holds the separator"
    )


def _not_utf8(text: DelimitedText, error: UnicodeDecodeError) -> InputError:
    return InputError(
        f"{text.label}: not UTF-8 text (byte 0x{error.object[error.start]:02x}); save it as UTF-8"
    )
