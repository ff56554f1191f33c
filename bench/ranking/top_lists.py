"""The first items of every test event's ranking, as Parquet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bench.store.ranks import Ranks
from datasets.splitting.held_out import HeldOut


def top_lists_file(folder: Path, n_first: int) -> Path:
    """Where a trial keeps its lists of `n_first` items."""
    return folder / f"top-{n_first}.parquet"


def write_top_lists(folder: Path, ranks: Ranks, held_out: HeldOut) -> None:
    """Write the lists of `ranks`, a row for each scored test event in their order.

    Columns: `session` and `position` (events before it) of the event, `target` and its `rank`, and
    `items`, best first, all with the ids of the source. Of items that tie, those of lower codes
    come first, while `rank` counts all of them before the target.
    """
    log = held_out.log
    scored = np.flatnonzero(held_out.is_target)
    first = ranks.first_items[: len(scored)]
    table = pa.table(
        {
            "session": _texts(log.session_ids, log.session_of_event[scored]),
            "position": pa.array(log.position_in_session[scored]),
            "target": _texts(log.item_ids, log.items[scored]),
            "rank": pa.array(ranks.ranks[: len(scored)]),
            "items": pa.ListArray.from_arrays(
                pa.array(np.arange(0, first.size + 1, first.shape[1]), pa.int32()),
                _texts(log.item_ids, first.ravel()),
            ),
        }
    )
    pq.write_table(table, top_lists_file(folder, first.shape[1]))


def _texts(names: NDArray[np.str_], codes: NDArray[np.generic]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(names.tolist()))
