"""MLflow stores as the tests of tracking see them, and a trial to put into one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench.mlflow_mirror.background import Tracker
from bench.mlflow_mirror.shown_run import Epoch, Run

REPOSITORY = Path(__file__).parents[3]
STARTED = 1_700_000_000.25
PATIENCE = 900.0

FINAL_METRICS = {
    "recall_at_20": 0.25,
    "recall_at_20_low": 0.2,
    "mrr_at_20_positive": 0.125,
    "train_seconds": 40.0,
    "train_seconds_so_far": 40.0,
    "loss": 6.25,
    "valid_recall_at_20": 0.125,
}


class Store:
    """A database that the tests share, each with an experiment of its own."""

    def __init__(self, uri: str, experiment: str) -> None:
        self.uri, self.experiment = uri, experiment
        self.warnings: list[str] = []

    def tracker(self) -> Tracker:
        return Tracker(self.uri, self.experiment, self.warnings.append)

    @property
    def client(self) -> Any:
        from mlflow.tracking import MlflowClient

        return MlflowClient(tracking_uri=self.uri)

    def runs(self) -> list[Any]:
        """Runs of the experiment, oldest first."""
        experiment = self.client.get_experiment_by_name(self.experiment)
        if experiment is None:
            return []
        return list(self.client.search_runs([experiment.experiment_id]))[::-1]

    def run(self) -> Any:
        (run,) = self.runs()
        return run

    def artifacts(self, run: Any) -> list[str]:
        return sorted(file.path for file in self.client.list_artifacts(run.info.run_id))


@dataclass(frozen=True)
class FirstRun:
    """A process that mirrored one trial without naming a store."""

    folder: Path
    process: subprocess.CompletedProcess[str]


def trial_folder(parent: Path, **changes: Any) -> Path:
    record: dict[str, Any] = {
        "format_version": 2,
        "id": "gru4rec-1-abc",
        "model": "gru4rec",
        "seed": 1,
        "status": "finished",
        "reason": None,
        "started": STARTED,
        "ended": STARTED + 60.0,
        "experiment": "log temporal",
        "parameters": {"epochs": 2, "loss": "bpr-max", "embedding": None},
        "tags": {"git_commit": "abc-dirty", "data_fingerprint": "f00"},
        "metrics": {
            "Recall@20": 0.25,
            "Recall@20 low": 0.2,
            "MRR@20 (positive)": 0.125,
            "train_seconds": 40.0,
            "events_per_second": None,
            "MRR@5": float("nan"),
        },
        **changes,
    }
    folder = parent / "trials" / str(record["id"])
    folder.mkdir(parents=True)
    (folder / "trial.json").write_text(json.dumps(record))
    (folder / "curve.csv").write_text(
        "epoch,train_seconds,loss,Recall@20\n1,20.0,6.5,0.125\n2,40.0,6.25,\n"
    )
    (folder / "cost.json").write_text("{}")
    return folder


def record_live(tracker: Tracker, folder: Path) -> None:
    """What the benchmark has shown of the trial that `folder` holds, from its start on."""
    record = json.loads((folder / "trial.json").read_text())
    name = f"{record['model']} seed {record['seed']}"
    run = Run(record["id"], name, record["parameters"], record["tags"], STARTED)
    tracker.show(run)
    rows = [
        {"train_seconds": 20.0, "loss": 6.5, "Recall@20": 0.125},
        {"train_seconds": 40.0, "loss": 6.25},
    ]
    for number, figures in enumerate(rows, start=1):
        run = replace(run, curve=(*run.curve, Epoch(number, time.time(), figures)))
        tracker.show(run)
    tracker.show(folder)


def running(trial_id: str, *losses: float, name: str = "gru4rec seed 1") -> Run:
    """A trial that has trained for as many epochs as losses are given."""
    curve = [Epoch(number, STARTED + number, {"loss": x}) for number, x in enumerate(losses, 1)]
    return Run(trial_id, name, {}, {}, STARTED, curve=tuple(curve))


def closed(tracker: Tracker) -> None:
    """Everything is sent."""
    tracker.close(PATIENCE)


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def kill_group(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
