"""Turns the losses of steps into `Progress`, and stops a fit that has left the finite numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor

from models.recommender import DivergedError, Progress

Columns = Mapping[str, Tensor]
"""What a step leaves of its actions by name, detached."""
Diagnose = Callable[[Columns], Mapping[str, Tensor]]
"""From the columns of many steps, one after another, to the numbers whose means are shown."""

YIELDS_PER_EPOCH = 20
FIRST_STEPS = 20
"""Steps with a loss that later ones are judged by."""
LARGEST_GROWTH = 1e6
"""A loss per event this many times the largest of the first ones ends the fit.

Weights that begin to act after a warm start may raise it a thousandfold; a fit that diverges passes
any bound within a few steps more."""
LEAST_REFERENCE = 1.0
"""What the first losses count at least, in nats, so that tiny ones refuse no ordinary later one."""


class TrainingLog:
    """Collects losses on the device and looks at them about twenty times an epoch.

    Looking at a loss waits for the device, so single steps never do.
    """

    def __init__(self, n_targets: int, n_steps: int, diagnose: Diagnose = dict) -> None:
        self._n_targets = n_targets
        self._interval = max(1, n_steps // YIELDS_PER_EPOCH)
        self._step = 0
        self._loss_sum = 0.0
        self._events = 0
        self._pending: list[Tensor] = []
        self._events_of_pending: list[int] = []
        self._n_first = 0
        self._largest_first = 0.0
        self._diagnose = diagnose
        self._columns: dict[str, list[Tensor]] = {}
        self._diagnostics: dict[str, tuple[float, int]] = {}

    def step(
        self,
        epoch: int,
        losses: Tensor,
        n_events: int,
        columns: Columns | None = None,
    ) -> Iterator[Progress]:
        """Note one step's summed loss over `n_events` targets, and its columns for diagnostics."""
        self._pending.append(losses)
        self._events_of_pending.append(n_events)
        self._step += 1
        for name, column in (columns or {}).items():
            self._columns.setdefault(name, []).append(column)
        if len(self._pending) >= self._interval:
            yield self._progress(epoch, epoch_ended=False)

    def end_of_epoch(self, epoch: int) -> Progress:
        """The epoch's last progress, with mean loss and diagnostics; resets both."""
        progress = self._progress(epoch, epoch_ended=True)
        self._step, self._loss_sum, self._events = 0, 0.0, 0
        self._diagnostics = {}
        return progress

    def _progress(self, epoch: int, *, epoch_ended: bool) -> Progress:
        losses = torch.stack(self._pending).tolist() if self._pending else []
        first = self._step - len(losses) + 1
        for step, loss in enumerate(losses, start=first):
            if self._has_diverged(loss, self._events_of_pending[step - first]):
                raise DivergedError(
                    f"the loss became {loss:g} at step {step} of epoch {epoch}; "
                    "use a smaller learning_rate"
                )
        events = sum(self._events_of_pending)
        self._loss_sum += sum(losses)
        self._events += events
        self._pending, self._events_of_pending = [], []
        self._add_diagnostics()
        diagnostics = {}
        if epoch_ended:
            diagnostics = {name: sum_ / max(1, n) for name, (sum_, n) in self._diagnostics.items()}
        return Progress(
            epoch=epoch,
            epoch_ended=epoch_ended,
            events=events,
            total_events=self._n_targets,
            loss=self._loss_sum / max(1, self._events),
            diagnostics=diagnostics,
        )

    def _has_diverged(self, loss: float, n_events: int) -> bool:
        """Whether a step's loss is not finite, or far above the first ones of the fit.

        There is no absolute bound: how large a loss is depends on the weights of its actions.
        """
        if not math.isfinite(loss):
            return True
        per_event = abs(loss) / max(1, n_events)
        reference = max(LEAST_REFERENCE, self._largest_first)
        if self._n_first > 0 and per_event > LARGEST_GROWTH * reference:
            return True
        if per_event > 0 and self._n_first < FIRST_STEPS:
            self._n_first += 1
            self._largest_first = max(self._largest_first, per_event)
        return False

    def _add_diagnostics(self) -> None:
        if not self._columns:
            return
        columns = {name: torch.cat(parts) for name, parts in self._columns.items()}
        for name, values in self._diagnose(columns).items():
            before, n = self._diagnostics.get(name, (0.0, 0))
            self._diagnostics[name] = before + float(values.double().sum()), n + len(values)
        self._columns = {}
