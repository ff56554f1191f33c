"""Fixtures of the tests of tracking: one real database for all, and a real server on it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench.mlflow_mirror.mlflow_stores import (
    REPOSITORY,
    FirstRun,
    Store,
    answers,
    closed,
    kill_group,
    trial_folder,
    wait_until,
)


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> FirstRun:
    """Makes the database that the tests share, as making one takes MLflow seconds."""
    folder = tmp_path_factory.mktemp("parent") / "with space"
    folder.mkdir()
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path;"
        "from bench.mlflow_mirror.background import Tracker; imported = 'mlflow' in sys.modules;"
        "t = Tracker(None, 'log temporal', print); t.show(Path(sys.argv[2]));"
        "t.close(900); sys.exit(imported)"
    )
    environment = {name: text for name, text in os.environ.items() if "MLFLOW" not in name}
    process = subprocess.run(
        [sys.executable, "-c", code, str(REPOSITORY), str(trial_folder(folder))],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return FirstRun(folder, process)


@pytest.fixture(scope="session")
def database(first_run: FirstRun) -> str:
    return f"sqlite:///{first_run.folder}/mlflow.db"


@pytest.fixture
def clean_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    # MLflow keeps the files of an experiment where the experiment was made.
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def store(database: str, clean_surroundings: None, request: pytest.FixtureRequest) -> Store:
    made = Store(database, request.node.name)
    closed(made.tracker())
    return made


@pytest.fixture
def server(database: str, tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A real MLflow server on the shared database."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", "1", "--backend-store-uri", database]
    command += ["--artifacts-destination", str(tmp_path / "artifacts")]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (tmp_path / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env=environment, start_new_session=True
        )
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/health"))
        yield f"http://127.0.0.1:{port}", process
    finally:
        kill_group(process)
