"""The commands on the page make the plan and the options that the trials had."""

from __future__ import annotations

import dataclasses
import json
import math
import shlex
from dataclasses import asdict, dataclass
from typing import Any

import pytest

from bench.planning.model_options import build_config
from bench.planning.parser import run_parser
from bench.planning.plan import Plan, make_plan
from bench.store.trial import TrialRecord, json_numbers
from models.vsknn import VSkNNConfig
from reports.reproduction import command, model_options
from tests.reports.benchmarks import benchmark
from tests.reports.written import trial_record

RECORD = benchmark().record


def plan_of(line: str) -> Plan:
    """What `run_bench.py` understands of a command without a plan file."""
    program, script, *arguments = shlex.split(line)
    assert (program, script) == ("python", "run_bench.py")
    given = dict(vars(run_parser([]).parse_args(arguments)))
    return make_plan(given, given.pop("set", []), given.pop("config", None))


def trial_of(label: str, reference: str, config: Any, **parameters: Any) -> TrialRecord:
    """A trial of a config, through JSON as on disk."""
    options = json.loads(json.dumps(json_numbers(asdict(config))))
    return trial_record(label, **{**options, "model": reference, **parameters})


def test_a_plain_row_has_a_plain_command() -> None:
    line = command(trial_of("vsknn", "vsknn", VSkNNConfig()), [1], RECORD)
    assert line == (
        "python run_bench.py --models vsknn --dataset log.csv --split temporal --seeds 1 "
        "--device cpu --output again"
    )


def test_everything_unusual_comes_back() -> None:
    config = VSkNNConfig(k=50, sample_size=500, idf_weighting=1.5)
    trial = trial_of(
        "my $label", "vsknn", config, dataset="my log's.csv", split="session-holdout",
        test_share=0.25, unseen_items="miss", min_item_support=5, reward="all",
    )  # fmt: skip
    record = dataclasses.replace(RECORD, ks=[5, 20], ties="median")
    plan = plan_of(command(trial, [4, 7], record))
    assert plan.models == ("my $label=vsknn",)
    assert (plan.dataset, plan.split, plan.reward) == ("my log's.csv", "session-holdout", "all")
    assert (plan.test_share, plan.unseen_items, plan.min_item_support) == (0.25, "miss", 5)
    assert (plan.seeds, plan.ks, plan.ties, plan.device) == ((4, 7), (5, 20), "median", "cpu")
    assert set(plan.model_options["my $label"]) == {"k", "sample_size", "idf_weighting"}
    assert build_config(VSkNNConfig, "", plan.model_options["my $label"]) == config


@pytest.mark.parametrize("seeds", [(1,), (1, 2, 3), (4,), (0,), (3, 1)])
def test_seeds_come_back(seeds: tuple[int, ...]) -> None:
    assert plan_of(command(trial_record("popularity"), seeds, RECORD)).seeds == seeds


def test_a_split_of_ones_own_names_its_test() -> None:
    trial = trial_record("popularity", split="fixed", test="test.csv")
    plan = plan_of(command(trial, [1], RECORD))
    assert (plan.test, plan.split) == ("test.csv", None)


def test_another_patience_comes_back() -> None:
    assert "--patience" not in command(trial_record("popularity", patience=5), [1], RECORD)
    trial = trial_record("popularity", patience=10)
    assert plan_of(command(trial, [1], RECORD)).patience == 10


@dataclass(frozen=True)
class PluginConfig:
    layers: tuple[int, ...] = (100,)
    cap: float = math.inf
    name: str = "it's"
    fast: bool = False
    width: int | None = None


@pytest.mark.parametrize("config", [PluginConfig(), PluginConfig((3, 4), 2.5, "-x", True, 8)])
def test_all_options_of_a_model_that_is_gone_are_given(config: PluginConfig) -> None:
    trial = trial_of("Gone", "gone/model.py:Gone", config)
    plan = plan_of(command(trial, [1], RECORD))
    assert plan.models == ("gone/model.py:Gone",)
    assert set(plan.model_options["Gone"]) == {"layers", "cap", "name", "fast", "width"}
    assert build_config(PluginConfig, "", plan.model_options["Gone"]) == config


def test_defaults_that_the_source_computes_are_known() -> None:
    options = {"horizon": "inf", "cap": math.e**3, "K": 16, "cell": "cfn", "epochs": 2}
    trial = trial_record("tocr", model="tocr", **options)
    assert plan_of(command(trial, [1], RECORD)).model_options == {"tocr": {"epochs": "2"}}
    assert model_options(trial) == options
