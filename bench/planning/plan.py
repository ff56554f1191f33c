"""The plan of a benchmark: all its options, validated before anything runs."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from bench.planning.budget import Budget, parse_budget
from bench.planning.model_options import convert
from bench.planning.option import Option, options_of
from bench.stats.headline import HEADLINE_K
from datasets.errors import InputError, nearest_hint

MOST_SEEDS = 1000
AUTO = "auto"
MOST_SEEDS_BY_AUTO = 20
"""Number of seeds after which `--seeds auto` stops undecided."""
RUN, DATA, EVALUATION, RESULTS = "what to run", "data", "evaluation", "results"
"""Headings of `--help`."""


def parse_seeds(value: Any) -> tuple[int, ...]:
    """Read `3` as the seeds 1, 2, 3, `4,5` or `[4, 5]` as those, `auto` as the maximum."""
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


@dataclass(frozen=True)
class Plan:
    """All options of a run; each `Option` is one of the command line, TOML and Python."""

    models: Annotated[
        tuple[str, ...],
        Option(
            RUN,
            "built-in names, package.module:Class or path/to/file.py:Class (default {default})",
            "A,B",
        ),
    ] = ("tocr", "gru4rec")
    seeds: Annotated[
        tuple[int, ...],
        Option(
            RUN,
            "number of seeds, or their names (default 1); auto: until they decide, "
            f"{MOST_SEEDS_BY_AUTO} at most",
            "N|A,B|auto",
            read=parse_seeds,
        ),
    ] = (1,)
    device: Annotated[
        Literal["auto", "cpu", "cuda"], Option(RUN, "default {default}: cuda where there is")
    ] = "auto"
    tune: Annotated[
        Budget | None,
        Option(
            RUN,
            "look for each model's options on validation: N candidates, or that time, a model",
            "N|30m",
            read=parse_budget,
        ),
    ] = None
    patience: Annotated[
        int,
        Option(
            RUN,
            "epochs without a better validation Recall@20 after which a fit stops ({default})",
            "N",
        ),
    ] = 5
    fresh: Annotated[bool, Option(RUN, "run finished trials again")] = False
    dataset: Annotated[str, Option(DATA, "data set or table (default {default})", "NAME|PATH")] = (
        "ml-latest-small"
    )
    test: Annotated[str | None, Option(DATA, "table of test sessions: the fixed split", "PATH")] = (
        None
    )
    split: Annotated[
        Literal["temporal", "session-holdout", "leave-one-out", "fixed"] | None,
        Option(DATA, "{choices} (default: the data set's own)", "SPLIT"),
    ] = None
    test_share: Annotated[float, Option(DATA, "share of sessions to test on ({default})", "X")] = (
        0.1
    )
    valid_share: Annotated[
        float, Option(DATA, "share of training to stop by ({default}); 0: all epochs run", "X")
    ] = 0.1
    min_session_length: Annotated[int, Option(DATA, "of training sessions ({default})", "N")] = 1
    min_item_support: Annotated[int, Option(DATA, "of items in training ({default})", "N")] = 1
    reward: Annotated[
        str | None,
        Option(
            DATA,
            "reward 1 for ratings of 4 or more (rating), for all events (all), or another kind "
            "that the data set has (default: the data set's own)",
            "KIND",
        ),
    ] = None
    k: Annotated[
        tuple[int, ...], Option(EVALUATION, "cut-offs of the metrics ({default})", "5,10,20")
    ] = (HEADLINE_K,)
    ties: Annotated[
        Literal["conservative", "standard", "median"],
        Option(EVALUATION, "{choices} (default {default})", "RULE"),
    ] = "conservative"
    unseen_items: Annotated[
        Literal["drop", "miss"],
        Option(
            EVALUATION,
            "test targets that training never saw: dropped (default) or counted as misses",
        ),
    ] = "drop"
    output: Annotated[str, Option(RESULTS, "folder of all results (default {default})", "DIR")] = (
        "results"
    )
    page: Annotated[
        bool,
        Option(RESULTS, "make the tables alone, without plots and report.html", flag="--no-page"),
    ] = True
    keep_top: Annotated[
        int,
        Option(
            RESULTS, "keep each test event's first N items as Parquet in the trials' folders", "N"
        ),
    ] = 0
    tracking_uri: Annotated[
        str | None,
        Option(
            RESULTS,
            "MLflow's address (default: MLFLOW_TRACKING_URI, else MLflow's own here)",
            "URI|none",
            read=str,  # "none" is the word for no tracking, not a missing value
        ),
    ] = None
    auto_seeds: bool = False
    """Whether to stop adding seeds once they decide (`--seeds auto`); `seeds` then has all."""
    model_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Options of each model, by its label."""

    @property
    def ks(self) -> tuple[int, ...]:
        """Cut-offs of the metrics, ascending."""
        return tuple(sorted(set(self.k)))


PLAN_OPTIONS = options_of(Plan)
"""By name, in the order of `--help`."""


def make_plan(
    given: Mapping[str, Any],
    settings: Sequence[str] = (),
    config_file: Path | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> Plan:
    """Build a plan from options, which override those of a TOML file.

    `given` are values of `PLAN_OPTIONS` by name, as strings or typed. `options` are those of models
    by label and name; `settings`, each a `label.option=value` as `--set` takes, override them.
    Raises InputError for an unknown option or a wrong value.
    """
    values, model_options = _read_toml(config_file) if config_file else ({}, {})
    _refuse_unknown(given)
    values |= given
    for label, of_model in (options or {}).items():
        model_options.setdefault(label, {}).update(of_model)
    for setting in settings:
        label, option, value = _split_setting(setting)
        model_options.setdefault(label, {})[option] = value
    read = {name: PLAN_OPTIONS[name].read(value) for name, value in values.items()}
    auto_seeds = values.get("seeds") == AUTO
    plan = Plan(**read, auto_seeds=auto_seeds, model_options=model_options)
    _check(plan)
    return plan


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
        raise InputError(f"--patience must be at least 1, not {plan.patience}")
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
    model_options = {key: value for key, value in content.items() if isinstance(value, dict)}
    values = {key: value for key, value in content.items() if key not in model_options}
    _refuse_unknown(values, f"--config {file}: ")
    return {key.replace("-", "_"): value for key, value in values.items()}, model_options


def _refuse_unknown(names: Iterable[str], where: str = "") -> None:
    for name in names:
        if name.replace("-", "_") not in PLAN_OPTIONS:
            hint = nearest_hint(name, PLAN_OPTIONS, "it takes")
            raise InputError(f"{where}'{name}' is no option; {hint}")
