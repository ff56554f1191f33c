"""Open Bandit Dataset (Saito et al., 2021, arXiv 2008.07146): rounds of two logging policies.

A round is one item shown in one of the three positions of a fashion shop's page, drawn with a
logged probability, and whether it was clicked. Rounds name no user and no session, and their items
are drawn independently, so there is no sequence to predict: this reads rounds for off-policy
evaluation (`experiments/science/open_bandit.py`), not a log to train on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from datasets.errors import InputError
from datasets.reading.delimited_text import DelimitedText, blocks, column_names, line_of_row
from datasets.reading.event_columns import TableColumns, gather_columns, refuse_rows
from datasets.session_log import IntArray, StringArray

CAMPAIGNS = ("all", "men", "women")

_ITEMS = "item_context.csv"
_NUMBERS = ("timestamp", "position", "click", "propensity_score")


@dataclass(frozen=True, eq=False)
class BanditRounds:
    """Rounds in file order, as columns of shape (n_rounds,)."""

    items: IntArray
    """Item shown, as its row in `item_ids`."""
    positions: IntArray
    """Position on the page, 1 to 3."""
    clicks: NDArray[np.float64]
    """1 where it was clicked, else 0."""
    propensities: NDArray[np.float64]
    """Logged probability of the item in this position, in (0, 1]."""
    times: IntArray
    """Milliseconds since 1970."""
    item_ids: StringArray
    """Every item that could be shown, in the order of the item file, (n_items,)."""


def read_rounds(folder: Path) -> BanditRounds:
    """Read a campaign's folder as published: men.csv (or women, all) beside item_context.csv.

    Raises InputError, with the line, for a propensity that is missing or outside (0, 1], a click
    that is not 0 or 1, or an item that the item file does not have.
    """
    path = _rounds_file(folder)
    if path is None:
        raise InputError(
            f"{folder}: not an Open Bandit campaign; give a folder that has "
            f"{', '.join(f'{name}.csv' for name in CAMPAIGNS[:-1])} or {CAMPAIGNS[-1]}.csv"
        )
    columns = _read(path, ("item_id",), _NUMBERS, time="timestamp")
    items = _read(path.with_name(_ITEMS), ("item_id",), (), time=None).ids["item_id"]
    propensities = columns.numbers["propensity_score"].astype(np.float64)
    outside = ~((propensities > 0) & (propensities <= 1))
    refuse_rows(columns, "propensity_score", outside, "is no probability in (0, 1]")
    clicks = columns.numbers["click"].astype(np.float64)
    refuse_rows(columns, "click", (clicks != 0) & (clicks != 1), "is neither 0 nor 1")
    shown = columns.ids["item_id"]
    places = pd.Index(items.ids).get_indexer(pd.Index(shown.ids))
    unknown = np.flatnonzero(places[shown.codes] < 0)
    if len(unknown):
        row = int(unknown[0])
        raise InputError(
            f"{path}: {columns.place(row)} has item_id {shown.ids[shown.codes[row]]}, which "
            f"{_ITEMS} beside it has not; the two belong together"
        )
    return BanditRounds(
        items=places[shown.codes].astype(np.int64),
        positions=columns.numbers["position"].astype(np.int64),
        clicks=clicks,
        propensities=propensities,
        times=columns.numbers["timestamp"].astype(np.int64),
        item_ids=items.ids,
    )


def _rounds_file(path: Path) -> Path | None:
    if path.is_dir():
        inside = [path / f"{name}.csv" for name in CAMPAIGNS if (path / f"{name}.csv").is_file()]
        return inside[0] if inside else None
    return path if path.is_file() and path.suffix == ".csv" and path.stem in CAMPAIGNS else None


def _read(
    path: Path, ids: tuple[str, ...], numbers: tuple[str, ...], time: str | None
) -> TableColumns:
    text = DelimitedText.of_file(path)
    found = column_names(text)
    missing = [name for name in (*ids, *numbers) if name not in found]
    if missing:
        raise InputError(
            f"{path}: there is no column {missing[0]} among its columns ({', '.join(found[:12])}); "
            "give the file as published"
        )
    return gather_columns(
        blocks(text, (*ids, *numbers), ids=ids),
        ids=ids,
        numbers=numbers,
        time=time,
        place=lambda row: f"line {line_of_row(text, row)}",
        label=str(path),
    )
