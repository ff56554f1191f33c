"""Progress of a trial: plain lines in a file, a live bar on a terminal."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import struct
import termios
import threading
from collections.abc import Iterator
from typing import TextIO

import pytest

from bench.running.progress import TrialProgress


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal:
    """A pseudo-terminal of 160 columns whose output is read as it comes."""

    def __init__(self) -> None:
        self._reading, writing = pty.openpty()
        fcntl.ioctl(writing, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 160, 0, 0))
        self.stream: TextIO = os.fdopen(writing, "w")
        self._shown = b""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        try:
            while chunk := os.read(self._reading, 65536):
                self._shown += chunk
        except OSError:
            return

    def shown(self) -> str:
        """Everything that was written; closes the terminal."""
        if not self.stream.closed:
            self.stream.close()
            self._reader.join()
            os.close(self._reading)
        return self._shown.decode()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.setenv("TERM", "xterm")
    opened = Terminal()
    yield opened
    opened.shown()


def test_file_gets_one_plain_line_an_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    stream, clock = io.StringIO(), Clock()
    progress = TrialProgress(stream, clock)
    progress.start("gru4rec", 1, epochs=30, total=1000)
    clock.now += 12
    for done in range(0, 1000, 10):
        progress.update(3, done, 1000, 6.2, 9_000.0)
    progress.epoch(3, 6.12341, 0.11234, 0.1125, 9_832.4, 4.04)
    assert stream.getvalue() == (
        "gru4rec seed 1  epoch 3/30  loss 6.1234  valid Recall@20 0.1123 (best 0.1125)  "
        "9,832 events/s  4.0 s  at most 01:48 left\n"
    )
    assert capsys.readouterr() == ("", "")


def test_line_leaves_out_what_a_model_does_not_have() -> None:
    stream = io.StringIO()
    progress = TrialProgress(stream, Clock())
    progress.start("popularity", 1, epochs=1, total=50)
    progress.epoch(1, float("nan"), None, None, float("inf"), 0.01)
    assert stream.getvalue() == "popularity seed 1  epoch 1/1  0.0 s\n"


def test_phases_messages_and_summary_are_lines_in_a_file() -> None:
    stream = io.StringIO()
    progress = TrialProgress(stream)
    progress.phase("loading")
    progress.start("tocr", 2, epochs=5, total=10)
    progress.phase("ranking 12,345 test events")
    progress.message("MLflow is away")
    progress.finish("tocr seed 2  finished")
    progress.phase("writing")
    assert stream.getvalue().splitlines() == [
        "loading",
        "tocr seed 2  ranking 12,345 test events",
        "MLflow is away",
        "tocr seed 2  finished",
        "writing",
    ]


def test_terminal_shows_a_live_bar(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    progress = TrialProgress(terminal.stream, clock)
    progress.start("gru4rec", 1, epochs=4, total=1000)
    clock.now += 10
    progress.update(1, 500, 1000, 6.5, 1234.0)
    clock.now += 10
    progress.epoch(1, 6.4, 0.1, 0.1, 1234.0, 20.0)
    clock.now += 10
    progress.update(2, 500, 1000, 6.3, 1234.0)
    progress.phase("ranking 12 test events")
    progress.finish("gru4rec seed 1  finished")
    shown = terminal.shown()
    assert "gru4rec seed 1  epoch 1/4  loss 6.5000  1,234 events/s  at most 01:10 left" in shown
    assert (
        "gru4rec seed 1  epoch 2/4  loss 6.3000  valid Recall@20 0.1000 (best 0.1000)  "
        "1,234 events/s  at most 00:50 left"
    ) in shown
    assert " 38%" in shown
    assert "gru4rec seed 1  ranking 12 test events" in shown
    # Only the summary stays as a line; the bar was drawn over and over on its own.
    assert shown.count("\n") == 1
    assert shown.endswith("\rgru4rec seed 1  finished\r\n")
    assert capsys.readouterr() == ("", "")


def test_bar_is_redrawn_at_most_ten_times_a_second(terminal: Terminal) -> None:
    clock = Clock()
    progress = TrialProgress(terminal.stream, clock)
    progress.start("gru4rec", 1, epochs=1, total=1000)
    for done in range(1000):
        clock.now += 0.002
        progress.update(1, done, 1000, 6.5, 1234.0)
    progress.close()
    assert 15 <= terminal.shown().count("epoch 1/1") <= 21


def test_message_stays_above_the_bar(terminal: Terminal) -> None:
    progress = TrialProgress(terminal.stream, Clock())
    progress.start("gru4rec", 1, epochs=1, total=1000)
    progress.update(1, 500, 1000, 6.5, 1234.0)
    progress.message("MLflow is away")
    progress.close()
    above, below = terminal.shown().split("MLflow is away\r\n")
    assert above.endswith("\r")
    assert "epoch 1/1" in below


def test_dumb_terminal_gets_plain_lines(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    progress = TrialProgress(terminal.stream, Clock())
    progress.start("gru4rec", 1, epochs=2, total=10)
    progress.epoch(1, 6.5, None, None, 100.0, 0.1)
    assert (
        terminal.shown()
        == "gru4rec seed 1  epoch 1/2  loss 6.5000  100 events/s  0.1 s  at most 00:00 left\r\n"
    )
