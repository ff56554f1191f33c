"""Which columns of a user's table hold what."""

from __future__ import annotations

from dataclasses import dataclass

from datasets.errors import InputError

_IDS = ("session_id", "item_id")
_TIMES = ("time", "timestamp")
_OTHERS = ("position", "reward", "propensity")


@dataclass(frozen=True)
class EventFields:
    """Which column of a table holds what; None where there is no such column."""

    session: str
    item: str
    time: str | None = None
    position: str | None = None
    reward: str | None = None
    propensity: str | None = None

    @property
    def ids(self) -> tuple[str, ...]:
        """Names of the columns of ids."""
        return self.session, self.item

    @property
    def numbers(self) -> tuple[str, ...]:
        """Names of the columns of numbers and times."""
        named = (self.time, self.position, self.reward, self.propensity)
        return tuple(name for name in named if name is not None)


def choose_columns(label: str, found: list[str]) -> EventFields:
    """The columns of a table by their names; messages call the table `label`.

    Raises InputError where one is missing or there twice.
    """
    listed = ", ".join(found)
    missing = [name for name in _IDS if name not in found]
    if missing:
        raise InputError(
            f"{label}: there is no column {' nor '.join(missing)} among its columns ({listed}); "
            f"rename the one that holds it to {missing[0]}"
        )
    for name in (*_IDS, *_TIMES, *_OTHERS):
        if found.count(name) > 1:
            raise InputError(f"{label}: column {name} is there twice ({listed}); keep one")
    times = [name for name in _TIMES if name in found]
    if len(times) > 1:
        raise InputError(f"{label}: it has a time and a timestamp column ({listed}); keep one")
    others = {name: name for name in _OTHERS if name in found}
    return EventFields(*_IDS, next(iter(times), None), **others)


def check_reward(reward: str | None, label: str) -> None:
    """Raise InputError for a kind of reward that a table without ratings does not have."""
    if reward not in (None, "all"):
        raise InputError(
            f"--reward {reward}: {label} is a table without ratings; "
            "leave the option out (its reward column then counts) or use --reward all"
        )
