"""Turns the losses of steps into `Progress`, and stops a fit that has left the finite numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor

from models.recommender import DivergedError, Progress

Columns = Mapping[str, Tensor]
"""What a step leaves of its actions by name, cut from the graph."""
Diagnose = Callable[[Columns], Mapping[str, Tensor]]
"""From the columns of many steps, one after another, to the numbers whose means are shown."""

YIELDS_PER_EPOCH = 20
LARGEST_LOSS = 1e6


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
        self._unseen: list[Tensor] = []
        self._unseen_events = 0
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
        self._unseen.append(losses)
        self._unseen_events += n_events
        self._step += 1
        for name, column in (columns or {}).items():
            self._columns.setdefault(name, []).append(column)
        if len(self._unseen) >= self._interval:
            yield self._progress(epoch, epoch_ended=False)

    def end_of_epoch(self, epoch: int) -> Progress:
        """The epoch's last progress, with mean loss and diagnostics; resets both."""
        progress = self._progress(epoch, epoch_ended=True)
        self._step, self._loss_sum, self._events = 0, 0.0, 0
        self._diagnostics = {}
        return progress

    def _progress(self, epoch: int, *, epoch_ended: bool) -> Progress:
        losses = torch.stack(self._unseen).tolist() if self._unseen else []
        first = self._step - len(losses) + 1
        for step, loss in enumerate(losses, start=first):
            if not math.isfinite(loss) or abs(loss) > LARGEST_LOSS * max(1, self._unseen_events):
                raise DivergedError(
                    f"the loss became {loss:g} at step {step} of epoch {epoch}; "
                    "use a smaller learning_rate"
                )
        self._loss_sum += sum(losses)
        self._events += self._unseen_events
        events, self._unseen, self._unseen_events = self._unseen_events, [], 0
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

    def _add_diagnostics(self) -> None:
        if not self._columns:
            return
        columns = {name: torch.cat(parts) for name, parts in self._columns.items()}
        for name, values in self._diagnose(columns).items():
            before, n = self._diagnostics.get(name, (0.0, 0))
            self._diagnostics[name] = before + float(values.double().sum()), n + len(values)
        self._columns = {}
