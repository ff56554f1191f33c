"""How a field of the plan is asked for: declared once, for the terminal, TOML and Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from bench.planning.options import convert
from datasets.errors import InputError


@dataclass(frozen=True)
class Option:
    """What stands beside a field of the plan: `Annotated[int, Option(...)] = 5`."""

    group: str
    """Its heading in `--help`."""
    help: str
    """What it does; `{default}` and `{choices}` are filled in from the field."""
    metavar: str = ""
    """What a value looks like; by default the choices with bars between them."""
    read: Callable[[Any], Any] | None = None
    """Reads a value and raises ValueError for a wrong one; by default the field's type does."""
    flag: str = ""
    """By default `--` and the field's name."""


@dataclass(frozen=True)
class PlanOption:
    """An option of the plan with all that its field says."""

    name: str
    kind: Any
    """Type of the field."""
    default: Any
    declared: Option

    @property
    def flag(self) -> str:
        """What the command line calls it."""
        return self.declared.flag or "--" + self.name.replace("_", "-")

    @property
    def metavar(self) -> str:
        """What a value looks like in `--help`."""
        return self.declared.metavar or "|".join(self.choices)

    @property
    def help(self) -> str:
        """What it does, in a line."""
        *others, last = self.choices or ("",)
        choices = f"{', '.join(others)} or {last}" if others else last
        default = self.default
        if isinstance(default, tuple):
            default = ",".join(map(str, default))
        return self.declared.help.format(default=default, choices=choices)

    @property
    def choices(self) -> tuple[str, ...]:
        """Values of a field that is a Literal, None left aside; empty for any other."""
        kinds = (self.kind, *get_args(self.kind))
        return tuple(
            str(choice)
            for kind in kinds
            if get_origin(kind) is Literal
            for choice in get_args(kind)
        )

    def read(self, value: Any) -> Any:
        """A value from a terminal, a file or a call; raises InputError for a wrong one."""
        try:
            if self.declared.read is not None:
                return self.declared.read(value)
            return convert(value, self.kind)
        except ValueError as error:
            raise InputError(f"--{self.name.replace('_', '-')} {error}") from error


def options_of(plan_class: type[Any]) -> dict[str, PlanOption]:
    """The options that the fields of a dataclass declare, by their names, in their order."""
    hints = get_type_hints(plan_class, include_extras=True)
    found = {}
    for field in fields(plan_class):
        hint = hints[field.name]
        if get_origin(hint) is Annotated:
            kind, declared = get_args(hint)
            found[field.name] = PlanOption(field.name, kind, field.default, declared)
    return found
