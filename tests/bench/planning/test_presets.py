"""A preset is TOML that reads back as the plan it was written from."""

from __future__ import annotations

import math
import tomllib
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from bench.planning.plan import Plan, make_plan
from bench.planning.presets import write_preset
from datasets.errors import InputError

VALUES = {
    "cap": math.inf, "floor": -math.inf, "rate": 1e-05, "large": 1e22, "whole": 3, "on": True,
    "off": False, "layers": (100, 50), "none": (), "text": 'a "b" \\ c\n\t\x7f\x01 é 😀',
    "empty": "", "a.b c": {"inner": [1.5, "x"]},
}  # fmt: skip


def test_values_of_every_kind_read_back(tmp_path: Path) -> None:
    file = tmp_path / "preset.toml"
    write_preset(file, Plan(models=("a=b",)), {"m": VALUES, 'odd "label".x': {"k": 1}}, "one\ntwo")
    text = file.read_text()
    assert text.startswith("# one\n# two\nmodels = ")
    content = tomllib.loads(text)
    lists = {"layers": [100, 50], "none": []}
    assert content == {"models": ["a=b"], "m": VALUES | lists, 'odd "label".x': {"k": 1}}
    assert [type(value) for value in content["m"].values()].count(bool) == 2


def test_not_a_number_and_no_value(tmp_path: Path) -> None:
    file = tmp_path / "preset.toml"
    write_preset(file, Plan(), {"m": {"x": math.nan, "y": None}}, "")
    content = tomllib.loads(file.read_text())["m"]
    assert math.isnan(content["x"])
    assert content["y"] == "none", "the word that an option takes for no value"


def test_plan_reads_back_without_what_is_the_runs_own(tmp_path: Path) -> None:
    given = {
        "models": "popularity,x=tocr", "dataset": "my log.csv", "split": "temporal",
        "test_share": "0.2", "unseen_items": "miss", "reward": "all", "seeds": "4,7", "k": "5,20",
        "ties": "median", "device": "cpu", "min_item_support": "2", "patience": 3,
    }  # fmt: skip
    of_the_run = {"output": "o", "tracking_uri": "none", "fresh": True, "tune": "3"}
    file = tmp_path / "preset.toml"
    write_preset(file, make_plan(given | of_the_run, [], None), {"x": {"K": 2}}, "")
    assert make_plan({}, [], file) == replace(
        make_plan(given, [], None), model_options={"x": {"K": 2}}
    )


def test_seeds_that_end_by_themselves_read_back(tmp_path: Path) -> None:
    file = tmp_path / "preset.toml"
    write_preset(file, make_plan({"seeds": "auto"}), {}, "")
    assert tomllib.loads(file.read_text())["seeds"] == "auto"
    assert make_plan({}, [], file) == make_plan({"seeds": "auto"})


def test_what_toml_cannot_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written as TOML"):
        write_preset(tmp_path / "preset.toml", Plan(), {"m": {"day": date(2020, 1, 1)}}, "")
    assert list(tmp_path.iterdir()) == []


def test_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        write_preset(tmp_path / "gone" / "preset.toml", Plan(), {}, "")
