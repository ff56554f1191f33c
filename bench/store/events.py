"""Test events as columns, stored once for all trials on a split."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bench.store.files import read_versioned, replacing
from datasets.session_log import FloatArray, IntArray, ItemCodes, SessionLog, TimeArray
from datasets.splitting.held_out import HeldOut

EVENTS_FORMAT = 1
MANIFEST = "manifest.json"


@dataclass(frozen=True, eq=False)
class TestEvents:
    """The scored targets in the order of the held-out log, then the missed ones in theirs.

    A trial's ranks have the same order. All shapes are (n_events,).
    """

    __test__: ClassVar[bool] = False  # pytest would take the name for a class of tests

    sessions: IntArray
    """Session of each event; only equality means something."""
    positions: IntArray
    """Length of the prefix."""
    targets: ItemCodes
    """Item code, -1 for an item that training never saw."""
    rewards: FloatArray
    repeats: NDArray[np.bool_]
    """Whether the item occurs in the prefix."""
    immediate_repeats: NDArray[np.bool_]
    """Whether the item is the last one of the prefix."""
    times: TimeArray | None = None
    propensities: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.targets)

    def save(self, folder: Path) -> None:
        """Write a `.npy` for each column into the existing `folder`, the manifest last."""
        columns = {}
        for field in fields(self):
            column = getattr(self, field.name)
            if column is not None:
                np.save(folder / f"{field.name}.npy", column, allow_pickle=False)
                columns[field.name] = str(column.dtype)
        manifest = {"format_version": EVENTS_FORMAT, "n_events": len(self), "columns": columns}
        with replacing(folder / MANIFEST) as file:
            file.write((json.dumps(manifest, indent=1) + "\n").encode())

    @classmethod
    def load(cls, folder: Path) -> TestEvents:
        """Read what `save` wrote; raises `InputError` where it is incomplete or of another kind."""
        fix = "delete the folder and run again"
        incomplete = f"the stored test events are incomplete; {fix}"
        names = read_versioned(
            folder / MANIFEST,
            EVENTS_FORMAT,
            lambda manifest: list(manifest["columns"]),
            absent=incomplete,
            other_version=fix,
            damaged=fix,
        )
        return cls(**{name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in names})


def events_from(held_out: HeldOut) -> TestEvents:
    """The targets of `held_out` as columns, scored ones first, then missed ones."""
    log, scored, missed = held_out.log, held_out.is_target, held_out.missed
    previous = np.concatenate([log.items[:1], log.items[:-1]])
    never = np.zeros(len(missed), dtype=np.bool_)

    def both(of_log: NDArray[Any], of_missed: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([of_log[scored], of_missed])

    def both_or_none(of_log: NDArray[Any] | None, of_missed: NDArray[Any] | None) -> Any:
        return None if of_log is None or of_missed is None else both(of_log, of_missed)

    return TestEvents(
        sessions=both(log.session_of_event, missed.sessions),
        positions=both(log.position_in_session, missed.positions),
        targets=both(log.items, np.full(len(missed), -1, dtype=np.int32)),
        rewards=both(log.rewards, missed.rewards),
        repeats=both(_repeats(log), never),
        immediate_repeats=both(log.items == previous, never),
        times=both_or_none(log.times, missed.times),
        propensities=both_or_none(log.propensities, missed.propensities),
    )


def _repeats(log: SessionLog) -> NDArray[np.bool_]:
    """Whether an event's item occurs earlier in its session, (n_events,)."""
    session_and_item = log.session_of_event * log.n_items + log.items
    order = np.argsort(session_and_item, kind="stable")
    ordered = session_and_item[order]
    repeats = np.zeros(log.n_events, dtype=np.bool_)
    repeats[order[1:]] = ordered[1:] == ordered[:-1]
    return repeats
