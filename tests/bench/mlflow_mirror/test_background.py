"""Tracking against a real MLflow database: what a run holds, and that none is doubled or lost."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench.mlflow_mirror.shown_run import Epoch, benchmark_run, tracked_name
from tests.bench.mlflow_mirror.mlflow_stores import (
    FINAL_METRICS,
    REPOSITORY,
    STARTED,
    FirstRun,
    Store,
    closed,
    record_live,
    running,
    trial_folder,
    wait_until,
)

pytestmark = pytest.mark.usefixtures("clean_surroundings")


def test_live_and_mirrored_trials_hold_the_same(store: Store, tmp_path: Path) -> None:
    live_folder = trial_folder(tmp_path / "live")
    mirrored_folder = trial_folder(tmp_path / "mirrored", id="gru4rec-1-other")
    tracker = store.tracker()
    record_live(tracker, live_folder)
    tracker.show(mirrored_folder)
    closed(tracker)
    assert store.warnings == []
    runs = store.runs()
    assert {run.data.tags["trial_id"] for run in runs} == {"gru4rec-1-abc", "gru4rec-1-other"}
    for run in runs:
        assert run.info.run_name == "gru4rec seed 1"
        assert run.info.status == "FINISHED"
        assert run.info.start_time == 1_700_000_000_250
        assert run.info.end_time == 1_700_000_060_250
        assert run.data.metrics == FINAL_METRICS
        assert run.data.params == {"epochs": "2", "loss": "bpr-max", "embedding": "null"}
        assert run.data.tags["git_commit"] == "abc-dirty"
        assert store.artifacts(run) == ["cost.json", "curve.csv", "trial.json"]
        curve = store.client.get_metric_history(run.info.run_id, "loss")
        assert [(point.step, point.value) for point in curve] == [(1, 6.5), (2, 6.25)]
        so_far = store.client.get_metric_history(run.info.run_id, "train_seconds_so_far")
        assert [(point.step, point.value) for point in so_far] == [(1, 20.0), (2, 40.0)]
        final = store.client.get_metric_history(run.info.run_id, "train_seconds")
        assert [(point.step, point.value) for point in final] == [(2, 40.0)]
        if run.data.tags["trial_id"] == "gru4rec-1-other":
            assert [point.timestamp for point in curve] == [1_700_000_020_250, 1_700_000_040_250]


def test_a_benchmark_is_the_parent_of_its_trials_and_holds_the_report(
    store: Store, tmp_path: Path
) -> None:
    live, mirrored = trial_folder(tmp_path), trial_folder(tmp_path, id="gru4rec-1-other")
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "curves.svg").write_text("<svg/>")
    table = tmp_path / "table.md"
    for text in ("| model |\n", "| model | again |\n"):
        table.write_text(text)
        tracker = store.tracker()
        benchmark = benchmark_run("b1", ["gru4rec"], {"split": "temporal"})
        tracker.show(benchmark)
        if text == "| model |\n":
            record_live(tracker, live)
        tracker.show(mirrored)
        tracker.show(benchmark.end("FINISHED", files=[table, tmp_path / "plots"]))
        closed(tracker)
    assert store.warnings == []
    by_name = {run.info.run_name: run for run in store.runs()}
    parent = by_name["benchmark: gru4rec"]
    assert len(store.runs()) == 3, "the same benchmark again goes on with its own run"
    assert (parent.info.status, parent.data.params) == ("FINISHED", {"split": "temporal"})
    assert store.artifacts(parent) == ["plots", "table.md"]
    kept = store.client.download_artifacts(parent.info.run_id, "table.md", str(tmp_path / "plots"))
    assert Path(kept).read_text() == "| model | again |\n"
    trials = [run for run in store.runs() if "trial_id" in run.data.tags]
    assert {run.data.tags["mlflow.parentRunId"] for run in trials} == {parent.info.run_id}


def test_mirroring_twice_makes_one_run(store: Store, tmp_path: Path) -> None:
    folder = trial_folder(tmp_path)
    for _ in range(2):
        tracker = store.tracker()
        tracker.show(folder)
        tracker.show(folder)
        closed(tracker)
    assert store.run().info.status == "FINISHED"
    assert store.warnings == []


def test_curve_grows_while_the_trial_runs(store: Store) -> None:
    tracker = store.tracker()
    figures = {"loss": 6.5, "Recall@20": float("nan"), "x": float("inf")}
    run = replace(running("a"), curve=(Epoch(1, STARTED + 2, figures),))
    tracker.show(run)
    wait_until(lambda: bool(store.runs()) and store.run().data.metrics == {"loss": 6.5})
    assert store.run().info.status == "RUNNING"
    # What stands there already is not added again, nor is a state missed that was not sent.
    tracker.show(run)
    rows = [Epoch(number, STARTED + 2 * number, {"loss": 6.0}) for number in (2, 3)]
    tracker.show(replace(run, curve=(*run.curve, *rows)))
    closed(tracker)
    curve = store.client.get_metric_history(store.run().info.run_id, "loss")
    assert [(point.step, point.value, point.timestamp) for point in curve] == [
        (1, 6.5, 1_700_000_002_250),
        (2, 6.0, 1_700_000_004_250),
        (3, 6.0, 1_700_000_006_250),
    ]
    assert store.warnings == []


def test_failed_trial_has_its_reason_and_its_retry_is_another_run(
    store: Store, tmp_path: Path
) -> None:
    reason = "NaN in step 3. " + "x" * 9000
    folder = trial_folder(tmp_path, status="failed", reason=reason, metrics={})
    (folder / "traceback.txt").write_text("Traceback\n")
    tracker = store.tracker()
    tracker.show(running("gru4rec-1-abc"))
    tracker.show(folder)
    tracker.show(replace(running("gru4rec-1-abc"), started=STARTED + 100))
    tracker.show(trial_folder(tmp_path / "again"))
    closed(tracker)
    by_status = {run.info.status: run for run in store.runs()}
    assert set(by_status) == {"FAILED", "FINISHED"}
    failed = by_status["FAILED"]
    assert failed.data.tags["reason"].startswith("NaN in step 3.")
    assert failed.data.tags["reason"].endswith("the whole is in traceback.txt)")
    assert "traceback.txt" in store.artifacts(failed)
    assert store.warnings == []


def test_interrupted_trial_is_killed_and_none_stays_running(store: Store) -> None:
    with pytest.raises(KeyboardInterrupt), store.tracker() as tracker:
        tracker.show(running("ended"))
        tracker.show(running("left", name="gru4rec seed 2"))
        tracker.show(running("ended").end("KILLED", "interrupted"))
        raise KeyboardInterrupt
    assert [run.info.status for run in store.runs()] == ["KILLED", "KILLED"]
    assert all(run.info.end_time for run in store.runs())


def test_run_of_a_killed_benchmark_is_ended_and_that_of_a_living_one_is_not(
    store: Store,
) -> None:
    code = (
        "import sys, time; sys.path.insert(0, sys.argv[1]);"
        "from bench.mlflow_mirror.shown_run import Run;"
        "from bench.mlflow_mirror.background import Tracker;"
        "t = Tracker(sys.argv[2], sys.argv[3], print);"
        "t.show(Run('a', 'gru4rec seed 1', {}, {}, time.time()));"
        "time.sleep(600)"
    )
    benchmark = subprocess.Popen(
        [sys.executable, "-c", code, str(REPOSITORY), store.uri, store.experiment]
    )
    try:
        wait_until(lambda: bool(store.runs()))
        closed(store.tracker())
        assert store.run().info.status == "RUNNING"
    finally:
        benchmark.send_signal(signal.SIGKILL)
    # Not yet waited for, it is a zombie here, as under a parent that never reaps.
    wait_until(lambda: ended_by_another(store))
    benchmark.wait()
    assert store.warnings == []


def ended_by_another(store: Store) -> bool:
    closed(store.tracker())
    return bool(store.run().info.status == "KILLED")


def test_parameter_longer_than_mlflow_takes_is_whole_in_an_artifact(
    store: Store, tmp_path: Path
) -> None:
    long = {"seeds": list(range(2000)), **{f"p{i}": i for i in range(150)}, "at@": "x"}
    tracker = store.tracker()
    tracker.show(trial_folder(tmp_path, parameters=long))
    closed(tracker)
    run = store.run()
    assert store.warnings == []
    assert len(run.data.params) == 152
    assert run.data.params["at_"] == "x"
    text = run.data.params["seeds"]
    assert len(text) == 6000
    assert text.startswith("[0, 1, 2,")
    assert text.endswith("(shortened from 10,890 characters; the whole is in parameters.json)")
    local = store.client.download_artifacts(run.info.run_id, "parameters.json", str(tmp_path))
    assert json.loads(Path(local).read_text()) == long


def test_parameters_of_case_r099(store: Store, tmp_path: Path, cases_dir: Path) -> None:
    parameters = json.loads((cases_dir / "R099-long-param" / "config.json").read_text())
    tracker = store.tracker()
    tracker.show(trial_folder(tmp_path, parameters=parameters))
    closed(tracker)
    run = store.run()
    assert store.warnings == []
    assert run.info.status == "FINISHED"
    assert set(run.data.params) == set(parameters)
    assert "parameters.json" in store.artifacts(run)
    assert any("shortened" in value for value in run.data.params.values())


def test_names_of_case_r097(store: Store, tmp_path: Path, cases_dir: Path) -> None:
    names = json.loads((cases_dir / "R097-metric-names" / "names.json").read_text())
    figures = {name: 0.5 + index for index, name in enumerate(names)}
    tracker = store.tracker()
    tracker.show(trial_folder(tmp_path, metrics=figures))
    closed(tracker)
    run = store.run()
    assert store.warnings == []
    sent = {tracked_name(name): value for name, value in figures.items()}
    assert len(sent) == len(names)
    assert run.data.metrics.items() >= sent.items()
    # The names as they were are read back from the trial itself.
    local = store.client.download_artifacts(run.info.run_id, "trial.json", str(tmp_path))
    assert json.loads(Path(local).read_text())["metrics"] == figures


def test_more_figures_than_one_call_takes(store: Store, tmp_path: Path) -> None:
    folder = trial_folder(tmp_path)
    rows = "".join(f"{epoch},1.0,{epoch / 7}\n" for epoch in range(1, 1203))
    (folder / "curve.csv").write_text(f"epoch,train_seconds,loss\n{rows}")
    tracker = store.tracker()
    tracker.show(folder)
    closed(tracker)
    run = store.run()
    assert len(store.client.get_metric_history(run.info.run_id, "loss")) == 1202
    assert store.warnings == []


def test_damaged_folder_warns_once_and_the_others_go_on(store: Store, tmp_path: Path) -> None:
    damaged = trial_folder(tmp_path / "a", id="damaged")
    (damaged / "trial.json").write_text("{")
    tracker = store.tracker()
    tracker.show(damaged)
    tracker.show(damaged)
    tracker.show(trial_folder(tmp_path / "b"))
    closed(tracker)
    assert store.run().info.status == "FINISHED"
    (warning,) = store.warnings
    assert "trial.json is damaged" in warning


def test_run_deleted_meanwhile_warns_once_and_the_others_go_on(
    store: Store, tmp_path: Path
) -> None:
    tracker = store.tracker()
    tracker.show(running("deleted"))
    wait_until(lambda: bool(store.runs()))
    store.client.delete_run(store.run().info.run_id)
    tracker.show(running("deleted", 1.0))
    tracker.show(running("deleted", 1.0, 1.0))
    tracker.show(trial_folder(tmp_path))
    closed(tracker)
    assert store.run().info.status == "FINISHED"
    assert sum("deleted" in warning for warning in store.warnings) == len(store.warnings) == 1


def test_deleted_experiment_is_restored_and_said_so(store: Store, tmp_path: Path) -> None:
    closed(store.tracker())
    experiment = store.client.get_experiment_by_name(store.experiment)
    store.client.delete_experiment(experiment.experiment_id)
    tracker = store.tracker()
    tracker.show(trial_folder(tmp_path))
    closed(tracker)
    assert store.run().info.status == "FINISHED"
    (warning,) = store.warnings
    assert "restored" in warning


def test_without_a_uri_the_store_is_the_one_that_mlflow_ui_reads_and_nothing_is_printed(
    first_run: FirstRun, database: str
) -> None:
    done = first_run.process
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    # MLflow by itself would also leave an empty folder "with%20space".
    assert [path.name for path in first_run.folder.parent.iterdir()] == ["with space"]
    store = Store(database, "log temporal")
    assert store.artifacts(store.run()) == ["cost.json", "curve.csv", "trial.json"]
    assert (first_run.folder / "mlruns").is_dir()
