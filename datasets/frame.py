"""A pandas frame as the data set of a run from Python."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from datasets.dataset import Dataset, Notify
from datasets.reading.event_fields import choose_columns
from datasets.reading.event_frame import frame_log

LABEL = "the frame"


def load_event_frame(frame: pd.DataFrame, *, reward: str | None, notify: Notify) -> Dataset:
    """Load a frame with the columns of a table of events (`load_event_table`), one row an event.

    The data set's name holds the start of the log's fingerprint, and its source is the file that
    would be the same table. Raises InputError, which names the row, for anything else.
    """
    fields = choose_columns(LABEL, list(map(str, frame.columns)))
    events = frame_log(frame, fields, name=LABEL, positive_from=None, reward_kind=reward)
    name = f"frame-{events.log.fingerprint()[:8]}"
    source = Path(f"{name}.csv")
    saved = f"a frame from Python: commands find it as {source}, saved by to_csv(index=False)"
    dataset = Dataset(name=name, source=source, **vars(events) | {"notes": (*events.notes, saved)})
    notify(dataset.size)
    if events.order == "file":
        notify(f"{LABEL}: no time or position column, so events stand in its order")
    return dataset
