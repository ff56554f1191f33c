"""A simulated log by its description: simulated:world=drift,logger=popularity,sessions=20000."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np

from datasets.dataset import Dataset, Notify
from datasets.errors import InputError, nearest_hint
from datasets.simulation.loggers import LOGGERS, make_logger
from datasets.simulation.sessions import draw_log
from datasets.simulation.worlds import WORLDS, make_world

NAMES: dict[str, str] = {
    "simulated:": (
        "a log of known truth: simulated:world=drift,logger=popularity,sessions=20000,items=100,"
        "interests=5,correlation=0,seed=1; what is left out is as here, docs/data.md has all "
        "worlds and loggers"
    ),
}

START = "simulated:"


@dataclass(frozen=True)
class Description:
    """What `simulated:` is followed by, as key=value with commas between."""

    world: str = "drift"
    logger: str = "popularity"
    sessions: int = 20_000
    items: int = 100
    interests: int = 5
    correlation: float = 0.0
    """Of popularity with what items are worth, from 0 to 1."""
    seed: int = 1
    """Of world, logger and sessions."""

    def __str__(self) -> str:
        given = {key: value for key, value in asdict(self).items() if key != "correlation" or value}
        return START + ",".join(f"{key}={value}" for key, value in given.items())


def load(name: str, *, reward: str | None, notify: Notify) -> Dataset:
    """Draw the log that `name` describes, with its world.

    `reward` is "click" (the default: what each click pays, else 0) or "all" (all ones). Raises
    InputError for an unknown key, world or logger, or a number out of its range.
    """
    if reward not in (None, "click", "all"):
        raise InputError(f"--reward {reward}: not one of click, all; choose one of them")
    description = parse(name)
    world = make_world(
        description.world,
        n_items=description.items,
        n_interests=description.interests,
        correlation=description.correlation,
        seed=description.seed,
    )
    logger = make_logger(description.logger, world, seed=description.seed)
    log = draw_log(world, logger, description.sessions, seed=description.seed)
    rewards = (
        f"every event has reward 1 (by --reward all, where {int((log.rewards > 0).sum()):,} of "
        f"{log.n_events:,} events are clicked)"
        if reward == "all"
        else f"a click pays its item's value, an item shown and not clicked 0, and "
        f"{int((log.rewards > 0).sum()):,} of {log.n_events:,} events are clicked or enter"
    )
    if reward == "all":
        log = replace(log, rewards=np.ones_like(log.rewards))
    return Dataset(
        name=str(description),
        log=log,
        default_split="temporal",
        source=Path(name),
        order="time",
        equal_time_share=0.0,
        notes=(
            f"simulated world {world.name}: {WORLDS[world.name]}",
            f"simulated logger {logger.name}: {LOGGERS[logger.name]}; its propensities are true",
            rewards,
        ),
        # With all rewards alike a history no longer tells what was clicked, which a world's users
        # and its logger go by.
        world=None if reward == "all" else world,
        logger=None if reward == "all" else logger,
    )


def parse(name: str) -> Description:
    """Read a description; raises InputError for what it does not know."""
    kinds = {field.name: field.type for field in fields(Description)}
    given: dict[str, str | int | float] = {}
    for part in filter(None, name.removeprefix(START).split(",")):
        key, equals, value = part.partition("=")
        if key not in kinds:
            hint = nearest_hint(key, kinds, "choose one of")
            raise InputError(f"{name}: unknown key '{key}' of a simulated log; {hint}")
        if not equals or not value or key in given:
            raise InputError(f"{name}: write {key}={getattr(Description, key)}, once")
        if key == "correlation":
            given[key] = _share(name, key, value)
        else:
            given[key] = value if kinds[key] == "str" else _number(name, key, value)
    description = Description(**given)  # type: ignore[arg-type]
    for key, known in (("world", WORLDS), ("logger", LOGGERS)):
        value = getattr(description, key)
        if value not in known:
            hint = nearest_hint(value, known, "choose one of")
            raise InputError(f"{name}: unknown {key} '{value}'; {hint}")
    if description.interests > description.items:
        raise InputError(
            f"{name}: {description.items} items cannot meet {description.interests} interests; "
            "use more items or fewer interests"
        )
    return description


def _number(name: str, key: str, value: str) -> int:
    least = 0 if key == "seed" else 1
    digits = value.replace("_", "")
    if not (digits.isascii() and digits.isdigit()) or int(digits) < least:
        raise InputError(f"{name}: {key} must be a whole number, {least} or greater, not '{value}'")
    return int(digits)


def _share(name: str, key: str, value: str) -> float:
    try:
        share = float(value)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise InputError(f"{name}: {key} must be a number from 0 to 1, not '{value}'")
    return share
