"""The command as a process: signals, MLflow in the current folder, a real log."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import run_bench
from reports.tables.formats import escape_markdown
from tests.commands.conftest import start
from tests.commands.serving import invoke, served

PLUGINS = Path(__file__).with_name("plugins.py")
SECONDS = 1200


def all_runs(folder: Path, experiment: str) -> list[Any]:
    """Runs of an experiment in the store that `mlflow ui` reads in `folder`."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    return list(client.search_runs([found.experiment_id]))


def runs_in(folder: Path, experiment: str) -> dict[str, Any]:
    """The same by their names, of which no two are alike."""
    runs = all_runs(folder, experiment)
    names = [run.info.run_name for run in runs]
    assert len(set(names)) == len(names), "a run stands there twice"
    return {run.info.run_name: run for run in runs}


def interrupted_at(process: subprocess.Popen[str], pattern: str) -> tuple[str, str]:
    """Send Ctrl-C when stderr matches, and return stdout and stderr."""
    assert process.stderr is not None
    assert process.stdout is not None
    watchdog = threading.Timer(SECONDS, process.kill)
    watchdog.start()
    lines = []
    for line in process.stderr:
        lines.append(line)
        if re.search(pattern, line):
            process.send_signal(signal.SIGINT)
            break
    lines.append(process.stderr.read())
    out = process.stdout.read()
    process.communicate()
    watchdog.cancel()
    return out, "".join(lines)


def test_interrupt_keeps_finished_trials_and_the_next_command_runs_the_others(
    folder: Path, log: Path
) -> None:
    command = (
        "--models", f"popularity,{PLUGINS}:Stalling,{PLUGINS}:Failing", "--dataset", str(log),
        "--valid-share", "0",
    )  # fmt: skip
    process = start(folder, *command)
    out, err = interrupted_at(process, r"stalling seed 1 +epoch 1/")
    assert process.returncode == 130, err
    assert "| popularity" in out
    assert "| stalling" not in out
    assert [file.name.split("-")[0] for file in (folder / "results/trials").iterdir()] == [
        "popularity"
    ]
    runs = runs_in(folder, f"{folder.name}-log temporal")
    statuses = {name: run.info.status for name, run in runs.items()}
    assert statuses == {
        "benchmark: popularity, stalling, failing": "KILLED",
        "popularity seed 1": "FINISHED",
        "stalling seed 1": "KILLED",
    }

    (folder / "go").touch()
    process = start(folder, *command)
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 1, err
    assert "popularity seed 1: reused" in err
    labels = [line.split("|")[1].strip() for line in out.splitlines() if line.startswith("| ")]
    assert sorted(labels[1:]) == ["popularity", "stalling"]

    runs_of_both = all_runs(folder, f"{folder.name}-log temporal")
    (failed,) = [run for run in runs_of_both if run.info.run_name == "failing seed 1"]
    assert failed.info.status == "FAILED"
    assert failed.info.end_time is not None
    assert "planned failure in epoch 2" in failed.data.tags["reason"]


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A benchmark of the embedded log with MLflow: its current folder and its stdout."""
    folder = tmp_path_factory.mktemp("embedded")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("BENCH_CACHE_DIR", str(folder / "cache"))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        process = start(
            folder, "--models", "popularity,gru4rec,tocr",
            "--set", "gru4rec.epochs=2", "--set", "gru4rec.layers=32",
            "--set", "tocr.epochs=1", "--set", "tocr.width=32",
            page=True, DISPLAY="", MPLBACKEND="TkAgg",
        )  # fmt: skip
        out, err = process.communicate(timeout=SECONDS)
        assert process.returncode == 0, err
        yield folder, out


def test_embedded_log_end_to_end_with_mlflow_and_a_page_without_a_screen(
    embedded: tuple[Path, str],
) -> None:
    folder, out = embedded
    assert "8,322 items" in out
    intervals = {
        model: [float(number) for number in re.findall(r"\d\.\d{4}", row)[:3]]
        for model, row in re.findall(r"^\| (\w+)‡? +\|(.*)$", out, re.MULTILINE)
        if model != "model"
    }
    assert "- gru4rec over popularity: +" in out, "more than chance tells them apart"

    runs = runs_in(folder, "ml-latest-small temporal")
    parent = runs.pop("benchmark: popularity, gru4rec, tocr")
    assert set(runs) == {"popularity seed 1", "gru4rec seed 1", "tocr seed 1"}
    for run in runs.values():
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.info.status == "FINISHED"
        assert {"recall_at_20", "mrr_at_20", "train_seconds"} <= set(run.data.metrics)
        assert {"git_commit", "data_fingerprint", "version_torch"} <= set(run.data.tags)
    gru4rec = runs["gru4rec seed 1"]
    assert gru4rec.data.metrics["recall_at_20"] == pytest.approx(intervals["gru4rec"][0], abs=1e-4)
    assert gru4rec.data.params["learning_rate"] == "0.1"
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")
    names = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert names >= {"report.html", "plots", "table.md", "table.csv", "table.tex"}
    assert "<svg" in (folder / "results/report.html").read_text()
    assert {file.suffix for file in (folder / "results/plots").iterdir()} == {".svg", ".png"}
    curve = client.get_metric_history(gru4rec.info.run_id, "valid_recall_at_20")
    assert [point.step for point in curve] == [1, 2]


def test_model_of_a_run_is_served_and_answers_as_recommend_does(
    embedded: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = embedded
    (trial,) = (folder / "results/trials").glob("gru4rec-*")
    session = ["--session", "296, 318,593,no-such", "--count", "3"]
    assert run_bench.main(["recommend", "--trial", str(trial), *session]) == 0
    printed = capsys.readouterr()
    assert printed.err == "left out, as training never saw it: no-such\n"
    table = [line.split(" | ") for line in printed.out.splitlines()[2:]]

    run = runs_in(folder, "ml-latest-small temporal")["gru4rec seed 1"]
    (output,) = run.outputs.model_outputs
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    with served(f"models:/{output.model_id}", f"sqlite:///{folder}/mlflow.db", elsewhere) as url:
        status, answer = invoke(url, [["296", "318", "593", "no-such"], ["1"]], count=3)
        assert status == 200
        first, second = answer["predictions"]
        assert first["item_ids"] == [cells[1].strip() for cells in table]
        assert [escape_markdown(title) for title in first["titles"]] == [
            cells[2].strip() for cells in table
        ]
        assert [f"{score:,.4f}" for score in first["scores"]] == [
            cells[3].strip(" |") for cells in table
        ]
        assert first["unknown_items"] == ["no-such"]
        assert len(second["item_ids"]) == 3
        status, answer = invoke(url, [["no-such"]])
        assert status == 400
        assert "give ids such as 356 (Forrest Gump (1994))" in answer["message"]


def test_tracking_server_that_is_down_costs_a_warning(
    folder: Path, log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert run_bench.main(["--models", "popularity", "--dataset", str(log), "--no-page"]) == 0
    out, err = capsys.readouterr()
    assert "| popularity" in out
    (warning,) = [line for line in err.splitlines() if "127.0.0.1:9 cannot be used" in line]
    assert "the same command run again fills MLflow" in warning


def test_two_hash_seeds_give_the_same_ranks(
    folder: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes = []
    for seed in ("0", "1"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        options = ("--models", "gru4rec", "--dataset", str(log), "--set", "gru4rec.epochs=2")
        options = (*options, "--output", f"results{seed}", "--tracking-uri", "none")
        processes.append(start(folder, *options))
    for process in processes:
        _, err = process.communicate(timeout=SECONDS)
        assert process.returncode == 0, err
    first, second = (next((folder / f"results{seed}/trials").iterdir()) for seed in ("0", "1"))
    assert (first / "ranks.npy").read_bytes() == (second / "ranks.npy").read_bytes()
