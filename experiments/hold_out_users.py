"""Cut a log into train.csv.gz and test.csv.gz by whole users, a random share of them for the test.

The users are those that numpy's default_rng(seed).permutation of the sorted ids names first. This
is the cut behind a row of docs/parity.md whose figures come from outside; for anything else use
`--split session-holdout`.

    python experiments/hold_out_users.py path/to/sessions.csv.gz folder
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd


def cut(events: pd.DataFrame, share: float, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training and test events; `share` of the users (column session_id) are for the test."""
    users = np.sort(events["session_id"].unique())
    drawn = np.random.default_rng(seed).permutation(users)[: int(share * len(users))]
    is_test = events["session_id"].isin(drawn)
    return events[~is_test], events[is_test]


def main() -> None:
    """Read, cut and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path, help="CSV or CSV.gz with a column session_id")
    parser.add_argument("folder", type=Path, help="where train.csv.gz and test.csv.gz go")
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=42)
    options = parser.parse_args()
    parts = cut(pd.read_csv(options.table), options.share, options.seed)
    options.folder.mkdir(parents=True, exist_ok=True)
    for name, part in zip(("train", "test"), parts, strict=True):
        part.to_csv(options.folder / f"{name}.csv.gz", index=False)
        print(f"{name}: {part['session_id'].nunique():,} users, {len(part):,} events")


if __name__ == "__main__":
    main()
