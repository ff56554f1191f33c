"""A pandas frame of events: the data set that the same table would be, read from a file."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from datasets.dataset import Dataset
from datasets.errors import InputError
from datasets.reading.event_columns import gather_columns
from datasets.reading.event_dataset import EventFields, event_dataset


def frame_dataset(
    frame: pd.DataFrame,
    fields: EventFields,
    *,
    name: str,
    source: Path,
    positive_from: float | None,
    reward_kind: str | None,
) -> Dataset:
    """See `Dataset.from_frame`."""
    if reward_kind not in (None, "all") and (reward_kind != "rating" or positive_from is None):
        raise InputError(
            f"--reward {reward_kind}: {name} is a table without ratings; "
            "leave the option out (its reward column then counts) or use --reward all"
        )
    wanted = list(dict.fromkeys((*fields.ids, *fields.numbers)))
    listed = ", ".join(map(str, frame.columns))
    for column in wanted:
        n_found = list(frame.columns).count(column)
        if n_found == 0:
            raise InputError(
                f"{name}: there is no column {column} among its columns ({listed}); "
                "name the one that holds it"
            )
        if n_found > 1:
            raise InputError(f"{name}: column {column} is there twice ({listed}); keep one")
    for column in fields.ids:
        _refuse_id_type(name, frame[column])
    if frame.empty:
        raise InputError(f"{name}: the frame has no rows; give one with events")
    columns = gather_columns(
        [frame[wanted].reset_index(drop=True)],
        ids=fields.ids,
        numbers=fields.numbers,
        time=fields.time,
        place=lambda row: f"row {row + 1}",
        label=name,
    )
    return event_dataset(
        columns,
        fields,
        name=name,
        source=source,
        all_ones=reward_kind == "all",
        positive_from=positive_from,
    )


def _refuse_id_type(name: str, column: pd.Series) -> None:
    values = column.cat.categories if column.dtype == "category" else column
    if pd.api.types.infer_dtype(values, skipna=True) not in ("string", "integer", "empty"):
        raise InputError(
            f"{name}: column {column.name} holds {values.dtype}, which has no one way to be "
            "written as an id; store it as text or integers"
        )
