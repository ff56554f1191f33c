"""A pandas frame as a data set: what the table with the same columns and rows would give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd

from datasets.dataset import Dataset
from datasets.errors import InputError
from datasets.reading.event_columns import gather_columns
from datasets.reading.event_table import (
    ID_COLUMNS,
    check_reward,
    choose_columns,
    dataset_of_columns,
)

LABEL = "the frame"


def load_event_frame(
    frame: pd.DataFrame, *, reward: str | None, notify: Callable[[str], None]
) -> Dataset:
    """Load a frame with the columns of a table of events (`load_event_table`), one row an event.

    The index does not count. The data set's name holds the start of the log's fingerprint, and its
    source is the file that would be the same table. Raises InputError, with the row (from 1), for
    whatever is not such a frame.
    """
    check_reward(reward, LABEL)
    time, numbers = choose_columns(LABEL, list(map(str, frame.columns)))
    if frame.empty:
        raise InputError(f"{LABEL} has no rows; give one with events")
    columns = gather_columns(
        [frame[[*ID_COLUMNS, *numbers]]],
        ids=ID_COLUMNS,
        numbers=numbers,
        time=time,
        place=lambda row: f"row {row + 1}",
        label=LABEL,
    )
    unnamed = dataset_of_columns(columns, LABEL, Path(), all_ones=reward == "all")
    name = f"frame-{unnamed.log.fingerprint()[:8]}"
    source = Path(f"{name}.csv")
    saved = f"a frame from Python: commands find it as {source}, saved by to_csv(index=False)"
    dataset = replace(unnamed, name=name, source=source, notes=(*unnamed.notes, saved))
    log = dataset.log
    notify(f"{name}: {log.n_events:,} events, {log.n_sessions:,} sessions, {log.n_items:,} items")
    if dataset.order == "file":
        notify(f"{LABEL}: no time or position column, so events stand in its order")
    return dataset
