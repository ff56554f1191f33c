"""The chain from the command to the table, on small logs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.commands.conftest import Run, write_table

Bench = Callable[..., Run]
PLUGINS = Path(__file__).with_name("plugins.py")


def plugin(name: str) -> str:
    return f"{PLUGINS}:{name}"


def test_table_goes_to_stdout_and_everything_else_to_stderr(bench: Bench, log: Path) -> None:
    run = bench("--models", f"popularity,{plugin('Talking')}", "--dataset", str(log))
    assert run.status == 0
    assert run.table.startswith("| model ")
    assert run.table == Path("results/table.md").read_text()
    assert run.models == ["popularity", "talking"]
    assert "I talk" not in run.table
    assert "results: results/table.md" in run.stderr
    assert "seeds: 1" in run.table
    assert "full ranking over the catalogue of 5 items" in run.table
    header = run.table.splitlines()[0]
    assert "Recall@20 |" in header
    assert "(positive)" not in header, "every event has a positive reward"


def test_same_command_again_reuses_whole_trials_and_prints_the_same(
    bench: Bench, log: Path
) -> None:
    command = ("--models", "popularity,gru4rec", "--dataset", str(log), "--seeds", "2")
    first = bench(*command)
    weights = sorted(Path("results/trials").glob("gru4rec*/weights/weights.pt"))
    times = [file.stat().st_mtime_ns for file in weights]
    second = bench(*command)
    assert (first.status, second.status) == (0, 0)
    assert len(weights) == 2
    assert second.table == first.table
    assert second.stderr.count("reused from") == 4
    assert [file.stat().st_mtime_ns for file in weights] == times
    assert "±" in first.table


def test_fresh_and_another_option_train_again(bench: Bench, log: Path) -> None:
    command = ("--models", "gru4rec", "--dataset", str(log), "--set", "gru4rec.epochs=1")
    bench(*command)
    assert "reused" not in bench(*command, "--fresh").stderr
    assert "reused" not in bench(*command, "--set", "gru4rec.learning_rate=0.02").stderr
    assert "reused" in bench(*command, "--k", "1,20", "--ties", "standard").stderr


def test_trial_folder_holds_all_that_is_promised(bench: Bench, log: Path) -> None:
    bench("--models", "tocr", "--dataset", str(log), "--k", "1,5", "--set", "tocr.epochs=2")
    (folder,) = Path("results/trials").iterdir()
    names = {file.name for file in folder.iterdir()}
    assert names == {
        "trial.json", "ranks.npy", "ties.npy", "exposure.npy", "policy.npy", "curve.csv",
        "cost.json", "weights",
    }  # fmt: skip
    record = json.loads((folder / "trial.json").read_text())
    assert record["status"] == "finished"
    assert "Infinity" not in (folder / "trial.json").read_text()
    ranks = np.load(folder / "ranks.npy")
    assert ranks.dtype == np.uint32
    assert record["metrics"]["Recall@5"] == (ranks <= 5).mean()
    assert record["stochastic"] is True
    log_policy, reward = np.load(folder / "policy.npy").T
    assert (log_policy < 0).all()
    np.testing.assert_allclose(reward, 1)
    exposure = np.load(folder / "exposure.npy")
    assert exposure.sum(axis=1).tolist() == [len(ranks), 5 * len(ranks)]
    assert (folder / "curve.csv").read_text().splitlines()[0].startswith("epoch,train_seconds,loss")


def test_later_events_are_hidden_or_the_trial_fails(bench: Bench, log: Path) -> None:
    run = bench("--models", f"popularity,{plugin('Peeking')}", "--dataset", str(log))
    assert run.status == 1
    assert run.models == ["popularity"]
    assert "ConformanceError" in run.table


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Failing", "planned failure in epoch 2"),
        ("Dying", "SIGKILL"),
        ("NotANumber", "NaN"),
        ("LosesItsFolder", "No such file"),
    ],
)
def test_one_model_fails_alone(bench: Bench, log: Path, name: str, reason: str) -> None:
    command = ("--models", f"{plugin(name)},popularity", "--dataset", str(log))
    run = bench(*command)
    assert run.status == 1
    assert run.models == ["popularity"]
    (line,) = [line for line in run.table.splitlines() if "failed:" in line]
    assert reason in line
    again = bench(*command)
    assert again.status == 1
    assert again.table == run.table
    assert again.stderr.count("reused") == 1, "a failed trial is tried again"


@pytest.mark.parametrize("learning_rate", ["1e6", "1e30"])
def test_diverging_run_stops_with_a_sentence(bench: Bench, log: Path, learning_rate: str) -> None:
    run = bench(
        "--models", "gru4rec,popularity",
        "--dataset", str(log),
        "--set", f"gru4rec.learning_rate={learning_rate}",
    )  # fmt: skip
    assert run.status == 1
    assert run.models == ["popularity"]
    assert "smaller learning_rate" in run.table
    assert re.search(r"step \d+ of epoch \d+", run.table)


def test_target_in_the_prefix_stays_a_candidate(bench: Bench, folder: Path) -> None:
    train = write_table(folder / "train.csv", ["AB", "BC"])
    test = write_table(folder / "test.csv", ["ABA"], first_session=9, start=9)
    run = bench(
        "--models", plugin("LastButOne"), "--dataset", str(train), "--test", str(test),
        "--valid-share", "0",
    )  # fmt: skip
    (folder_of_trial,) = Path("results/trials").iterdir()
    assert run.status == 0
    assert np.load(folder_of_trial / "ranks.npy").tolist() == [3, 1]


def test_random_scores_are_found_to_be_random(bench: Bench, cases_dir: Path) -> None:
    case = cases_dir / "R018-random-scorer"
    run = bench(
        "--models", plugin("Uniform"), "--dataset", str(case / "train.csv"),
        "--test", str(case / "test.csv"), "--valid-share", "0",
    )  # fmt: skip
    assert 0.05 <= float(run.row("uniform")[1].split()[0]) <= 0.15
    assert "catalogue of 200 items" in run.table
    assert "320 predicted" in run.table


def test_unseen_target_counts_as_a_miss_when_asked(bench: Bench, folder: Path) -> None:
    rows = ["1,a,10", "1,b,11", "2,b,20", "2,a,21", "3,a,30", "3,b,31"]
    rows += ["4,x,900", "4,y,901", "5,z,950"]
    (folder / "log.csv").write_text("\n".join(["session_id,item_id,time", *rows]) + "\n")
    command = ("--models", "popularity", "--dataset", "log.csv", "--split", "temporal")
    command = (*command, "--test-share", "0.4", "--valid-share", "0")
    refused = bench(*command)
    assert refused.status == 2
    assert "0 of 1 test event can be predicted" in refused.stderr
    assert refused.table == ""
    missed = bench(*command, "--unseen-items", "miss")
    assert missed.status == 0
    assert missed.row("popularity")[1].startswith("0.0000")


def test_fewer_sessions_than_slots(bench: Bench, folder: Path) -> None:
    train = write_table(folder / "train.csv", ["abc", "bc", "ca", "acb", "ba", "cba"])
    test = write_table(folder / "test.csv", ["abc", "ba"], first_session=20, start=500)
    run = bench(
        "--models", "gru4rec,tocr,popularity", "--dataset", str(train), "--test", str(test),
        "--valid-share", "0", "--set", "gru4rec.epochs=2", "--set", "tocr.epochs=2",
    )  # fmt: skip
    assert run.models == ["gru4rec", "tocr", "popularity"]
    assert "test 2 and 3 predicted" in run.table


def test_test_file_is_never_read_before_ranking(bench: Bench, cases_dir: Path) -> None:
    case = cases_dir / "R042-test-never-read"
    curves, weights = [], []
    for name in ("test_a.csv", "test_b.csv"):
        bench(
            "--models", "gru4rec", "--dataset", str(case / "train.csv"),
            "--test", str(case / name), "--set", "gru4rec.epochs=3", "--output", name,
        )  # fmt: skip
        (folder,) = (Path(name) / "trials").iterdir()
        weights.append((folder / "weights" / "weights.pt").read_bytes())
        rows = (folder / "curve.csv").read_text().splitlines()
        curves.append([row.split(",")[2:5] for row in rows])
    assert curves[0] == curves[1]
    assert weights[0] == weights[1]


def test_session_numbers_of_the_test_file_start_anew(bench: Bench, cases_dir: Path) -> None:
    case = cases_dir / "R048-session-id-reuse"
    ranks = []
    for name in ("test.csv", "test_renumbered.csv"):
        bench(
            "--models", "gru4rec", "--dataset", str(case / "train.csv"),
            "--test", str(case / name), "--valid-share", "0", "--output", name,
            "--set", "gru4rec.epochs=2",
        )  # fmt: skip
        (folder,) = (Path(name) / "trials").iterdir()
        ranks.append(np.load(folder / "ranks.npy").tolist())
    assert ranks[0] == ranks[1]
    assert len(ranks[0]) == 2


def test_leave_one_out_of_short_sessions(bench: Bench, folder: Path) -> None:
    log = write_table(folder / "log.csv", ["a", "ab", "bca", "abcab"])
    run = bench("--models", "popularity", "--dataset", str(log), "--split", "leave-one-out")
    assert run.status == 0
    assert "test 3 and 3 predicted" in run.table
    assert "valid 2 and 2 predicted" in run.table


def test_plan_from_a_file_and_options_over_it(bench: Bench, log: Path, folder: Path) -> None:
    (folder / "plan.toml").write_text(
        f'models = ["popularity", "gru4rec"]\ndataset = "{log}"\nseeds = [7]\n'
        "[gru4rec]\nepochs = 1\nlayers = [8]\n"
    )
    run = bench("--config", "plan.toml", "--models", "gru4rec", "--k", "5")
    assert run.status == 0
    assert run.models == ["gru4rec"]
    assert "seeds: 7" in run.table
    assert "Recall@5" in run.table
    (trial,) = Path("results/trials").iterdir()
    assert json.loads((trial / "trial.json").read_text())["parameters"]["layers"] == [8]


def test_without_tracking_nothing_is_left_beside_the_results(bench: Bench, folder: Path) -> None:
    write_table(folder / "log.csv", ["ABC", "XBD"] * 5)
    assert bench("--models", "popularity", "--dataset", "log.csv").status == 0
    assert {entry.name for entry in folder.iterdir()} == {"log.csv", "cache", "results"}


def test_one_model_runs_under_several_names(bench: Bench, log: Path, folder: Path) -> None:
    """An alias's own options lie on top of those of the model's name."""
    plan = folder / "plan.toml"
    plan.write_text(
        'models = ["narrow=gru4rec", "gru4rec"]\n'
        "[gru4rec]\nepochs = 1\nlayers = [8]\n[narrow]\nlayers = [4]\n"
    )
    run = bench("--dataset", str(log), "--config", str(plan), "--set", "narrow.batch_size=8")
    assert run.status == 0
    assert run.models == ["narrow", "gru4rec"]
    records = {
        record["model"]: record["parameters"]
        for record in (
            json.loads(file.read_text()) for file in Path("results").glob("trials/*/trial.json")
        )
    }
    found = {
        name: (options["layers"], options["batch_size"], options["epochs"], options["model"])
        for name, options in records.items()
    }
    assert found == {"narrow": ([4], 8, 1, "gru4rec"), "gru4rec": ([8], 16, 1, "gru4rec")}


def test_a_model_s_note_stands_under_the_table_once(bench: Bench, folder: Path) -> None:
    write_table(folder / "log.csv", ["ABC", "XBD"] * 5)
    small = ("--set", "tocr.epochs=1", "--set", "tocr.width=4")
    run = bench("--models", "one=tocr,popularity,two=tocr", "--dataset", "log.csv", *small)
    assert run.status == 0
    (line,) = [line for line in run.table.splitlines() if "what the log does next" in line]
    assert line.startswith("- one, two: ")


def test_two_models_of_one_name_are_refused(bench: Bench, log: Path) -> None:
    run = bench("--models", "a=gru4rec,a=tocr", "--dataset", str(log))
    assert run.status == 2
    assert "two models called 'a'; give one an alias, as in other=gru4rec" in run.stderr


def test_results_may_lie_in_the_folder_of_the_data_set(
    bench: Callable[..., Run], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = folder / "ml-latest-small"
    inside.mkdir()
    rows = [
        f"{user},{(user + i) % 7},{3 + i % 3},{100 * user + i}"
        for user in range(60)
        for i in range(6)
    ]
    (inside / "ratings.csv").write_text(
        "\n".join(["userId,movieId,rating,timestamp", *rows]) + "\n"
    )
    monkeypatch.chdir(inside)
    run = bench("--models", "popularity", "--dataset", ".", "--tracking-uri", "none")
    assert run.status == 0, run.stderr
    assert run.models == ["popularity"]
