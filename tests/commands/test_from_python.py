"""`run_bench.run`: what the command does, for a notebook or a script."""

from __future__ import annotations

import inspect
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench.planning.plan import PLAN_OPTIONS
from datasets.errors import InputError
from run_bench import run
from tests.commands.conftest import REPOSITORY, Run, write_table
from tests.commands.test_processes import interrupted_at

Bench = Callable[..., Run]
PLUGINS = Path(__file__).with_name("plugins.py")
QUIET: Mapping[str, Any] = {"tracking_uri": "none", "page": False}
SECONDS = 300


def test_keywords_are_the_options_of_the_plan() -> None:
    parameters = inspect.signature(run).parameters
    assert set(parameters) == {*PLAN_OPTIONS, "options", "config"}
    assert all(parameters[name].default == each.default for name, each in PLAN_OPTIONS.items())
    assert "cut-offs of the metrics (20)" in (run.__doc__ or "")


def test_frame_gives_the_ranks_and_the_table_of_the_command(bench: Bench, log: Path) -> None:
    typed = bench("--models", "markov,gru4rec", "--dataset", str(log), "--seeds", "2",
                  "--set", "gru4rec.epochs=2", "--output", "typed")  # fmt: skip
    assert typed.status == 0, typed.stderr
    result = run(
        models=["markov", "gru4rec"], dataset=pd.read_csv(log), seeds=2,
        options={"gru4rec": {"epochs": 2}}, output=Path("called"), **QUIET,
    )  # fmt: skip
    folders = [sorted((Path(name) / "trials").iterdir()) for name in ("typed", "called")]
    assert [folder.name for folder in folders[0]] == [folder.name for folder in folders[1]]
    for one, other in zip(*folders, strict=True):
        assert (one / "ranks.npy").read_bytes() == (other / "ranks.npy").read_bytes()
    assert result.output == Path("called")
    written = pd.read_csv("called/table.csv")
    pd.testing.assert_frame_equal(result.table, written, rtol=1e-14)
    figures = [name for name in written.columns if "@" in name]
    of_the_command = pd.read_csv("typed/table.csv")
    pd.testing.assert_frame_equal(written[figures], of_the_command[figures], rtol=1e-14)
    assert repr(result) == Path("called/table.md").read_text()
    assert "commands find it as frame-" in repr(result)


def test_result_holds_comparisons_trials_and_a_page(folder: Path) -> None:
    log = write_table(folder / "log.csv", ["ABC", "XBD"] * 60)
    result = run(models=["popularity", "gru4rec"], dataset=log, k=[1, 5], test_share=0.4, **QUIET)
    pairs = result.comparisons.set_index("metric")
    assert sorted(pairs.index) == ["MRR@1", "MRR@5", "Recall@1", "Recall@5"]
    table = result.table.set_index("model")
    assert pairs["better"].notna().any()
    for metric, pair in pairs.iterrows():
        lead = table.loc[pair["model"], metric] - table.loc[pair["other"], metric]
        assert pair["difference"] == pytest.approx(lead)
        assert pair["p"] <= pair["adjusted_p"]
        is_open = pair["low"] <= 0 <= pair["high"]
        assert pair["better"] == "gru4rec" if not is_open else pd.isna(pair["better"])
    trials = result.trials.set_index("model")
    assert trials["status"].to_list() == ["finished", "finished"]
    assert (trials["seed"] == 1).all()
    assert (trials["seconds"] > 0).all()
    assert np.load(trials.loc["gru4rec", "folder"] / "ranks.npy").size == 96
    assert result.failures == {}
    assert not Path("results/report.html").exists()
    assert result.report() == Path("results/report.html")
    assert "<svg" in result.report().read_text()


def test_notebook_shows_the_table_and_what_failed(log: Path) -> None:
    result = run(models=[f"{PLUGINS}:Failing", "popularity"], dataset=log, **QUIET)
    assert result.table["model"].to_list() == ["popularity"]
    ((name, reason),) = result.failures.items()
    assert name == "failing seed 1"
    assert "planned failure in epoch 2" in reason
    trials = result.trials.set_index("model")
    assert trials.loc["failing", "status"] == "failed"
    assert trials.loc["failing", "reason"] == reason
    shown = result._repr_html_()
    assert "<td>popularity" in shown
    assert "<b>failing seed 1</b> failed: " in shown


def test_no_trial_that_is_whole_is_an_empty_table(log: Path) -> None:
    result = run(models=[f"{PLUGINS}:Failing"], dataset=log, **QUIET)
    assert (len(result.table), len(result.comparisons), len(result.trials)) == (0, 0, 1)
    assert "failing seed 1" in result._repr_html_()
    assert "model" in result.table.columns


def test_frames_as_training_and_test_sessions(folder: Path) -> None:
    train = pd.read_csv(write_table(folder / "train.csv", ["AB", "BC"] * 5))
    test = pd.read_csv(write_table(folder / "test.csv", ["ABA"], first_session=90, start=90))
    last_but_one = f"{PLUGINS}:LastButOne"
    result = run(models=last_but_one, dataset=train, test=test, valid_share=0, **QUIET)
    (folder_of_trial,) = result.trials["folder"]
    assert np.load(folder_of_trial / "ranks.npy").tolist() == [3, 1]


def test_file_of_a_plan_lies_under_the_keywords(folder: Path, log: Path) -> None:
    (folder / "plan.toml").write_text(
        'models = ["popularity"]\nseeds = [7]\n[gru4rec]\nepochs = 1\n'
    )
    result = run(config="plan.toml", models="gru4rec", seeds=None, dataset=str(log), **QUIET)
    assert result.trials[["model", "seed", "epochs"]].to_numpy().tolist() == [["gru4rec", 7, 1]]


@pytest.mark.parametrize(
    ("given", "typed"),
    [
        ({"models": "gru4rek"}, ["--models", "gru4rek"]),
        ({"models": []}, ["--models", ""]),
        ({"seeds": 0}, ["--seeds", "0"]),
        ({"seeds": [1, 1]}, ["--seeds", "1,1"]),
        ({"ties": "random"}, ["--ties", "random"]),
        ({"reward": "rating"}, ["--reward", "rating"]),
        ({"test_share": 1.5}, ["--test-share", "1.5"]),
        ({"tune": "soon"}, ["--tune", "soon"]),
        ({"options": {"gru4rec": {"epoch": 1}}}, ["--set", "gru4rec.epoch=1"]),
        ({"config": "missing.toml"}, ["--config", "missing.toml"]),
    ],
)
def test_wrong_input_raises_the_sentence_of_the_command(
    bench: Bench, log: Path, given: dict[str, Any], typed: list[str]
) -> None:
    defaults = {} if "models" in given else {"models": "gru4rec"}
    with pytest.raises(InputError) as error:
        run(dataset=log, **defaults, **given, **QUIET)
    models = [] if "models" in given else ["--models", "gru4rec"]
    refused = bench("--dataset", str(log), *models, *typed)
    assert refused.stderr.splitlines()[-1] == f"run_bench.py: error: {error.value}"


def test_what_only_a_call_can_get_wrong(log: Path) -> None:
    with pytest.raises(InputError, match="'model' is no option; did you mean 'models'"):
        run(model="gru4rec", dataset=log)
    with pytest.raises(InputError, match="dataset is of type list; give a name, a path"):
        run(dataset=[1, 2])
    with pytest.raises(InputError, match="the frame: row 2 has a blank item_id"):
        run(dataset=pd.DataFrame({"session_id": [1, 1], "item_id": ["a", ""]}), **QUIET)


SCRIPT = """
import sys
sys.path.insert(0, {clone!r})
print("once")
from run_bench import run
result = run(
    models={models!r}, dataset="log.csv", valid_share=0, tracking_uri={uri!r}, page=False,
)
print(result.interrupted, result.table["model"].to_list())
"""
"""A script that has no guard against being run again by the processes that it starts."""


def start(folder: Path, *arguments: str, **values: Any) -> subprocess.Popen[str]:
    """Python with `SCRIPT` in a file, or on stdin where `arguments` are given."""
    text = SCRIPT.format(clone=str(REPOSITORY), **{"uri": "none", **values})
    (folder / "script.py").write_text(text)
    process = subprocess.Popen(
        [sys.executable, *(arguments or ["script.py"])],
        cwd=folder, env=dict(os.environ), text=True, start_new_session=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        # A shell starts background jobs, such as a whole test run, with Ctrl-C ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert process.stdin is not None
    if arguments:
        process.stdin.write(text)
    process.stdin.close()
    process.stdin = None
    return process


@pytest.mark.parametrize(
    ("arguments", "uri"), [((), "sqlite:///runs.db"), (("-",), "none")], ids=["script", "stdin"]
)
def test_caller_is_run_once(folder: Path, log: Path, arguments: tuple[str, ...], uri: str) -> None:
    out, err = start(folder, *arguments, models="popularity", uri=uri).communicate(timeout=SECONDS)
    assert out == "once\nFalse ['popularity']\n", err
    assert "Traceback" not in err


def test_interrupt_returns_what_is_finished(folder: Path, log: Path) -> None:
    process = start(folder, models=f"popularity,{PLUGINS}:Stalling")
    out, err = interrupted_at(process, "stalling seed 1 +epoch 1/2")
    assert out == "once\nTrue ['popularity']\n", err
    assert process.returncode == 0
