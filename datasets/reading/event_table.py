"""A user's table of events: CSV, CSV.gz or Parquet, one row for each event."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from datasets.dataset import Dataset
from datasets.errors import InputError
from datasets.reading.cache import cached_dataset
from datasets.reading.delimited_text import (
    ROWS_PER_BLOCK,
    DelimitedText,
    blocks,
    column_names,
    line_of_row,
    open_file,
)
from datasets.reading.event_columns import TableColumns, as_float32, gather_columns, refuse_rows
from datasets.reading.ordering import EventColumns, order_events
from datasets.session_log import FloatArray

LOADER_VERSION = 2
"""Raised whenever the same table would give another log, so that cached logs are built anew."""

SUFFIXES = (".csv", ".csv.gz", ".parquet")

ID_COLUMNS = ("session_id", "item_id")
_TIMES = ("time", "timestamp")
_OTHERS = ("position", "reward", "propensity")


def load_event_table(path: Path, *, reward: str | None, notify: Callable[[str], None]) -> Dataset:
    """Load a table with the columns `session_id`, `item_id` and any of the optional ones.

    `time` or `timestamp` (numbers as they are, or ISO 8601 text) and `position` give the order;
    `reward` counts 1 where it is missing; `propensity` is the logged probability of the item.
    `reward="all"` makes all rewards 1. Ids are what the file has between its separators, to the
    letter. Raises InputError, with the line, for whatever is not such a table.
    """
    check_reward(reward, str(path))
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; check the path")
    suffix = next((suffix for suffix in SUFFIXES if path.name.endswith(suffix)), None)
    if suffix is None:
        raise InputError(f"{path}: not a table that can be read; give {', '.join(SUFFIXES)}")
    dataset = cached_dataset(
        partial(_build, path, all_ones=reward == "all"),
        name=f"{path.resolve().parent.name}-{path.name.removesuffix(suffix)}",
        source=path,
        content=path,
        loader="event_table",
        version=LOADER_VERSION,
        # The suffix decides which parser reads the content.
        options={"reward": reward or "column", "suffix": suffix},
        notify=notify,
    )
    if dataset.order == "file":
        notify(f"{path}: no time or position column, so events stand in file order")
    return dataset


def check_reward(reward: str | None, label: str) -> None:
    """Raise InputError for a kind of reward that a table does not have."""
    if reward not in (None, "all"):
        raise InputError(
            f"--reward {reward}: {label} is a table without ratings; "
            "leave the option out (its reward column then counts) or use --reward all"
        )


def _build(path: Path, name: str, *, all_ones: bool) -> Dataset:
    columns = _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    return dataset_of_columns(columns, name, path, all_ones=all_ones)


def dataset_of_columns(
    columns: TableColumns, name: str, source: Path, *, all_ones: bool
) -> Dataset:
    """The data set that the parsed columns of a table make."""
    rewards, reward_note = _rewards(columns, all_ones)
    time = next((name for name in _TIMES if name in columns.numbers), None)
    ordered = order_events(
        EventColumns(
            sessions=columns.ids["session_id"],
            items=columns.ids["item_id"],
            rewards=rewards,
            times=columns.numbers[time] if time else None,
            positions=columns.numbers.get("position"),
            propensities=_propensities(columns),
        ),
        equal_times="find out",
    )
    return Dataset(
        name=name,
        log=ordered.log,
        default_split="temporal" if time else "session-holdout",
        source=source,
        order=ordered.order,
        equal_time_share=ordered.equal_time_share,
        notes=(ordered.note, reward_note),
    )


def _rewards(columns: TableColumns, all_ones: bool) -> tuple[FloatArray, str]:
    n_events = len(columns.ids["item_id"].codes)
    if all_ones or "reward" not in columns.numbers:
        reason = "by --reward all" if all_ones else "there is no reward column"
        return np.ones(n_events, dtype=np.float32), f"every event has reward 1 ({reason})"
    rewards = as_float32(columns, "reward")
    return rewards, f"{int((rewards > 0).sum()):,} of {n_events:,} events have a reward above 0"


def _propensities(columns: TableColumns) -> FloatArray | None:
    if "propensity" not in columns.numbers:
        return None
    values = as_float32(columns, "propensity")
    outside = ~((values > 0) & (columns.numbers["propensity"] <= 1))
    refuse_rows(columns, "propensity", outside, "is no probability in (0, 1]")
    return values


def _read_csv(path: Path) -> TableColumns:
    text = DelimitedText(str(path), partial(open_file, path))
    time, numbers = choose_columns(str(path), column_names(text))
    return gather_columns(
        blocks(text, (*ID_COLUMNS, *numbers), ids=ID_COLUMNS),
        ids=ID_COLUMNS,
        numbers=numbers,
        time=time,
        place=lambda row: f"line {line_of_row(text, row)}",
        label=str(path),
    )


def _read_parquet(path: Path) -> TableColumns:
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            time, numbers = choose_columns(str(path), list(schema.names))
            for name in ID_COLUMNS:
                _refuse_id_type(path, name, schema.field(name).type)
            if not file.metadata.num_rows:
                raise InputError(f"{path}: the table has no rows; give one with events")

            def tables() -> Iterator[pd.DataFrame]:
                for batch in file.iter_batches(ROWS_PER_BLOCK, columns=[*ID_COLUMNS, *numbers]):
                    # Integers with a gap would otherwise turn into floats.
                    yield batch.to_pandas(integer_object_nulls=True)

            return gather_columns(
                tables(),
                ids=ID_COLUMNS,
                numbers=numbers,
                time=time,
                place=lambda row: f"row {row + 1}",
                label=str(path),
            )
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: not a whole Parquet file ({error}); write it anew") from error


def _refuse_id_type(path: Path, name: str, dtype: pa.DataType) -> None:
    plain = dtype.value_type if pa.types.is_dictionary(dtype) else dtype
    if not (
        pa.types.is_integer(plain) or pa.types.is_string(plain) or pa.types.is_large_string(plain)
    ):
        raise InputError(
            f"{path}: column {name} holds {dtype}, which has no one way to be written as an id; "
            "store it as text or integers"
        )


def choose_columns(label: str, found: list[str]) -> tuple[str | None, tuple[str, ...]]:
    """The name of the time column, if any, and of all columns of numbers with it.

    Raises InputError, which calls the table `label`, where columns are missing or there twice.
    """
    listed = ", ".join(found)
    missing = [name for name in ID_COLUMNS if name not in found]
    if missing:
        raise InputError(
            f"{label}: there is no column {' nor '.join(missing)} among its columns ({listed}); "
            f"rename the one that holds it to {missing[0]}"
        )
    for name in (*ID_COLUMNS, *_TIMES, *_OTHERS):
        if found.count(name) > 1:
            raise InputError(f"{label}: column {name} is there twice ({listed}); keep one")
    times = [name for name in _TIMES if name in found]
    if len(times) > 1:
        raise InputError(f"{label}: it has a time and a timestamp column ({listed}); keep one")
    return next(iter(times), None), (*times, *(name for name in _OTHERS if name in found))
