"""A log with what the harness and the reader of a table must know about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from datasets.reading.ordering import Order
from datasets.session_log import SessionLog
from datasets.simulation.loggers import Logger
from datasets.simulation.worlds import World

if TYPE_CHECKING:
    import pandas as pd

Notify = Callable[[str], None]
"""Takes a line for stderr."""


@dataclass(frozen=True)
class Dataset:
    """A loaded log, its default split, and what the footer of its results says."""

    name: str
    """Name of a built-in data set, or one made from the path of a user's file."""
    log: SessionLog
    """The events."""
    default_split: str
    """The split to use by default: not every log has times."""
    source: Path
    """The file or folder that was read."""
    order: Order
    """What gave the order inside a session."""
    equal_time_share: float | None
    """Share of consecutive events in a session with equal times; None without times."""
    notes: tuple[str, ...]
    """Short sentences for the footer of the result table."""
    read_titles: Callable[[], Mapping[str, str]] = dict
    """Reads the title of each item by its id; empty if the data set has no titles."""
    world: World | None = None
    """The simulated world of the log, whose item ids are item codes; None for real users."""
    logger: Logger | None = None
    """The logging policy in that world."""

    @property
    def size(self) -> str:
        """Its name and numbers of events, sessions and items, in a line."""
        log = self.log
        return (
            f"{self.name}: {log.n_events:,} events, {log.n_sessions:,} sessions, "
            f"{log.n_items:,} items"
        )

    @staticmethod
    def from_frame(
        frame: pd.DataFrame,
        *,
        session: str,
        item: str,
        time: str | None = None,
        position: str | None = None,
        reward: str | None = None,
        propensity: str | None = None,
        positive_from: float | None = None,
        reward_kind: str | None = None,
        name: str = "frame",
        source: Path | None = None,
    ) -> Dataset:
        """The data set of a frame with a row for each event, as of the same table in a file.

        Raises InputError, which names the row, for anything else.

        Args:
            frame: the events; its index and its other columns do not matter.
            session: column of session ids, text or integers.
            item: column of item ids, text or integers.
            time: column of numbers in any unit, dates, or ISO 8601 text.
            position: column of numbers that order the events of a session.
            reward: column of numbers; without it every event has reward 1.
            propensity: column of probabilities of the item under the logging policy, in (0, 1].
            positive_from: the lowest value of `reward` that counts 1, lower ones 0, as the lowest
                rating of who likes an item; None takes the values as they are.
            reward_kind: the option `--reward`; "all" makes every reward 1.
            name: of the data set, in tables and in messages.
            source: the file that was read, which is hidden from models.
        """
        from datasets.reading.event_fields import EventFields
        from datasets.reading.event_frame import frame_log

        fields = EventFields(session, item, time, position, reward, propensity)
        events = frame_log(
            frame, fields, name=name, positive_from=positive_from, reward_kind=reward_kind
        )
        return Dataset(name=name, source=source or Path(name), **vars(events))
