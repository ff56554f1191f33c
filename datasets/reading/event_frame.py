"""A pandas frame of events: the data set that the same table would be, read from a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd

from datasets.dataset import Dataset, Notify
from datasets.errors import InputError
from datasets.reading.event_columns import gather_columns
from datasets.reading.event_dataset import EventFields, event_dataset
from datasets.reading.event_table import check_reward, choose_columns

LABEL = "the frame"


def load_event_frame(frame: pd.DataFrame, *, reward: str | None, notify: Notify) -> Dataset:
    """Load a frame with the columns of a table of events (`load_event_table`), one row an event.

    The data set's name holds the start of the log's fingerprint, and its source is the file that
    would be the same table. Raises InputError, with the row, for whatever is not such a frame.
    """
    fields = choose_columns(LABEL, list(map(str, frame.columns)))
    unnamed = frame_dataset(
        frame, fields, name=LABEL, source=Path(), positive_from=None, reward_kind=reward
    )
    log = unnamed.log
    name = f"frame-{log.fingerprint()[:8]}"
    source = Path(f"{name}.csv")
    saved = f"a frame from Python: commands find it as {source}, saved by to_csv(index=False)"
    notify(f"{name}: {log.n_events:,} events, {log.n_sessions:,} sessions, {log.n_items:,} items")
    if unnamed.order == "file":
        notify(f"{LABEL}: no time or position column, so events stand in its order")
    return replace(unnamed, name=name, source=source, notes=(*unnamed.notes, saved))


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
