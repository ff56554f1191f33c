"""A run on a simulated log: models as policies, from the command line to every file."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import run_bench
from bench.policy_value.policy_values import NO_POLICY, NO_PROPENSITIES, NOT_STORED
from tests.commands.conftest import Run

SIMULATED = "simulated:world=static,logger=popularity,sessions=3000,items=30,interests=3"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output folder of popularity and a policy of one epoch."""
    folder = tmp_path_factory.mktemp("policies")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE_DIR", str(folder / "cache"))
        options = ["--models", "gru4rec,popularity", "--dataset", SIMULATED, "--k", "1,5"]
        options += ["--set", "gru4rec.epochs=1", "--set", "gru4rec.layers=16"]
        options += ["--output", str(folder / "out"), "--no-page"]
        assert run_bench.main([*options, "--tracking-uri", "none"]) == 0
    return folder / "out"


@pytest.fixture
def report(finished: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[], Run]:
    """Makes the report of a copy of the output folder, `out`."""
    shutil.copytree(finished, folder / "out")

    def run() -> Run:
        status = run_bench.main(["report", "out", "--no-page"])
        return Run(status, *capsys.readouterr())

    return run


def values(file: Path) -> dict[tuple[str, str], dict[str, str]]:
    """Rows of `policy_values.csv` by model and estimator."""
    with file.open(newline="") as lines:
        return {(row["model"], row["estimator"]): row for row in csv.DictReader(lines)}


def test_a_world_gives_true_values_and_what_the_log_says(report: Callable[[], Run]) -> None:
    run = report()
    assert run.status == 0
    header = run.table.splitlines()[0]
    for column in ("true value@1 (greedy)", "true value@5 (distinct)", "value (SNIPS)"):
        assert f" {column} " in header
    found = values(Path("out/policy_values.csv"))
    drawn, per_session = found["gru4rec", "true value@1 (distinct)"], found["gru4rec", "snpdis"]
    # The log's own estimate of what a session pays: the truth lies in or near its interval.
    truth, low, high = (
        float(text) for text in (drawn["value"], per_session["low"], per_session["high"])
    )
    assert low - (high - low) / 2 < truth < high + (high - low) / 2
    assert per_session["propensities"] == "simulated"
    assert f"- no policy value of popularity: {NO_POLICY}" in run.table
    assert found["popularity", "true value@5 (greedy)"]["value"]
    assert ("popularity", "true value@5 (distinct)") not in found


def test_what_is_stored_is_what_is_promised(finished: Path) -> None:
    (split,) = (finished / "splits").iterdir()
    assert (split / "behaviour.npz").exists()
    (trial,) = (finished / "trials").glob("gru4rec*")
    ranks, policy = np.load(trial / "ranks.npy"), np.load(trial / "policy.npy")
    assert policy.shape == (len(ranks), 2)
    # A better rank is a higher probability: the first of 30 items has more than 1 / 30.
    assert np.exp(policy[ranks == 1, 0]).min() > 1 / 30 > np.exp(policy[ranks == 30, 0]).max()
    stored = json.loads((trial / "true-values.json").read_text())
    assert list(stored) == ["1", "5"]
    metrics = json.loads((trial / "trial.json").read_text())["metrics"]
    assert metrics["true value@5 (greedy) low"] == stored["5"]["greedy"]["low"]
    (other,) = (finished / "trials").glob("popularity*")
    assert not (other / "policy.npy").exists()
    assert json.loads((other / "trial.json").read_text())["stochastic"] is False


def test_verify_names_a_value_that_files_do_not_give(
    report: Callable[[], Run], capsys: pytest.CaptureFixture[str]
) -> None:
    assert report().status == 0
    assert run_bench.main(["verify", "out"]) == 0
    file = Path("out/policy_values.csv")
    snips = values(file)["gru4rec", "snips"]["value"]
    file.write_text(file.read_text().replace(snips, "0.125"))
    capsys.readouterr()
    assert run_bench.main(["verify", "out"]) == 1
    assert "out/policy_values.csv: snips: value of gru4rec is 0.125" in capsys.readouterr().out


def test_folders_of_earlier_versions_still_report(report: Callable[[], Run]) -> None:
    (trial,) = Path("out/trials").glob("gru4rec*")
    (trial / "policy.npy").unlink()
    (trial / "true-values.json").unlink()
    record = json.loads((trial / "trial.json").read_text())
    del record["stochastic"]
    (trial / "trial.json").write_text(json.dumps(record))
    run = report()
    assert run.status == 0
    assert f"- no policy value of gru4rec: {NOT_STORED}" in run.table
    (split,) = Path("out/splits").iterdir()
    (split / "behaviour.npz").unlink()
    run = report()
    assert run.status == 0
    assert f"- no policy value of {', '.join(run.models)}: {NO_PROPENSITIES}" in run.table
