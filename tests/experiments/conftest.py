"""Fixtures of the experiments' tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

REPOSITORY = Path(__file__).parents[2]


def run_script(
    script: str, *arguments: str, status: int = 0, **environment: str
) -> subprocess.CompletedProcess[str]:
    """A script below `experiments`, started as its documents say."""
    done = subprocess.run(
        [sys.executable, f"experiments/{script}", *arguments],
        cwd=REPOSITORY,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return done


def printed(script: str, *arguments: str, **environment: str) -> tuple[list[str], Any]:
    """The lines that a script prints for a person, and the figures of its last line."""
    *lines, last = run_script(script, *arguments, **environment).stdout.splitlines()
    return lines, json.loads(last)


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_CACHE_DIR", str(tmp_path / "cache"))


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
