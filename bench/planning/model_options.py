"""Convert option values from the command line or TOML to a model's config."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from datasets.errors import InputError, nearest_hint


def build_config(config_class: type[Any], label: str, values: Mapping[str, Any]) -> Any:
    """A config with `values` set, which are strings if from the command line.

    Raises InputError for an unknown option, a value of the wrong type, or one that the config
    refuses.
    """
    try:
        hints = get_type_hints(config_class)
    except NameError as error:
        raise InputError(
            f"the options of {label} cannot be read ({error}); "
            "import the types of its config at run time"
        ) from error
    names = [field.name for field in dataclasses.fields(config_class)]
    converted = {}
    for name, value in values.items():
        if name not in names:
            hint = nearest_hint(name, names, "it has")
            raise InputError(f"'{name}' is no option of {label}; {hint}")
        try:
            converted[name] = convert(value, hints[name])
        except ValueError as error:
            raise InputError(f"{label}.{name}: {error}") from error
    try:
        return config_class(**converted)
    except Exception as error:  # whatever a config's own check raises
        raise InputError(f"{label}: {str(error) or type(error).__name__}") from error


def convert(value: Any, kind: Any) -> Any:
    """`value`, often a string, converted to the annotated type `kind`; raises ValueError."""
    origin = get_origin(kind)
    if origin is Literal:
        choices = get_args(kind)
        for choice in choices:
            if str(value) == str(choice):
                return choice
        raise ValueError(f"must be one of {', '.join(map(str, choices))}, not {value}")
    if origin in (Union, types.UnionType):
        return _convert_union(value, get_args(kind))
    if origin is tuple:
        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, list | tuple):
            parts = [parts]
        element = get_args(kind)[0]
        return tuple(convert(part, element) for part in parts if part != "")
    if kind is bool:
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if isinstance(value, bool):
            return value
        if str(value).lower() in words:
            return words[str(value).lower()]
        raise ValueError(f"must be true or false, not {value}")
    if kind is int:
        return _whole_number(value)
    if kind is float:
        try:
            return float(value)
        except (TypeError, ValueError):
            raise ValueError(f"must be a number, not {value}") from None
    if kind is str:
        return str(value)
    return value


def _convert_union(value: Any, kinds: tuple[Any, ...]) -> Any:
    if type(None) in kinds and (value is None or str(value).lower() == "none"):
        return None
    reasons = []
    for kind in kinds:
        if kind is type(None):
            continue
        try:
            return convert(value, kind)
        except ValueError as error:
            reasons.append(str(error))
    raise ValueError(" or ".join(reasons))


def _whole_number(value: Any) -> int:
    try:
        if not isinstance(value, bool) and int(value) == float(value):
            return int(value)
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError(f"must be a whole number, not {value}")
