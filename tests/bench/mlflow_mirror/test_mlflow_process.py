"""The process that holds an MLflow store: what signals, its own death and silence do to it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from bench.mlflow_mirror.background import Tracker
from tests.bench.mlflow_mirror.mlflow_stores import (
    Store,
    closed,
    record_live,
    running,
    trial_folder,
    wait_until,
)

pytestmark = pytest.mark.usefixtures("clean_surroundings")


def processes() -> list[BaseProcess]:
    return [child for child in multiprocessing.active_children() if child.name == "mlflow"]


def test_signals_to_all_processes_leave_what_is_still_to_be_sent(store: Store) -> None:
    tracker = store.tracker()
    tracker.show(running("a"))
    wait_until(lambda: bool(store.runs()))
    (process,) = processes()
    assert process.pid is not None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(process.pid, number)
    tracker.show(running("a").end("KILLED", "interrupted"))
    closed(tracker)
    assert store.run().info.status == "KILLED"
    assert store.run().data.tags["reason"] == "interrupted"
    assert store.warnings == []
    assert processes() == []


def test_its_death_is_one_warning_and_a_later_run_makes_it_whole(
    store: Store, tmp_path: Path
) -> None:
    folder = trial_folder(tmp_path)
    tracker = store.tracker()
    tracker.show(running("gru4rec-1-abc"))
    wait_until(lambda: bool(store.runs()))
    (process,) = processes()
    process.kill()
    tracker.show(running("gru4rec-1-abc", 1.0))
    tracker.show(folder)
    closed(tracker)
    (warning,) = store.warnings
    assert "its process has ended" in warning
    assert "same command run again fills MLflow" in warning
    tracker = store.tracker()
    tracker.show(folder)
    closed(tracker)
    assert sorted(run.info.status for run in store.runs()) == ["FINISHED", "KILLED"]


def test_none_is_left_behind_by_a_store_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "600")
    warnings: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        tracker = Tracker(uri, "log temporal", warnings.append)
        record_live(tracker, trial_folder(tmp_path))
        asking, _ = silent.accept()
        with asking:
            tracker.close(0.2)
            wait_until(lambda: processes() == [])
    (warning,) = warnings
    assert "did not take everything" in warning
