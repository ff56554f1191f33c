"""Write a plan and its models' options as a TOML file that `--config` reads back."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.planning.plan import AUTO, PLAN_OPTIONS, Plan
from bench.store.files import write_whole
from datasets.errors import InputError

_OF_THE_RUN = ("tune", "fresh", "output", "tracking_uri")
"""Options that decide nothing in a trial."""


def write_preset(
    file: Path, plan: Plan, options: Mapping[str, Mapping[str, Any]], comment: str
) -> None:
    """Write `plan`, as far as it differs from the defaults, and the `options` of each label.

    The file alone repeats the plan's trials. Raises InputError for an option that TOML cannot hold,
    and where the file cannot be written.
    """
    lines = [f"# {line}" for line in comment.splitlines()]
    for name, option in PLAN_OPTIONS.items():
        value = getattr(plan, name)
        differs = name == "models" or value != option.default
        if differs and name not in _OF_THE_RUN:
            given = AUTO if name == "seeds" and plan.auto_seeds else value
            lines.append(f"{name} = {_toml(given)}")
    for label, values in options.items():
        if values:
            lines += ["", f"[{_key(label)}]"]
        lines += [f"{_key(name)} = {_toml(value)}" for name, value in values.items()]
    write_whole(file, "\n".join(lines) + "\n")


def _key(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9_-]+", text) else _toml(text)


def _toml(value: Any) -> str:
    if value is None:
        return '"none"'  # the word that an option takes for it; TOML has no null
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)  # inf and nan are called the same
    if isinstance(value, str):
        # TOML knows JSON's escapes, and forbids one control character that JSON lets through.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)} = {_toml(each)}" for key, each in value.items()) + "}"
    raise InputError(f"{value!r} cannot be written as TOML; set that option by --set instead")
