"""A plan: everything that a benchmark is told to do, checked before anything runs."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_type_hints

from bench.planning.budget import Budget, parse_budget
from bench.planning.options import convert
from bench.planning.seed_budget import MOST_SEEDS as MOST_SEEDS_BY_AUTO
from bench.stats.headline import HEADLINE_K
from datasets.errors import InputError, nearest_hint

MOST_SEEDS = 1000
AUTO = "auto"
_NOT_OPTIONS = ("model_options", "auto_seeds")
"""Fields of the plan that other options decide."""


@dataclass(frozen=True)
class Plan:
    """Options of `run_bench.py` by their names, with their defaults."""

    models: tuple[str, ...] = ("tocr", "gru4rec")
    dataset: str = "ml-latest-small"
    test: str | None = None
    split: Literal["temporal", "session-holdout", "leave-one-out", "fixed"] | None = None
    test_share: float = 0.1
    valid_share: float = 0.1
    unseen_items: Literal["drop", "miss"] = "drop"
    ties: Literal["conservative", "standard", "median"] = "conservative"
    min_session_length: int = 1
    min_item_support: int = 1
    reward: Literal["rating", "all"] | None = None
    seeds: tuple[int, ...] = (1,)
    auto_seeds: bool = False
    """Whether seeds end as soon as they decide (`--seeds auto`); `seeds` are then the most."""
    k: tuple[int, ...] = (HEADLINE_K,)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    tune: Budget | None = None
    """What each model may use to look for its options; None: they are as given."""
    output: str = "results"
    tracking_uri: str | None = None
    fresh: bool = False
    page: bool = True
    """Whether plots and the HTML page are made."""
    keep_top: int = 0
    """Length of the lists of first items that trials keep; 0: none."""
    patience: int = 5
    """Epochs without a better validation Recall@20 after which a fit stops."""
    model_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Options of each model, by its label."""

    @property
    def ks(self) -> tuple[int, ...]:
        """Cut-offs of the metrics, ascending."""
        return tuple(sorted(set(self.k)))


def make_plan(given: Mapping[str, Any], settings: list[str], config_file: Path | None) -> Plan:
    """A plan from command-line options, `--set label.option=value` and a TOML file.

    The command line goes before the file. Raises InputError for what cannot be understood.
    """
    values, model_options = _read_toml(config_file) if config_file else ({}, {})
    values |= given
    for setting in settings:
        label, option, value = _split_setting(setting)
        model_options.setdefault(label, {})[option] = value
    converted = {name: _value(name, value) for name, value in values.items()}
    auto_seeds = values.get("seeds") == AUTO
    plan = Plan(**converted, auto_seeds=auto_seeds, model_options=model_options)
    _check(plan)
    return plan


def parse_seeds(value: Any) -> tuple[int, ...]:
    """`3` means the seeds 1, 2, 3; `4,5` and `[4, 5]` name them; `auto` means as many as may be."""
    if value == AUTO:
        return tuple(range(1, MOST_SEEDS_BY_AUTO + 1))
    if isinstance(value, list | tuple):
        return tuple(convert(part, int) for part in value)
    text = str(value)
    if "," in text:
        return tuple(convert(part.strip(), int) for part in text.split(",") if part.strip())
    number = convert(text, int)
    if not 1 <= number <= MOST_SEEDS:
        raise ValueError(f"must be from 1 to {MOST_SEEDS}, not {number}; name a seed as {number},")
    return tuple(range(1, number + 1))


def _value(name: str, value: Any) -> Any:
    try:
        if name == "seeds":
            return parse_seeds(value)
        if name == "tune":
            return parse_budget(value)
        if name == "tracking_uri":
            return convert(value, str)  # "none" is the word for no tracking, not a missing value
        return convert(value, get_type_hints(Plan)[name])
    except ValueError as error:
        raise InputError(f"--{name.replace('_', '-')} {error}") from error


def _check(plan: Plan) -> None:
    if not plan.models:
        raise InputError("--models names no model; give at least one, such as --models gru4rec")
    for name, values in (("models", plan.models), ("seeds", plan.seeds), ("k", plan.k)):
        twice = {str(value) for value, times in Counter(values).items() if times > 1}
        if twice:
            raise InputError(f"--{name} names {', '.join(sorted(twice))} twice; name it once")
        if not values:
            raise InputError(f"--{name} is empty; give at least one value")
    if min(plan.k) < 1:
        raise InputError(f"--k must be at least 1, not {min(plan.k)}")
    if min(plan.seeds) < 0:
        raise InputError(f"--seeds must not be negative, not {min(plan.seeds)}")
    if plan.keep_top < 0:
        raise InputError(f"--keep-top must not be negative, not {plan.keep_top}")
    if plan.patience < 1:
        raise InputError(f"patience must be at least 1, not {plan.patience}")
    if plan.tune is not None and plan.valid_share == 0:
        raise InputError("--tune ranks on validation; drop --valid-share 0")
    if plan.test is not None and plan.split not in (None, "fixed"):
        raise InputError(f"--test makes the split fixed; drop --split {plan.split}")
    if plan.test is None and plan.split == "fixed":
        raise InputError("--split fixed needs the test sessions; add --test PATH")


def _split_setting(setting: str) -> tuple[str, str, str]:
    name, equals, value = setting.partition("=")
    label, dot, option = name.rpartition(".")
    if not equals or not dot or not label or not option:
        raise InputError(
            f"--set {setting} is not understood; write it as --set gru4rec.learning_rate=0.05"
        )
    return label, option, value


def _read_toml(file: Path) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"--config {file} cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"--config {file} is not TOML: {error}") from error
    names = [item.name for item in fields(Plan) if item.name not in _NOT_OPTIONS]
    values: dict[str, Any] = {}
    model_options: dict[str, dict[str, Any]] = {}
    for key, value in content.items():
        name = key.replace("-", "_")
        if isinstance(value, dict):
            model_options[key] = value
        elif name in names:
            values[name] = value
        else:
            hint = nearest_hint(name, names, "it takes")
            raise InputError(f"--config {file}: '{key}' is no option; {hint}")
    return values, model_options
