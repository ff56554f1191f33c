"""Parsed and checked columns of events, gathered block by block from any kind of table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datasets.errors import InputError
from datasets.reading.column_values import BadValueError, TimeKind, parse_numbers, parse_times
from datasets.reading.ordering import CodedIds
from datasets.session_log import FloatArray, TimeArray


@dataclass(frozen=True)
class TableColumns:
    """The parsed columns of a table, in file order."""

    ids: Mapping[str, CodedIds]
    numbers: Mapping[str, TimeArray]
    place: Callable[[int], str]
    """Names the line or row of the source that a row of the columns came from."""
    label: str
    """What messages call the source."""


def gather_columns(
    table: Iterable[pd.DataFrame],
    *,
    ids: Iterable[str],
    numbers: Iterable[str],
    time: str | None,
    place: Callable[[int], str],
    label: str,
    empty: Collection[str] = (),
) -> TableColumns:
    """Parse a table that comes in blocks.

    Raises InputError, naming the source and the place in it, for a blank id, a value that is no
    finite number, a time (the column named `time`) that is neither a number nor ISO 8601, or
    anything in the columns that must be `empty`, such as those between two colons.
    """
    id_columns = {name: _IdColumn() for name in ids}
    number_columns = {name: _NumberColumn(is_time=name == time) for name in numbers}
    n_rows = 0
    for block in table:
        for name in empty:
            filled = np.flatnonzero(block[name] != "")
            if len(filled):
                raise InputError(
                    f"{label}: {place(n_rows + int(filled[0]))} has not the separators of the "
                    "others; fix the line"
                )
        for name, id_column in id_columns.items():
            id_column.add(block[name])
        for name, number_column in number_columns.items():
            try:
                number_column.add(block[name])
            except BadValueError as error:
                where = place(n_rows + error.row)
                kind = "a number or an ISO 8601 date like the rest" if name == time else "a number"
                found = f"'{error.value}'" if error.value.strip() else "blank"
                raise InputError(
                    f"{label}: {where} has a {name} that is {found}, not {kind}; "
                    "fix the value or take the row out"
                ) from error
        n_rows += len(block)
    for name, id_column in id_columns.items():
        blank_row = id_column.first_blank()
        if blank_row is not None:
            raise InputError(
                f"{label}: {place(blank_row)} has a blank {name}; fill it in or take the row out"
            )
    return TableColumns(
        {name: column.coded() for name, column in id_columns.items()},
        {name: column.joined() for name, column in number_columns.items()},
        place,
        label,
    )


def as_float32(columns: TableColumns, name: str) -> FloatArray:
    """A column of numbers as float32; raises InputError where float32 cannot hold a value."""
    with np.errstate(over="ignore"):
        values: FloatArray = columns.numbers[name].astype(np.float32)
    refuse_rows(columns, name, ~np.isfinite(values), "is too large for a 32-bit float")
    return values


def refuse_rows(columns: TableColumns, name: str, bad: NDArray[np.bool_], fault: str) -> None:
    """Raise InputError for the first row marked in `bad`, if there is one."""
    rows = np.flatnonzero(bad)
    if len(rows):
        row = int(rows[0])
        raise InputError(
            f"{columns.label}: {columns.place(row)} has a {name} of {columns.numbers[name][row]} "
            f"that {fault}; fix the value or take the row out"
        )


@dataclass
class _IdColumn:
    """Codes ids by first appearance, which depends on the file alone and not on a hash seed."""

    vocabulary: dict[str, int] = field(default_factory=dict)
    codes: list[NDArray[np.int32]] = field(default_factory=list)

    def add(self, column: pd.Series) -> None:
        codes, found = pd.factorize(column)
        # The last entry is for missing values, which pandas codes as -1.
        lookup = np.empty(len(found) + 1, dtype=np.int32)
        for code, value in enumerate(found.tolist()):
            lookup[code] = self.vocabulary.setdefault(str(value), len(self.vocabulary))
        if (codes < 0).any():
            lookup[-1] = self.vocabulary.setdefault("", len(self.vocabulary))
        self.codes.append(lookup[codes])

    def first_blank(self) -> int | None:
        blank = [code for text, code in self.vocabulary.items() if not text.strip()]
        if not blank:
            return None
        return int(np.flatnonzero(np.isin(np.concatenate(self.codes), blank))[0])

    def coded(self) -> CodedIds:
        return CodedIds(np.concatenate(self.codes), np.array(list(self.vocabulary), dtype=np.str_))


@dataclass
class _NumberColumn:
    is_time: bool
    kind: TimeKind | None = None
    parts: list[TimeArray] = field(default_factory=list)

    def add(self, column: pd.Series) -> None:
        if self.is_time:
            part, self.kind = parse_times(column, self.kind)
        else:
            part = parse_numbers(column)
        self.parts.append(part)

    def joined(self) -> TimeArray:
        # One block of decimals makes the whole column decimal.
        if any(part.dtype.kind == "f" for part in self.parts):
            return np.concatenate(self.parts).astype(np.float64, copy=False)
        return np.concatenate(self.parts).astype(np.int64, copy=False)
