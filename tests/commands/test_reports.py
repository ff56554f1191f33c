"""Reports, verification and MLflow from output folders, without training again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import run_bench
from tests.commands.conftest import Run


@pytest.fixture
def command(
    finished_benchmark: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Run]:
    """Runs a command beside output folders `a`, with popularity and markov, and `b`, with markov
    and an alias."""
    for output in ("a", "b"):
        shutil.copytree(finished_benchmark, folder / output)
    record = json.loads(Path("b/benchmark.json").read_text())
    record["trials"]["alias"] = record["trials"].pop("popularity")
    Path("b/benchmark.json").write_text(json.dumps(record))

    def run(*arguments: str) -> Run:
        status = run_bench.main(list(arguments))
        return Run(status, *capsys.readouterr())

    return run


def test_a_report_is_made_again_and_equal(command: Callable[..., Run]) -> None:
    names = ("table.md", "table.csv", "table.tex", "policy_values.csv")
    before = {name: Path("a", name).read_text() for name in names}
    for name in before:
        Path("a", name).unlink()
    run = command("report", "a")
    assert run.status == 0
    assert run.table == before["table.md"]
    assert {name: Path("a", name).read_text() for name in before} == before


def test_folders_of_one_log_become_one_table(command: Callable[..., Run]) -> None:
    run = command("report", "a", "b", "--output", "both")
    assert sorted(run.models) == ["alias", "markov", "popularity"]
    assert run.table == Path("both/table.md").read_text()
    assert command("report", "a", "b").status == 2, "it would not say where to write"


def test_folders_of_other_test_events_are_refused(command: Callable[..., Run]) -> None:
    record = json.loads(Path("b/benchmark.json").read_text())
    fingerprint, record["fingerprint"] = record["fingerprint"], "0" * 64
    Path("b/benchmark.json").write_text(json.dumps(record))
    run = command("report", "a", "b", "--output", "both")
    assert run.status == 2
    assert f"b and a are of one data set, {record['dataset']}, and differ in" in run.stderr
    assert f"test events (0000000000000000 and {fingerprint[:16]})" in run.stderr
    assert not Path("both/table.md").exists()


def test_folders_of_two_data_sets_have_a_table_of_both(command: Callable[..., Run]) -> None:
    record = json.loads(Path("b/benchmark.json").read_text())
    Path("b/benchmark.json").write_text(json.dumps({**record, "dataset": "other"}))
    run = command("report", "a", "b", "--output", "both")
    assert run.status == 0
    assert run.table.startswith("| model ")
    assert run.table.splitlines()[0].count("Recall@20") == 2
    assert f"\n## {record['dataset']}\n" in run.table
    assert "\n## other\n" in run.table
    assert {file.name for file in Path("both").glob("table-*.csv")} == {
        f"table-{record['dataset']}.csv",
        "table-other.csv",
    }


def test_verify_names_each_figure_that_ranks_do_not_give(command: Callable[..., Run]) -> None:
    assert command("verify", "a").status == 0
    table = Path("a/table.csv")
    whole = table.read_text()
    rows = [line.split(",") for line in whole.splitlines()]
    rows[1][1] = "0.5"
    table.write_text("\n".join(map(",".join, rows)) + "\n")
    run = command("verify", "a")
    assert run.status == 1
    assert f"a/table.csv: Recall@20 of {rows[1][0]} is 0.5, ranks give" in run.table
    assert "1 of them not what the ranks give" in run.table

    table.write_text(whole)
    (trial,) = Path("a/trials").glob("popularity*")
    ranks = np.load(trial / "ranks.npy")
    ranks[0] = 9
    np.save(trial / "ranks.npy", ranks)
    run = command("verify", "a")
    assert run.status == 1
    assert f"{trial}: a rank lies outside 1 to 5" in run.table
    assert f"{trial}/trial.json: MRR@20 is " in run.table


def test_a_folder_that_is_no_benchmark_is_refused(command: Callable[..., Run]) -> None:
    for name in ("report", "verify", "sync-mlflow"):
        run = command(name, "nowhere")
        assert run.status == 2
        assert "nowhere/benchmark.json cannot be read" in run.stderr
    assert not Path("nowhere").exists()
    run = command("reprot", "a")
    assert run.status == 2
    assert "did you mean 'report'?" in run.stderr


def test_mlflow_is_filled_from_the_folder(command: Callable[..., Run]) -> None:
    from mlflow.tracking import MlflowClient

    uri = "sqlite:///filled.db"
    for _ in range(2):
        assert command("sync-mlflow", "a", "--tracking-uri", uri).status == 0
    client = MlflowClient(uri)
    (experiment,) = [e for e in client.search_experiments() if e.name.endswith("-log temporal")]
    runs = client.search_runs([experiment.experiment_id])
    by_name = {run.info.run_name: run for run in runs}
    assert set(by_name) == {"benchmark: popularity, markov", "popularity seed 1", "markov seed 1"}
    assert len(runs) == 3, "twice is once"
    stored = json.loads(next(Path("a/trials").glob("markov*")).joinpath("trial.json").read_text())
    metrics = by_name["markov seed 1"].data.metrics
    assert metrics["recall_at_20"] == stored["metrics"]["Recall@20"]
    parent = by_name["benchmark: popularity, markov"]
    names = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert names >= {"benchmark.json", "table.csv", "table.md", "table.tex", "policy_values.csv"}
