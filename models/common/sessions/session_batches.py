"""Session-parallel batches: sessions side by side in slots, cut into windows of steps.

Hidasi et al., ICLR 2016, section 3.1.1: a slot whose session has ended takes the next unused one,
and its hidden state is zeroed. When none is left the slot disappears and the batch narrows.

A long session that begins late leaves the slots beside it empty, so that training may cut those
that fill much of a slot. Sessions of up to `SHORT` steps, as those of most click logs, stay whole.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from datasets.session_log import IntArray, SessionLog

BoolArray = NDArray[np.bool_]
SHORT = 128
"""Steps up to which a session is never cut."""
LARGEST_SHARE = 1 / 10
"""Of the steps that a slot has if all have as many: largest part of a session that may be cut."""


@dataclass(frozen=True)
class Window:
    """Some successive steps of all slots that are still busy; (T, W) = (steps, slots)."""

    events: IntArray
    """Index in the log of each input event, shape (T, W); the target is the event after it.
    Places that are not busy repeat an event of the window and must not be used."""
    starts: BoolArray
    """True where a session begins, so that the hidden state is zeroed first, shape (T, W)."""
    busy: BoolArray | None
    """Which places hold an event, shape (T, W); None where all do."""
    slots: IntArray
    """Slot of each column, shape (W,): where its hidden state is stored between windows."""

    @property
    def acting(self) -> IntArray:
        """Places that hold an event, as indices into the flattened (T, W)."""
        return np.arange(self.events.size) if self.busy is None else np.flatnonzero(self.busy)

    @property
    def targets(self) -> IntArray:
        """Index in the log of the target of each of these places."""
        return (self.events.ravel() if self.busy is None else self.events[self.busy]) + 1


@dataclass(frozen=True)
class _Schedule:
    """All input events in the order (step, slot)."""

    events: IntArray
    slots: IntArray
    steps: IntArray
    starts: BoolArray


def _parts(log: SessionLog, batch_size: int, *, cut_long: bool) -> tuple[IntArray, IntArray]:
    """First input event and steps of each part of a session, in the order in which they begin."""
    sessions = np.flatnonzero(log.lengths >= 2)
    first, n_steps = log.offsets[:-1][sessions], log.lengths[sessions] - 1
    if cut_long:
        fair = n_steps.sum() / batch_size
        n_parts = -(-n_steps // max(SHORT, int(fair * LARGEST_SHARE)))
        number = np.arange(n_parts.sum()) - np.repeat(n_parts.cumsum() - n_parts, n_parts)
        first, n_steps, n_parts = (np.repeat(of, n_parts) for of in (first, n_steps, n_parts))
        begin, end = number * n_steps // n_parts, (number + 1) * n_steps // n_parts
        first, n_steps = first + begin, end - begin
    return first, n_steps


def _schedule(log: SessionLog, batch_size: int, *, cut_long: bool) -> _Schedule:
    first_event, part_steps = _parts(log, batch_size, cut_long=cut_long)
    slot_of_part = np.empty(len(part_steps), dtype=np.int64)
    first_step = np.empty(len(part_steps), dtype=np.int64)
    free = [(0, slot) for slot in range(min(batch_size, len(part_steps)))]
    for i, n_steps in enumerate(part_steps.tolist()):
        step, slot = free[0]
        slot_of_part[i], first_step[i] = slot, step
        heapq.heapreplace(free, (step + n_steps, slot))

    ends = np.cumsum(part_steps)
    position = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - part_steps, part_steps)
    events = np.repeat(first_event, part_steps) + position
    slots = np.repeat(slot_of_part, part_steps)
    steps = np.repeat(first_step, part_steps) + position
    order = np.lexsort((slots, steps))
    return _Schedule(events[order], slots[order], steps[order], (position == 0)[order])


class SessionBatches:
    """The windows of one epoch, the same at every pass.

    Sessions of one event have no target and are left out. An epoch has one target for every
    further event: `sum(length - 1)`. With `cut_long` a session that would fill much of a slot is
    several, each of which begins with a state of zero.
    """

    def __init__(
        self, log: SessionLog, *, batch_size: int, window: int = 1, cut_long: bool = False
    ) -> None:
        self._schedule = _schedule(log, batch_size, cut_long=cut_long)
        self._window = window
        steps = self._schedule.steps
        self._n_steps = int(steps[-1]) + 1 if len(steps) else 0
        self._bounds = np.searchsorted(steps, np.arange(0, self._n_steps + window, window))
        self._widths = np.bincount(steps)[::window]
        self.n_slots = int(self._schedule.slots.max(initial=-1)) + 1

    @property
    def n_targets(self) -> int:
        """Targets of one epoch."""
        return len(self._schedule.events)

    def __len__(self) -> int:
        return len(self._bounds) - 1

    def __iter__(self) -> Iterator[Window]:
        for i in range(len(self)):
            first, last = int(self._bounds[i]), int(self._bounds[i + 1])
            first_step = i * self._window
            n_steps = min(self._window, self._n_steps - first_step)
            part = slice(first, last)
            # A slot that ends never comes back, so the first step holds all slots of the window.
            width = int(self._widths[i])
            slots = self._schedule.slots[first : first + width]
            shape = (n_steps, width)
            if last - first == n_steps * width:
                events = self._schedule.events[part].reshape(shape)
                yield Window(events, self._schedule.starts[part].reshape(shape), None, slots)
                continue
            steps = self._schedule.steps[part] - first_step
            columns = np.searchsorted(slots, self._schedule.slots[part])
            events = np.full(shape, self._schedule.events[first])
            starts = np.zeros(shape, dtype=np.bool_)
            events[steps, columns] = self._schedule.events[part]
            starts[steps, columns] = self._schedule.starts[part]
            busy = np.zeros(shape, dtype=np.bool_)
            busy[steps, columns] = True
            yield Window(events, starts, busy, slots)
