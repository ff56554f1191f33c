"""From parsed columns of events to a log: rewards, propensities, order and their notes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datasets.reading.event_columns import TableColumns, as_float32, refuse_rows
from datasets.reading.event_fields import EventFields
from datasets.reading.ordering import EqualTimes, EventColumns, Order, order_events
from datasets.session_log import FloatArray, SessionLog


@dataclass(frozen=True)
class EventLog:
    """A log of a table of events; its fields are those of a `Dataset` that the table decides."""

    log: SessionLog
    default_split: str
    order: Order
    equal_time_share: float | None
    notes: tuple[str, ...]


def event_log(
    columns: TableColumns,
    fields: EventFields,
    *,
    all_ones: bool,
    positive_from: float | None = None,
    equal_times: EqualTimes = "detect",
) -> EventLog:
    """The log of `columns`; its default split is temporal where there are times.

    Args:
        columns: the columns that `fields` names.
        fields: what they hold.
        all_ones: whether every reward is 1, whatever the column of rewards says.
        positive_from: the lowest value of that column with a reward of 1, others having 0; None
            takes the values as they are.
        equal_times: see `order_events`.

    Raises InputError, with the row, for a reward that float32 cannot hold and for a propensity
    outside (0, 1].
    """
    numbers = columns.numbers
    rewards, reward_note = _rewards(columns, fields, all_ones, positive_from)
    ordered = order_events(
        EventColumns(
            sessions=columns.ids[fields.session],
            items=columns.ids[fields.item],
            rewards=rewards,
            times=None if fields.time is None else numbers[fields.time],
            positions=None if fields.position is None else numbers[fields.position],
            propensities=_propensities(columns, fields.propensity),
        ),
        equal_times,
    )
    return EventLog(
        log=ordered.log,
        default_split="session-holdout" if fields.time is None else "temporal",
        order=ordered.order,
        equal_time_share=ordered.equal_time_share,
        notes=(ordered.note, reward_note),
    )


def _rewards(
    columns: TableColumns, fields: EventFields, all_ones: bool, positive_from: float | None
) -> tuple[FloatArray, str]:
    n_events = len(columns.ids[fields.item].codes)
    if all_ones or fields.reward is None:
        reason = "by --reward all" if all_ones else "there is no reward column"
        return np.ones(n_events, dtype=np.float32), f"every event has reward 1 ({reason})"
    if positive_from is None:
        rewards = as_float32(columns, fields.reward)
        return rewards, f"{int((rewards > 0).sum()):,} of {n_events:,} events have a reward above 0"
    positive = columns.numbers[fields.reward] >= positive_from
    return positive.astype(np.float32), (
        f"{int(positive.sum()):,} of {n_events:,} events have reward 1 "
        f"(a {fields.reward} of {positive_from:g} or more), the others 0"
    )


def _propensities(columns: TableColumns, name: str | None) -> FloatArray | None:
    if name is None:
        return None
    values = as_float32(columns, name)
    outside = ~((values > 0) & (columns.numbers[name] <= 1))
    refuse_rows(columns, name, outside, "is no probability in (0, 1]")
    return values
