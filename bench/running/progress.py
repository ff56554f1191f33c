"""Progress of trials: a bar on a terminal or in a notebook, else one plain line per epoch."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable
from typing import Any, TextIO

from tqdm.auto import tqdm

SECONDS_BETWEEN_REDRAWS = 0.1
_BAR_FORMAT = "{desc} |{bar}| {percentage:3.0f}%"


class TrialProgress:
    """Shows the progress of one trial after another on `stream`; thread-safe.

    The time left assumes that all epochs run at the average speed so far: an upper bound, as
    training may stop early.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._live = _shows_bars(stream)
        self._lock = threading.RLock()
        self._bar: tqdm[Any] | None = None
        self._trial = ""
        self._epochs = 0
        self._total = 0
        self._started = 0.0
        self._drawn = -math.inf
        self._validation = ""

    def start(self, label: str, seed: int, epochs: int, total: int) -> None:
        """Start the bar of a trial of at most `epochs` epochs with `total` targets each."""
        with self._lock:
            self.close()
            self._trial = f"{label} seed {seed}"
            self._epochs, self._total = epochs, total
            self._started = self._clock()
            self._drawn = -math.inf
            self._validation = ""
            if self._live:
                self._bar = tqdm(
                    total=1.0,  # a notebook's bar cannot change it, and targets may differ
                    desc=self._trial,
                    file=self._stream,
                    leave=False,
                    dynamic_ncols=True,
                    bar_format=_BAR_FORMAT,
                )

    def update(
        self,
        epoch: int,
        events_done_in_epoch: int,
        total_events: int,
        loss: float,
        events_per_second: float,
    ) -> None:
        """Report progress within `epoch` (from 1); redraws the bar at most ten times a second."""
        with self._lock:
            self._total = total_events
            done = (epoch - 1) * total_events + events_done_in_epoch
            figures = [_loss(loss), self._validation, _speed(events_per_second)]
            self._draw([self._epoch_text(epoch), *figures, self._time_left(done)], done)

    def epoch(
        self,
        epoch: int,
        loss: float,
        valid_recall: float | None,
        best: float | None,
        events_per_second: float,
        seconds: float,
    ) -> None:
        """Report the end of an epoch that took `seconds`, with its and the best Recall@20."""
        with self._lock:
            self._validation = ""
            if valid_recall is not None:
                self._validation = f"valid Recall@20 {valid_recall:.4f}"
                if best is not None:
                    self._validation += f" (best {best:.4f})"
            done = epoch * self._total
            texts = [self._epoch_text(epoch), _loss(loss), self._validation]
            texts += [_speed(events_per_second)]
            if self._live:
                self._draw([*texts, self._time_left(done)], done)
            else:
                texts += [f"{seconds:.1f} s", self._time_left(done)]
                self._write_line(_joined([self._trial, *texts]))

    def phase(self, text: str) -> None:
        """Report a step other than training."""
        with self._lock:
            if self._bar is None:
                self._write_line(_joined([self._trial, text]))
            else:
                self._drawn = -math.inf
                self._draw([text])

    def message(self, text: str) -> None:
        """Print a line above the bar."""
        with self._lock:
            self._write_line(text)

    def finish(self, summary: str) -> None:
        """Replace the bar of a trial that has ended by one line."""
        with self._lock:
            self.close()
            self._write_line(summary)

    def close(self) -> None:
        """Remove the bar, if any."""
        with self._lock:
            if self._bar is not None:
                self._bar.n = 1.0  # a notebook keeps an unfinished one, in red
                self._bar.close()
            self._bar = None
            self._trial = ""

    def _draw(self, texts: list[str], done: int | None = None) -> None:
        now = self._clock()
        if self._bar is None or now - self._drawn < SECONDS_BETWEEN_REDRAWS:
            return
        self._drawn = now
        if done is not None:
            self._bar.n = min(done / max(self._epochs * self._total, 1), 1.0)
        self._bar.set_description_str(_joined([self._trial, *texts]), refresh=True)

    def _write_line(self, text: str) -> None:
        if self._bar is not None:
            self._bar.clear()
        self._stream.write(f"{text}\n")
        self._stream.flush()
        if self._bar is not None:
            self._bar.refresh()

    def _epoch_text(self, epoch: int) -> str:
        return f"epoch {epoch}/{self._epochs}"

    def _time_left(self, done: int) -> str:
        left = self._epochs * self._total - done
        if done <= 0 or left <= 0:
            return ""
        seconds = (self._clock() - self._started) * left / done
        return f"at most {tqdm.format_interval(math.ceil(seconds))} left"


def _shows_bars(stream: TextIO) -> bool:
    in_notebook = type(stream).__module__.startswith("ipykernel.")
    return in_notebook or (stream.isatty() and os.environ.get("TERM") != "dumb")


def _loss(loss: float) -> str:
    """Empty for NaN, which a model without a loss reports."""
    return f"loss {loss:.4f}" if math.isfinite(loss) else ""


def _speed(events_per_second: float) -> str:
    return f"{events_per_second:,.0f} events/s" if math.isfinite(events_per_second) else ""


def _joined(texts: list[str]) -> str:
    return "  ".join(text for text in texts if text)
