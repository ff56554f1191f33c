"""Command lines that make a model's row again, from what its trial remembers."""

from __future__ import annotations

import ast
import contextlib
import json
import math
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from bench.planning.plan import Plan
from bench.store.benchmark_record import BenchmarkRecord
from bench.store.trial import TrialRecord, json_numbers
from datasets.errors import InputError
from models.registry import list_options

HARNESS_PARAMETERS = frozenset(
    {
        "model", "seed", "device", "patience", "dataset", "test", "reward", "split", "test_share",
        "valid_share", "unseen_items", "min_session_length", "min_item_support",
    }
)  # fmt: skip
"""Parameters of a trial that are no options of its model."""
_SHARED_OPTIONS = (
    "test_share", "valid_share", "unseen_items", "min_session_length", "min_item_support", "reward",
    "patience",
)  # fmt: skip
OUTPUT = "again"
"""Folder that the commands write to: in the benchmark's own, finished trials would be reused."""


def model_options(trial: TrialRecord) -> dict[str, Any]:
    """Values of all options of the trial's model."""
    return {
        name: value for name, value in trial.parameters.items() if name not in HARNESS_PARAMETERS
    }


def command(trial: TrialRecord, seeds: Sequence[int], record: BenchmarkRecord) -> str:
    """What a shell runs, in the repository, to make the row of `trial`'s model again.

    Options at their defaults are left out.
    """
    given, defaults = trial.parameters, Plan()
    words = ["python", "run_bench.py", "--models", _model(trial)]
    words += ["--dataset", str(given["dataset"])]
    if given["test"] is None:
        words += ["--split", str(given["split"])]
    else:
        words += ["--test", str(given["test"])]
    for name in _SHARED_OPTIONS:
        if given[name] != getattr(defaults, name):
            words += [f"--{name.replace('_', '-')}", option_text(given[name])]
    words += ["--seeds", _seeds(seeds)]
    if tuple(record.ks) != defaults.ks:
        words += ["--k", option_text(record.ks)]
    if record.ties != defaults.ties:
        words += ["--ties", record.ties]
    words += ["--device", str(given["device"])]
    usual = _defaults(str(given["model"]))
    for name, value in model_options(trial).items():
        if name not in usual or usual[name] != value:
            words += ["--set", f"{trial.model}.{name}={option_text(value)}"]
    return shlex.join([*words, "--output", OUTPUT])


def _model(trial: TrialRecord) -> str:
    """What `--models` takes: the reference, after its alias if it runs under one."""
    reference = str(trial.parameters["model"])
    own = reference.rpartition(":")[2]
    return reference if trial.model == own else f"{trial.model}={reference}"


def _defaults(reference: str) -> Mapping[str, Any]:
    """Defaults of a model's options as its source writes them, as far as they are plain values.

    The model is not imported, as it may be gone, and a report runs no one else's code. What is not
    found here is given in the command, which does no harm.
    """
    found = {}
    with contextlib.suppress(InputError):
        for option in list_options(reference):
            with contextlib.suppress(ValueError, SyntaxError, TypeError):
                value = _constant(ast.parse(option.default, mode="eval").body)
                found[option.name] = json.loads(json.dumps(json_numbers({"value": value})))["value"]
    return found


def _constant(expression: ast.expr) -> Any:
    """Value of a literal, of a constant of `math`, or of a power of such, as in `math.e ** 3`.

    Raises ValueError for anything else.
    """
    match expression:
        case ast.Attribute(value=ast.Name(id="math"), attr="inf" | "e" | "pi" as name):
            return getattr(math, name)
        case ast.BinOp(left=base, op=ast.Pow(), right=exponent):
            return _constant(base) ** _constant(exponent)
    return ast.literal_eval(expression)


def _seeds(seeds: Sequence[int]) -> str:
    if list(seeds) == list(range(1, len(seeds) + 1)):
        return str(len(seeds))
    return ",".join(map(str, seeds)) + ("," if len(seeds) == 1 else "")


def option_text(value: Any) -> str:
    """A value as `--set` and the options read it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ",".join(map(option_text, value))
    return str(value)
