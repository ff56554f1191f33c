"""Trials as MLflow models: what they hold, that they recommend, and that runs have them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.serving.recommendation import load_trial, recommend
from datasets.errors import InputError
from tests.bench.mlflow_mirror.mlflow_stores import Store, closed, running
from tests.bench.serving.trained_trials import FINGERPRINT, PLUGIN, TITLES, trained_trial

# MLflow's own code warns of what a user cannot fix.
pytestmark = [
    pytest.mark.usefixtures("clean_surroundings"),
    pytest.mark.filterwarnings(r"ignore:::mlflow"),
]


@pytest.fixture(autouse=True)
def path_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading a model puts its code into `sys.path`."""
    monkeypatch.setattr(sys, "path", list(sys.path))


def write_model(trial: Path, folder: Path) -> Path:
    from bench.mlflow_mirror.model import write_model

    write_model(trial, folder)
    return folder


def predict(folder: Path | str, *sessions: list[str], **params: int) -> list[dict[str, Any]]:
    import mlflow.pyfunc
    import pandas as pd

    model = mlflow.pyfunc.load_model(str(folder))
    table = pd.DataFrame({"session": list(sessions)})
    rows: list[dict[str, Any]] = model.predict(table, params=params).to_dict("records")
    return rows


def row(trial: Path, session: str, count: int) -> dict[str, Any]:
    found = recommend(load_trial(trial, print), list(session), count)
    return {
        "item_ids": [item.item_id for item in found],
        "titles": [item.title for item in found],
        "scores": [item.score for item in found],
        "unknown_items": [],
    }


def test_recommends_what_the_trial_does(tmp_path: Path) -> None:
    trial = trained_trial(tmp_path, "gru4rec", titles=TITLES, epochs=1, layers=(8,))
    model = write_model(trial, tmp_path / "model")
    found = predict(model, ["A"], ["X", "?", "B"], count=3)
    assert found == [row(trial, "A", 3), {**row(trial, "XB", 3), "unknown_items": ["?"]}]
    assert [len(each["item_ids"]) for each in predict(model, ["A"])] == [5]


def test_holds_data_and_source_and_no_pickle(tmp_path: Path) -> None:
    trial = trained_trial(tmp_path, "markov")
    model = write_model(trial, tmp_path / "model")
    data = {file.relative_to(model / "data/data") for file in (model / "data").rglob("*.*")}
    assert data == {Path("trial.json"), Path("catalogue.npz"), Path("weights/followers.npz")}
    sources = {file.relative_to(model / "code").as_posix() for file in model.rglob("*.py")}
    assert {
        "models/markov.py",
        "models/common/sessions/ragged.py",
        "datasets/session_log.py",
    } <= sources
    assert (
        not {"models/gru4rec.py", "bench/running/execution.py", "bench/mlflow_mirror/mirror.py"}
        & sources
    )
    assert {file.suffix for file in model.rglob("*") if file.is_file()} == {
        "", ".py", ".json", ".npz", ".yaml", ".txt",
    }  # fmt: skip
    requirements = (model / "requirements.txt").read_text().split()
    names = {line.partition("==")[0] for line in requirements}
    assert {"mlflow", "numpy", "pandas"} <= names
    assert "torch" not in names, "counts are served without it"
    assert not {"bench", "models", "datasets", "tabulate"} & names
    assert all("==" in line and "+" not in line for line in requirements)
    example = json.loads((model / "serving_input_example.json").read_text())
    # B comes most often, then A of those that come equally often.
    assert example["dataframe_split"]["data"] == [[["B", "A", "C"]]]


def test_model_of_a_file_carries_its_file(tmp_path: Path) -> None:
    file = tmp_path / "json.py"  # no module may be hidden by the name
    file.write_text(PLUGIN)
    trial = trained_trial(tmp_path, f"{file}:Longest", sign="-1")
    model = write_model(trial, tmp_path / "model")
    file.unlink()
    (found,) = predict(model, ["X", "A"], count=2)
    assert found["item_ids"] == ["B", "C"]
    assert "titles" not in found


def test_session_without_a_known_item_is_the_callers_error(tmp_path: Path) -> None:
    from mlflow.exceptions import MlflowException

    model = write_model(trained_trial(tmp_path, "markov"), tmp_path / "model")
    with pytest.raises(MlflowException, match="no item of the catalogue's 5") as refused:
        predict(model, ["?"])
    assert refused.value.get_http_status_code() == 400
    with pytest.raises(MlflowException, match="--count must be at least 1") as refused:
        predict(model, ["A"], count=0)
    assert refused.value.get_http_status_code() == 400


def test_trial_of_another_source_or_with_large_weights_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "longest.py"
    file.write_text(PLUGIN)
    trial = trained_trial(tmp_path, f"{file}:Longest")
    file.write_text(PLUGIN + "# edited\n")
    with pytest.raises(InputError, match="the source of Longest has changed since the trial"):
        write_model(trial, tmp_path / "model")
    monkeypatch.setattr("bench.mlflow_mirror.model.MAX_WEIGHTS_BYTES", 100)
    with pytest.raises(InputError, match="the weights of markov-seed3-abc have 0 MB"):
        write_model(trained_trial(tmp_path, "markov"), tmp_path / "model")


def test_live_and_mirrored_trials_have_one_model_each(store: Store, tmp_path: Path) -> None:
    live = trained_trial(tmp_path / "live", "markov", titles=TITLES)
    mirrored = trained_trial(tmp_path / "mirrored", "popularity", titles=TITLES)
    tracker = store.tracker()
    tracker.show(running(live.name, name="markov seed 3"))
    tracker.show(live)
    tracker.show(mirrored)
    closed(tracker)
    tracker = store.tracker()
    tracker.show(live)
    tracker.show(mirrored)
    closed(tracker)
    assert store.warnings == []
    runs = store.runs()
    assert len(runs) == 2
    experiment = runs[0].info.experiment_id
    models = store.client.search_logged_models([experiment])
    assert {model.name: model.status.value for model in models} == {
        "markov": "READY",
        "popularity": "READY",
    }
    for run in runs:
        (output,) = run.outputs.model_outputs
        (model,) = [model for model in models if model.model_id == output.model_id]
        assert model.source_run_id == run.info.run_id
        trial = live if model.name == "markov" else mirrored
        assert predict(model.artifact_location, ["A"], count=3) == [row(trial, "A", 3)]


def test_run_without_a_model_is_given_it_later(store: Store, tmp_path: Path) -> None:
    trial = trained_trial(tmp_path, "markov")
    catalogue = tmp_path / "splits" / FINGERPRINT[:16] / "catalogue.npz"
    catalogue.rename(tmp_path / "away.npz")
    tracker = store.tracker()
    tracker.show(trial)
    closed(tracker)
    assert store.run().info.status == "FINISHED"
    assert store.run().outputs.model_outputs == []
    (warning,) = store.warnings
    assert warning.startswith("MLflow gets no model of markov-seed3-abc: ")
    (tmp_path / "away.npz").rename(catalogue)
    tracker = store.tracker()
    tracker.show(trial)
    closed(tracker)
    assert len(store.run().outputs.model_outputs) == 1
    assert len(store.warnings) == 1
