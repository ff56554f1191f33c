"""Tracking where the store is off, absent, broken, silent, or dies while trials run."""

from __future__ import annotations

import multiprocessing
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bench.mlflow_mirror.background import Tracker
from bench.mlflow_mirror.connection import without_password
from bench.mlflow_mirror.process import Answer
from tests.bench.mlflow_mirror.mlflow_stores import (
    FINAL_METRICS,
    Store,
    closed,
    kill_group,
    record_live,
    running,
    trial_folder,
    wait_until,
)

pytestmark = pytest.mark.usefixtures("clean_surroundings")


def test_none_tracks_nothing(tmp_path: Path) -> None:
    folder = trial_folder(tmp_path)
    warnings: list[str] = []
    with Tracker("none", "log temporal", warnings.append) as tracker:
        record_live(tracker, folder)
        tracker.show(folder)
    assert warnings == []
    assert [path.name for path in tmp_path.iterdir()] == ["trials"]


def test_nothing_listens_at_the_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:9")
    warnings: list[str] = []
    with Tracker(None, "log temporal", warnings.append) as tracker:
        for _ in range(100):
            record_live(tracker, trial_folder(tmp_path / str(_)))
    (warning,) = warnings
    assert "http://127.0.0.1:9 " in warning
    assert "same command run again fills MLflow" in warning
    assert "secret" not in warning


@pytest.mark.parametrize("uri", ["nonsense://host", "sqlite:///{folder}", "sqlite:///{file}"])
def test_store_that_cannot_be_opened_is_one_warning(tmp_path: Path, uri: str) -> None:
    (tmp_path / "text").write_text("no database at all, but long enough to have a header\n" * 9)
    uri = uri.format(folder=tmp_path, file=tmp_path / "text")
    warnings: list[str] = []
    tracker = Tracker(uri, "log temporal", warnings.append)
    record_live(tracker, trial_folder(tmp_path))
    closed(tracker)
    (warning,) = warnings
    assert uri in warning


def test_store_that_hangs_does_not_keep_the_benchmark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "600")
    warnings: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        tracker = Tracker(uri, "log temporal", warnings.append)
        record_live(tracker, trial_folder(tmp_path))
        tracker.close(0.2)
        tracker.close(0.2)
    (warning,) = warnings
    assert uri in warning
    assert "did not take everything" in warning


def test_slow_store_is_sent_only_the_latest_state_of_a_running_trial(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    requests, mirror = multiprocessing.Pipe()

    @contextmanager
    def slow(uri: str, experiment: str) -> Iterator[tuple[None, Any]]:
        yield None, requests

    monkeypatch.setattr("bench.mlflow_mirror.background.mirror_process", slow)
    warnings: list[str] = []
    tracker = Tracker("http://slow", "log temporal", warnings.append)
    for n_epochs in range(4):
        tracker.show(running("a", *[1.0] * n_epochs))
    tracker.show(Path("trials/a"))
    for _ in range(10):  # more answers than requests
        mirror.send(Answer("http://slow"))
    closed(tracker)
    assert [epoch.number for epoch in mirror.recv().curve] == [1, 2, 3]
    assert mirror.recv() == Path("trials/a")
    assert mirror.recv() is None
    assert not mirror.poll()
    assert warnings == []


def test_server_holds_a_trial_and_its_death_is_one_warning_that_a_later_run_makes_it_whole(
    server: tuple[str, subprocess.Popen[bytes]],
    database: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    uri, process = server
    store = Store(uri, "over http")
    folder = trial_folder(tmp_path)
    tracker = store.tracker()
    record_live(tracker, folder)
    tracker.show(running("second", name="tocr seed 1"))
    wait_until(lambda: tracker_has_sent(store, 2))
    finished = next(run for run in store.runs() if run.info.status == "FINISHED")
    assert finished.data.metrics == FINAL_METRICS
    assert store.artifacts(finished) == ["cost.json", "curve.csv", "trial.json"]
    assert store.warnings == []

    kill_group(process)
    tracker.show(running("second", 1.0, name="tocr seed 1"))
    tracker.show(running("second", 1.0, 1.0, name="tocr seed 1"))
    second = trial_folder(tmp_path / "second", id="second", model="tocr")
    tracker.show(second)
    closed(tracker)
    (warning,) = store.warnings
    assert uri in warning
    assert capfd.readouterr() == ("", "")

    later = Store(database, "over http")
    tracker = later.tracker()
    tracker.show(folder)
    tracker.show(second)
    closed(tracker)
    found = [(run.info.run_name, run.info.status) for run in later.runs()]
    assert sorted(found, key=str) == [
        ("gru4rec seed 1", "FINISHED"),
        ("tocr seed 1", "FINISHED"),
        # What wrote it has ended with the server that it could not reach.
        ("tocr seed 1", "KILLED"),
    ]


def tracker_has_sent(store: Store, n_runs: int) -> bool:
    runs = store.runs()
    return len(runs) == n_runs and any(run.info.status == "FINISHED" for run in runs)


def test_password_is_taken_out_of_an_address() -> None:
    assert without_password("at https://a:b@host/x?y=1, no") == "at https://host/x?y=1, no"
    assert without_password("sqlite:////data/m.db") == "sqlite:////data/m.db"
