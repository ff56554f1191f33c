"""A log together with what the harness and the reader of a table must know about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from datasets.session_log import SessionLog
from datasets.simulation.loggers import Logger
from datasets.simulation.worlds import World

Order = Literal["time", "position", "file"]


@dataclass(frozen=True)
class Dataset:
    """A loaded log, its default split and the facts that stand under its results."""

    name: str
    """Name of a built-in data set, or one made from the path of a user's file."""
    log: SessionLog
    """The events."""
    default_split: str
    """The split that suits what the log knows: not every log has times."""
    source: Path
    """The file or folder that was read."""
    order: Order
    """What gave the order inside a session."""
    equal_time_share: float | None
    """Share of neighbours in a session whose times are equal; None without times."""
    notes: tuple[str, ...]
    """Short sentences for the footer of the result table."""
    read_titles: Callable[[], Mapping[str, str]] = dict
    """Reads what a person calls each item, by its id; empty where the data set does not know."""
    world: World | None = None
    """What drew the log; None for a log of real users. Its items have their codes for ids."""
    logger: Logger | None = None
    """Who chose the items that the world's sessions were shown."""
