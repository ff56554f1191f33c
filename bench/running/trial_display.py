"""What a person and MLflow see of a trial while its process runs."""

from __future__ import annotations

from bench.mlflow_mirror.tracking import Tracker
from bench.running.progress import TrialProgress
from bench.running.training import Step
from bench.running.worker import Ended, Message, Phase
from bench.store.curve import VALIDATION_RECALL
from bench.store.trial import TrialSpec


class TrialDisplay:
    """Shows a worker's messages, and sends its epochs to MLflow."""

    def __init__(self, spec: TrialSpec, tracker: Tracker, progress: TrialProgress) -> None:
        self._spec, self._tracker, self._progress = spec, tracker, progress
        self._best: float | None = None
        self._seconds = 0.0

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
            self._tracker.log_epoch(self._spec.id, epoch, figures)
