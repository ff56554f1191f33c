"""Numbers and times of a column: integers stay exact, and what cannot be parsed is refused."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datasets.session_log import TimeArray

TimeKind = Literal["number", "date"]

_INT64_MAX = 2**63 - 1
_DATE_START = r"\d{4}-?\d{2}"


class BadValueError(ValueError):
    """A value that cannot be parsed, with its row in the column."""

    def __init__(self, row: int, value: object) -> None:
        self.row = row
        self.value = "" if pd.isna(value) else str(value)  # type: ignore[call-overload]
        super().__init__(f"row {row}: {self.value!r}")


def parse_numbers(column: pd.Series) -> TimeArray:
    """Finite numbers: int64 if the column holds integers alone, else float64, shape (n_rows,).

    Raises BadValueError at the first value that is blank, no number, not finite or beyond int64.
    """
    if pd.api.types.is_bool_dtype(column.dtype):
        raise BadValueError(0, column.iloc[0])
    if column.dtype == object:
        # Integers beyond 64 bits come as Python's own, and to_numeric would round them.
        _refuse(
            column, column.map(lambda value: isinstance(value, int) and abs(value) > _INT64_MAX)
        )
    numbers = pd.to_numeric(column, errors="coerce")
    if pd.api.types.is_integer_dtype(numbers.dtype):
        _refuse(column, numbers.isna() | (numbers > _INT64_MAX))
        return numbers.to_numpy(dtype=np.int64)
    decimals = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    _refuse(column, ~np.isfinite(decimals))
    return decimals


def parse_times(column: pd.Series, kind: TimeKind | None) -> tuple[TimeArray, TimeKind]:
    """Times as `parse_numbers`, or ISO 8601 text as int64 milliseconds since 1970 (UTC).

    Text without a time zone is UTC. `kind` is what earlier blocks of the column hold, since
    numbers and dates in one column have no common unit; None lets the first value decide. Raises
    BadValueError at the first value of another kind.
    """
    dates = pd.api.types.is_datetime64_any_dtype(column.dtype)
    if kind is None:
        first = pd.to_numeric(column.iloc[:1], errors="coerce")
        kind = "date" if dates or bool(first.isna().iloc[0]) else "number"
    if kind == "number":
        if dates:
            raise BadValueError(0, column.iloc[0])
        return parse_numbers(column), kind
    if not dates:
        text = column.astype("str")
        # Digits alone would pass as a year, and 'now' as the time of the run.
        _refuse(column, ~text.str.match(_DATE_START, na=False) | _is_number(text))
        column_of_dates = pd.to_datetime(text, format="ISO8601", utc=True, errors="coerce")
    else:
        column_of_dates = pd.to_datetime(column, utc=True)
    _refuse(column, column_of_dates.isna())
    milliseconds = column_of_dates.dt.as_unit("ms").astype("int64")
    return np.asarray(milliseconds, dtype=np.int64), kind


def _is_number(text: pd.Series) -> NDArray[np.bool_]:
    return pd.to_numeric(text, errors="coerce").notna().to_numpy(dtype=np.bool_)


def _refuse(column: pd.Series, bad: pd.Series | NDArray[np.bool_]) -> None:
    rows = np.flatnonzero(np.asarray(bad, dtype=np.bool_))
    if len(rows):
        raise BadValueError(int(rows[0]), column.iloc[int(rows[0])])
