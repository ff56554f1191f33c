"""Names, texts and figures as MLflow takes them, and damaged trial folders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.mlflow_mirror.shown_run import shortened, tracked_name, trial_run
from datasets.errors import InputError
from tests.bench.mlflow_mirror.mlflow_stores import trial_folder


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Recall@20", "recall_at_20"),
        ("MRR@20 (positive)", "mrr_at_20_positive"),
        ("Recall@20 low", "recall_at_20_low"),
        ("train_seconds", "train_seconds"),
        ("_Größe % µ__x_", "gr_e_x"),
    ],
)
def test_metric_names_become_what_mlflow_takes(name: str, expected: str) -> None:
    assert tracked_name(name) == expected


def test_names_of_the_case_are_taken_and_stay_apart(cases_dir: Path) -> None:
    names = json.loads((cases_dir / "R097-metric-names/names.json").read_text())
    tracked = {name: tracked_name(name) for name in names}
    assert tracked == {
        "Recall@20": "recall_at_20",
        "MRR@20": "mrr_at_20",
        "valid/Recall@5": "valid_recall_at_5",
    }


def test_text_that_fits_is_left_alone() -> None:
    assert shortened("x" * 10, 10, "a") == "x" * 10
    assert len(shortened("x" * 101, 100, "a")) == 100


def test_trial_that_lacks_a_key_and_curve_with_a_damaged_row_are_named(tmp_path: Path) -> None:
    folder = trial_folder(tmp_path)
    (folder / "curve.csv").write_text("epoch,train_seconds,loss\n1,1.0,6.5\n2,2.0,six\n")
    with pytest.raises(InputError, match=r"curve\.csv cannot be read \(row 3: "):
        trial_run(folder)
    (folder / "trial.json").write_text('{"id": "a"}')
    with pytest.raises(InputError, match=r"trial\.json is damaged"):
        trial_run(folder)
