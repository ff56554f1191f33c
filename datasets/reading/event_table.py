"""A user's table of events: CSV, CSV.gz or Parquet, one row for each event."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from datasets.dataset import Dataset, Notify
from datasets.errors import InputError
from datasets.reading.cache import cached_dataset
from datasets.reading.delimited_text import (
    ROWS_PER_BLOCK,
    DelimitedText,
    blocks,
    column_names,
    line_of_row,
)
from datasets.reading.event_columns import TableColumns, gather_columns
from datasets.reading.event_fields import EventFields, check_reward, choose_columns
from datasets.reading.event_log import event_log

LOADER_VERSION = 2
"""Increased whenever the same table would give a different log, so that caches are rebuilt."""

SUFFIXES = (".csv", ".csv.gz", ".parquet")


def load_event_table(path: Path, *, reward: str | None, notify: Notify) -> Dataset:
    """Load a table with the columns `session_id`, `item_id` and any of the optional ones.

    `time` or `timestamp` (numbers as they are, or ISO 8601 text) and `position` give the order;
    `reward` counts 1 where it is missing; `propensity` is the logged probability of the item.
    `reward="all"` makes all rewards 1. Ids are kept exactly as the
    file has them. Raises InputError, with the line, for anything else.
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
        # The suffix determines which parser reads the content.
        options={"reward": reward or "column", "suffix": suffix},
        notify=notify,
    )
    if dataset.order == "file":
        notify(f"{path}: no time or position column, so events stand in file order")
    return dataset


def _build(path: Path, name: str, *, all_ones: bool) -> Dataset:
    columns, fields = _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    events = event_log(columns, fields, all_ones=all_ones)
    return Dataset(name=name, source=path, **vars(events))


def _read_csv(path: Path) -> tuple[TableColumns, EventFields]:
    text = DelimitedText.of_file(path)
    fields = choose_columns(str(path), column_names(text))
    columns = gather_columns(
        blocks(text, (*fields.ids, *fields.numbers), ids=fields.ids),
        ids=fields.ids,
        numbers=fields.numbers,
        time=fields.time,
        place=lambda row: f"line {line_of_row(text, row)}",
        label=str(path),
    )
    return columns, fields


def _read_parquet(path: Path) -> tuple[TableColumns, EventFields]:
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            fields = choose_columns(str(path), list(schema.names))
            for name in fields.ids:
                _refuse_id_type(path, name, schema.field(name).type)
            if not file.metadata.num_rows:
                raise InputError(f"{path}: the table has no rows; give one with events")
            wanted = [*fields.ids, *fields.numbers]

            def tables() -> Iterator[pd.DataFrame]:
                for batch in file.iter_batches(ROWS_PER_BLOCK, columns=wanted):
                    # Integers with a gap would otherwise turn into floats.
                    yield batch.to_pandas(integer_object_nulls=True)

            columns = gather_columns(
                tables(),
                ids=fields.ids,
                numbers=fields.numbers,
                time=fields.time,
                place=lambda row: f"row {row + 1}",
                label=str(path),
            )
            return columns, fields
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
