"""Shows a trial on the terminal and in MLflow while its process runs."""

from __future__ import annotations

import time
from dataclasses import replace

from bench.mlflow_mirror.background import Tracker
from bench.mlflow_mirror.shown_run import Epoch, Run
from bench.running.progress import TrialProgress
from bench.running.training import Step
from bench.running.worker import Ended, Message, Phase
from bench.store.curve import VALIDATION_RECALL


class TrialDisplay:
    """Shows a worker's messages, and its growing learning curve in MLflow."""

    def __init__(self, run: Run, tracker: Tracker, progress: TrialProgress) -> None:
        self.run = run
        """The trial's run so far."""
        self._tracker, self._progress = tracker, progress
        self._best: float | None = None
        self._seconds = 0.0
        tracker.show(run)

    def __call__(self, message: Message) -> None:
        """Show one message of the worker."""
        if isinstance(message, Step):
            step = message.progress
            self._progress.update(
                step.epoch,
                message.epoch_events,
                step.total_events,
                float("nan") if step.loss is None else step.loss,
                message.events_per_second,
            )
        elif isinstance(message, Phase):
            self._progress.phase(message.text)
        elif not isinstance(message, Ended):
            figures = {name: float(value) for name, value in message.items() if value is not None}
            recall = figures.get(VALIDATION_RECALL)
            if recall is not None:
                self._best = recall if self._best is None else max(recall, self._best)
            epoch = int(figures.pop("epoch"))
            self._progress.epoch(
                epoch,
                figures.get("loss", float("nan")),
                recall,
                self._best,
                figures["events_per_second"],
                figures["train_seconds"] - self._seconds,
            )
            self._seconds = figures["train_seconds"]
            curve = (*self.run.curve, Epoch(epoch, time.time(), figures))
            self.run = replace(self.run, curve=curve)
            self._tracker.show(self.run)
