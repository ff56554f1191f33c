"""Fixtures of the experiments' tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def small_table(tmp_path: Path) -> Path:
    """A table of 120 sessions of four events, over thirty items at random."""
    items = np.random.default_rng(1).integers(30, size=(120, 4))
    rows = [
        f"s{session},item-{item},{time}"
        for session, row in enumerate(items.tolist())
        for time, item in enumerate(row)
    ]
    table = tmp_path / "small.csv"
    table.write_text("session_id,item_id,time\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return table
