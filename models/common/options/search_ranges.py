"""Ranges of options, declared beside each config field, within which tuning may look.

`learning_rate: Annotated[float, LogRange(0.02, 0.15)] = 0.1` is a float like any other to whoever
builds the config; a field without a range is not searched.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, TypeAlias, get_args, get_origin, get_type_hints


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included, each as likely; whole ones for an int field."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"{self} is empty; its low must be below its high")

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True)
class LogRange(Range):
    """The same, with equal chances for equal ratios."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.low > 0:
            raise ValueError(f"{self} has no logarithm; its low must be above 0")


@dataclass(frozen=True)
class Choices:
    """Some values, none nearer to one than to another; without any, all of a Literal field."""

    values: tuple[Any, ...] = ()

    def __contains__(self, value: Any) -> bool:
        return value in self.values


SearchRange: TypeAlias = Range | Choices


def search_ranges(config_class: type[Any]) -> dict[str, SearchRange]:
    """Range of each field of a config that has one, in the fields' order.

    The ends of a range are floats beside a float field, whole numbers beside an int field. Raises
    ValueError for a range that does not fit its field.
    """
    found: dict[str, SearchRange] = {}
    for name, hint in get_type_hints(config_class, include_extras=True).items():
        if get_origin(hint) is not Annotated:
            continue
        kind, *extras = get_args(hint)
        for extra in extras:
            if isinstance(extra, Choices):
                found[name] = _choices(name, kind, extra)
            elif isinstance(extra, Range):
                found[name] = _numbers(name, kind, extra)
    return found


def _choices(name: str, kind: Any, choices: Choices) -> Choices:
    values = choices.values
    if not values and get_origin(kind) is Literal:
        values = get_args(kind)
    if len(set(map(str, values))) < max(len(values), 2):
        raise ValueError(f"the {choices} of {name} must be two or more, each once")
    return Choices(values)


def _numbers(name: str, kind: Any, numbers: Range) -> Range:
    if kind not in (int, float):
        raise ValueError(f"{name} is no int and no float, as {numbers} asks for; use Choices")
    low, high = kind(numbers.low), kind(numbers.high)
    if (low, high) != (numbers.low, numbers.high):
        raise ValueError(f"{name} is a whole number, and the ends of {numbers} are not")
    return replace(numbers, low=low, high=high)
