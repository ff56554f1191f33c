"""A pandas frame of events: the log that the same table would be, read from a file."""

from __future__ import annotations

import pandas as pd

from datasets.errors import InputError
from datasets.reading.event_columns import gather_columns
from datasets.reading.event_fields import EventFields, check_reward
from datasets.reading.event_log import EventLog, event_log


def frame_log(
    frame: pd.DataFrame,
    fields: EventFields,
    *,
    name: str,
    positive_from: float | None,
    reward_kind: str | None,
) -> EventLog:
    """The events of a frame; see `Dataset.from_frame`, whose `name` messages show."""
    if positive_from is None or reward_kind != "rating":
        check_reward(reward_kind, name)
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
    all_ones = reward_kind == "all"
    return event_log(columns, fields, all_ones=all_ones, positive_from=positive_from)


def _refuse_id_type(name: str, column: pd.Series) -> None:
    values = column.cat.categories if column.dtype == "category" else column
    if pd.api.types.infer_dtype(values, skipna=True) not in ("string", "integer", "empty"):
        raise InputError(
            f"{name}: column {column.name} holds {values.dtype}, which has no one way to be "
            "written as an id; store it as text or integers"
        )
