"""An option is declared once: the terminal, TOML and Python read it alike."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from bench.planning.parser import run_parser
from bench.planning.plan import PLAN_OPTIONS, Plan, make_plan
from datasets.errors import InputError

NOT_OPTIONS = {"auto_seeds", "model_options"}
"""Fields that `--seeds auto` and `--set` decide."""

VALUES: dict[str, tuple[str, str, Any]] = {
    "models": ("a,b", '["a", "b"]', ["a", "b"]),
    "seeds": ("4,5", "[4, 5]", (4, 5)),
    "device": ("cpu", '"cpu"', "cpu"),
    "tune": ("30m", '"30m"', "30m"),
    "patience": ("7", "7", 7),
    "fresh": ("", "true", True),
    "dataset": ("my.csv", '"my.csv"', Path("my.csv")),
    "test": ("test.csv", '"test.csv"', Path("test.csv")),
    "split": ("fixed", '"fixed"', "fixed"),
    "test_share": ("0.2", "0.2", 0.2),
    "valid_share": ("0.3", "0.3", 0.3),
    "min_session_length": ("2", "2", 2),
    "min_item_support": ("3", "3", 3),
    "reward": ("click", '"click"', "click"),
    "k": ("5,10", "[5, 10]", [5, 10]),
    "ties": ("median", '"median"', "median"),
    "unseen_items": ("miss", '"miss"', "miss"),
    "output": ("there", '"there"', Path("there")),
    "page": ("", "false", False),
    "keep_top": ("9", "9", 9),
    "tracking_uri": ("none", '"none"', "none"),
}
"""Each option as a terminal, TOML and Python give it."""


def test_every_field_is_an_option() -> None:
    assert set(PLAN_OPTIONS) == {field.name for field in fields(Plan)} - NOT_OPTIONS
    assert set(PLAN_OPTIONS) == set(VALUES)


def test_terminal_file_and_python_mean_the_same(tmp_path: Path) -> None:
    arguments, lines = [], []
    for name, (text, toml, _) in VALUES.items():
        arguments += [PLAN_OPTIONS[name].flag, *([text] if text else [])]
        lines.append(f"{name} = {toml}")
    (tmp_path / "plan.toml").write_text("\n".join(lines))
    typed = make_plan(vars(run_parser([]).parse_args(arguments)))
    assert typed == make_plan({}, [], tmp_path / "plan.toml")
    assert typed == make_plan({name: value for name, (_, _, value) in VALUES.items()})
    assert all(getattr(typed, name) != option.default for name, option in PLAN_OPTIONS.items())


def test_help_says_the_defaults_of_the_plan() -> None:
    text = " ".join(run_parser([]).format_help().split())
    assert f"which a fit stops ({Plan.patience})" in text
    assert f"default {','.join(Plan().models)})" in text
    assert "--split SPLIT temporal, session-holdout, leave-one-out or fixed" in text
    assert "--unseen-items drop|miss" in text


def test_options_of_a_model_lie_over_those_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "plan.toml"
    file.write_text("[gru4rec]\nepochs = 1\nlayers = [8]\n[tocr]\nK = 2\n")
    plan = make_plan({}, ["gru4rec.epochs=3"], file, {"gru4rec": {"epochs": 2, "dropout": 0.1}})
    assert plan.model_options == {
        "gru4rec": {"epochs": "3", "layers": [8], "dropout": 0.1},
        "tocr": {"K": 2},
    }


def test_unknown_option_of_a_call_has_the_nearest_name() -> None:
    with pytest.raises(InputError, match="'seed' is no option; did you mean 'seeds'"):
        make_plan({"seed": 3})


def test_unknown_option_of_a_file_is_named_with_the_file(tmp_path: Path) -> None:
    file = tmp_path / "plan.toml"
    file.write_text("patients = 3")
    with pytest.raises(InputError, match=r"plan\.toml: 'patients' is no option.*'patience'"):
        make_plan({}, [], file)


def test_patience_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="--patience must be at least 1, not 0"):
        make_plan({"patience": "0"})
