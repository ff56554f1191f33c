"""Options declared on the fields of the plan, for the command line, TOML and Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from bench.planning.model_options import convert
from datasets.errors import InputError


@dataclass(frozen=True)
class Option:
    """Declares a field of the plan as an option: `Annotated[int, Option(...)] = 5`."""

    group: str
    """Its heading in `--help`."""
    help: str
    """What it does; `{default}` and `{choices}` are filled in from the field."""
    metavar: str = ""
    """Placeholder of the value; by default the choices, separated by bars."""
    read: Callable[[Any], Any] | None = None
    """Converts a value, raising ValueError; by default `convert` to the field's type."""
    flag: str = ""
    """By default `--` and the field's name."""


@dataclass(frozen=True)
class PlanOption:
    """An option together with the name, type and default of its field."""

    name: str
    kind: Any
    default: Any
    declared: Option

    @property
    def flag(self) -> str:
        """Its name on the command line."""
        return self.declared.flag or "--" + self.name.replace("_", "-")

    @property
    def metavar(self) -> str:
        """Placeholder of the value in `--help`."""
        return self.declared.metavar or "|".join(self.choices)

    @property
    def help(self) -> str:
        """The line in `--help`."""
        *others, last = self.choices or ("",)
        choices = f"{', '.join(others)} or {last}" if others else last
        default = self.default
        if isinstance(default, tuple):
            default = ",".join(map(str, default))
        return self.declared.help.format(default=default, choices=choices)

    @property
    def choices(self) -> tuple[str, ...]:
        """Values of a Literal type except None; empty for any other type."""
        kinds = (self.kind, *get_args(self.kind))
        return tuple(
            str(choice)
            for kind in kinds
            if get_origin(kind) is Literal
            for choice in get_args(kind)
        )

    def read(self, value: Any) -> Any:
        """Convert a value from the command line, a file or a call; raises InputError."""
        try:
            if self.declared.read is not None:
                return self.declared.read(value)
            return convert(value, self.kind)
        except ValueError as error:
            raise InputError(f"{self.flag} {error}") from error


def options_of(plan_class: type[Any]) -> dict[str, PlanOption]:
    """The options declared on the fields of a dataclass, by name, in order."""
    hints = get_type_hints(plan_class, include_extras=True)
    found = {}
    for field in fields(plan_class):
        hint = hints[field.name]
        if get_origin(hint) is Annotated:
            kind, declared = get_args(hint)
            found[field.name] = PlanOption(field.name, kind, field.default, declared)
    return found
