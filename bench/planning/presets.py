"""Write a plan and its models' options as a TOML file that `--config` reads back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from bench.planning.plan import AUTO, PLAN_OPTIONS, Plan
from bench.store.files import write_whole
from datasets.errors import InputError

_OF_THE_RUN = ("tune", "fresh", "output", "tracking_uri")
"""Options that decide nothing in a trial."""


def write_preset(
    file: Path, plan: Plan, options: Mapping[str, Mapping[str, Any]], comment: str
) -> None:
    """Write what `plan` changes of the defaults and the `options` of each label.

    Raises InputError for an option that TOML cannot hold, and if the file cannot be written.
    """
    content: dict[str, Any] = {}
    for name, option in PLAN_OPTIONS.items():
        value = getattr(plan, name)
        differs = name == "models" or value != option.default
        if differs and name not in _OF_THE_RUN:
            given = AUTO if name == "seeds" and plan.auto_seeds else value
            content[name] = _storable(given)
    content |= {label: _storable(values) for label, values in options.items() if values}
    lines = [f"# {line}" for line in comment.splitlines()]
    write_whole(file, "\n".join([*lines, tomli_w.dumps(content)]))


def _storable(value: Any) -> Any:
    if value is None:
        return "none"  # the word that an option takes for it; TOML has no null
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_storable(each) for each in value]
    if isinstance(value, Mapping):
        return {key: _storable(each) for key, each in value.items()}
    raise InputError(f"{value!r} cannot be written as TOML; set that option by --set instead")
