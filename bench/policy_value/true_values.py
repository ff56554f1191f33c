"""True values of a trial's model in the world that simulated its log, stored with the trial."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.policy_value.world_value import PAGES, Page, WorldValues, world_values
from bench.stats.estimate import Estimate, mean_over_seeds
from bench.store.files import reading
from datasets.session_log import StringArray
from datasets.simulation.worlds import World
from models.recommender import Recommender

TRUE_VALUES = "true-values.json"
N_SESSIONS = 5000
"""Simulated for each value; all models and seeds share interests and entry items."""
SEED = 20190211


def true_values(
    world: World, model: Recommender, item_ids: StringArray, ks: Sequence[int]
) -> dict[int, WorldValues]:
    """Value of `model`, trained on `item_ids`, with pages of 1 and of each K of `ks` items."""
    known = world.catalogue(item_ids)
    return {
        k: world_values(known, model, set_size=k, n_sessions=N_SESSIONS, seed=SEED)
        for k in sorted({1, *ks})
        if k <= known.n_items
    }


def write_true_values(folder: Path, values: Mapping[int, WorldValues]) -> None:
    """Write `true-values.json`: by K and page the value and the ends of its 95 % interval."""
    content = {
        str(k): {page: _interval(getattr(of_k, page)) for page in PAGES}
        for k, of_k in values.items()
    }
    (folder / TRUE_VALUES).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_true_values(folder: Path) -> dict[int, WorldValues]:
    """What `write_true_values` wrote, if anything; raises InputError if the file is damaged."""
    file = folder / TRUE_VALUES
    if not file.exists():
        return {}
    with reading(file, "remove its folder and run again"):
        content = json.loads(file.read_text(encoding="utf-8"))
        return {
            int(k): WorldValues(**{page: of and Estimate(**of) for page, of in of_k.items()})
            for k, of_k in content.items()
        }


def _interval(estimate: Estimate | None) -> dict[str, float] | None:
    if estimate is None:
        return None
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}


def true_value_name(k: int, page: Page) -> str:
    """Name of a column of tables."""
    return f"true value@{k} ({page.replace('_', ' ')})"


def true_value_figures(values: Mapping[int, WorldValues]) -> dict[str, float]:
    """Each value with the ends of its interval by name, as a trial's metrics have them."""
    return {
        f"{name}{end}": number
        for name, of in _named(values).items()
        for end, number in (("", of.value), (" low", of.low), (" high", of.high))
    }


def over_seeds(folders: Sequence[Path]) -> dict[str, Estimate]:
    """True values by column, means over the trials in `folders`; those that every trial has."""
    by_seed = [_named(read_true_values(folder)) for folder in folders]
    return {
        name: mean_over_seeds([of_seed[name] for of_seed in by_seed])
        for name in by_seed[0]
        if all(name in of_seed for of_seed in by_seed)
    }


def _named(values: Mapping[int, WorldValues]) -> dict[str, Estimate]:
    return {
        true_value_name(k, page): estimate
        for k, of_k in values.items()
        for page in PAGES
        # A page of one item is the same with and without replacement.
        if not (k == 1 and page == "duplicates_dropped")
        if (estimate := getattr(of_k, page)) is not None
    }
