"""Wrong options and input: one sentence, exit status 2, nothing trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.commands.conftest import Run

Bench = Callable[..., Run]


@pytest.mark.parametrize(
    ("arguments", "fragments"),
    [
        (["--models", "gru4rek"], ["'gru4rek'", "did you mean 'gru4rec'"]),
        (["--models", ""], ["--models"]),
        (["--models", "popularity,popularity"], ["popularity twice"]),
        (["--models", "no.such.module:Model"], ["no.such.module:Model", "cannot be imported"]),
        (["--models", "missing.py:Model"], ["there is no file missing.py"]),
        (["--models", "models.popularity:Nothing"], ["no class 'Nothing'"]),
        (["--models", "pathlib:Path"], ["lacks fit, score, save, load, Config"]),
        (["--dataset", "ml-lates-small"], ["did you mean 'ml-latest-small'"]),
        (["--dataset", "missing.csv"], ["missing.csv", "no such file"]),
        (["--set", "gru4rec.learning_rat=1"], ["did you mean 'learning_rate'"]),
        (["--set", "gru4rec.epochs=many"], ["gru4rec.epochs", "whole number"]),
        (["--set", "gru4rec.epochs=0"], ["epochs must be greater than 0"]),
        (["--set", "gru4rec"], ["--set gru4rec", "--set gru4rec.learning_rate=0.05"]),
        (["--set", "nothing.epochs=1"], ["'nothing'", "no model of this run"]),
        (["--set", "tocr.cap=0", "--models", "tocr"], ["cap must be greater than 0"]),
        (["--set", "tocr.cell=lstm", "--models", "tocr"], ["cell", "gru, cfn"]),
        (["--split", "sideways"], ["--split", "temporal"]),
        (["--split", "fixed"], ["--test PATH"]),
        (["--test-share", "1.5"], ["--test-share", "between 0 and 1"]),
        (["--seeds", "0"], ["--seeds"]),
        (["--seeds", "1,1"], ["1 twice"]),
        (["--k", "0"], ["--k must be at least 1"]),
        (["--ties", "random"], ["--ties", "conservative"]),
        (["--config", "missing.toml"], ["missing.toml", "cannot be read"]),
        (["--output", "file/inside"], ["--output file/inside", "cannot be written"]),
        (["--reward", "rating", "--dataset", "log.csv"], ["--reward rating", "--reward all"]),
        (["--reward", "click", "--dataset", "ml-latest-small"], ["click", "rating, all"]),
        (["--reward", "rating", "--dataset", "simulated:sessions=50"], ["rating", "click, all"]),
        (["--patience", "0"], ["--patience must be at least 1"]),
        (["--list", "gru4rek"], ["did you mean 'gru4rec'"]),
    ],
)
def test_each_is_one_sentence(
    bench: Bench, log: Path, folder: Path, arguments: list[str], fragments: list[str]
) -> None:
    (folder / "file").write_text("")
    defaults = {"--models": "gru4rec", "--dataset": str(log)}
    for option, value in defaults.items():
        if option not in arguments and "--list" not in arguments:
            arguments = [*arguments, option, value]
    run = bench(*arguments)
    (sentence,) = [line for line in run.stderr.splitlines() if "error:" in line]
    assert run.status == 2
    assert run.table == ""
    for fragment in fragments:
        assert fragment in sentence
    assert not list(folder.glob("results/t*")), "nothing may be half-written"


@pytest.mark.parametrize(
    ("content", "arguments", "fragments"),
    [
        ("", [], ["log.csv", "empty"]),
        ("session_id,item_id,time\n", [], ["log.csv"]),
        ("session,item\n1,a\n", [], ["log.csv", "session_id"]),
        ("session_id,item_id,time\n1,a,x\n", [], ["log.csv", "line 2", "time"]),
        ("session_id,item_id,time\n1,a,1\n1,,2\n", [], ["log.csv", "line 3"]),
        ("session_id,item_id\n1,a\n1,b\n", ["--split", "temporal"], ["log.csv", "time"]),
        (
            "session_id,item_id,time\n0,a,9\n0,b,9\n1,a,9\n1,b,9\n",
            ["--split", "temporal"],
            ["same time", "session-holdout"],
        ),
    ],
)
def test_bad_tables(
    bench: Bench, folder: Path, content: str, arguments: list[str], fragments: list[str]
) -> None:
    (folder / "log.csv").write_text(content)
    run = bench("--models", "popularity", "--dataset", "log.csv", *arguments)
    (sentence,) = [line for line in run.stderr.splitlines() if "error:" in line]
    assert run.status == 2
    for fragment in fragments:
        assert fragment in sentence


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is there")
def test_cuda_that_is_not_there(bench: Bench, log: Path) -> None:
    run = bench("--models", "gru4rec", "--dataset", str(log), "--device", "cuda")
    assert run.status == 2
    assert "no CUDA device" in run.stderr


def test_plugin_that_cannot_be_imported(bench: Bench, log: Path, folder: Path) -> None:
    (folder / "broken.py").write_text("import surely_not_installed\n")
    run = bench("--models", "broken.py:Model", "--dataset", str(log))
    assert run.status == 2
    assert "broken.py:Model cannot be imported" in run.stderr
    assert "surely_not_installed" in run.stderr


def test_options_of_a_file_that_is_no_python(bench: Bench, folder: Path) -> None:
    (folder / "broken.py").write_text("class Model\n")
    run = bench("--list", "broken.py:Model")
    assert run.status == 2
    assert "broken.py, line 1" in run.stderr


def test_unknown_flag(bench: Bench) -> None:
    assert bench("--model", "gru4rec").status == 2
