"""The speed script runs on a small log and prints its figures; no time is asserted."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from experiments.speed import ranking_speed
from experiments.speed.ranking_speed import distinct_state_share
from tests.bench.held_out_logs import log_of
from tests.experiments.conftest import printed

POSITIVE = (
    "events_per_second",
    "events_per_second_with_exposure",
    "plain_product_events_per_second",
    "tiled_product_events_per_second",
    "gemm_fraction",
    "gemm_fraction_with_exposure",
    "distinct_state_share",
    "peak_mb",
)


def test_one_round_on_a_small_log(small_table: Path) -> None:
    once = ("--dataset", str(small_table), "--rounds", "1")
    lines, figures = printed("speed/ranking_speed.py", *once, OMP_NUM_THREADS="1")
    assert all(figures[name] > 0 for name in POSITIVE)
    assert all(any(name in line for line in lines) for name in POSITIVE)
    run = [figures[name] for name in ("items", "hidden", "k", "threads", "rounds")]
    assert run == [30, 100, 20, 1, 1]


def test_a_test_table_and_a_catalogue_of_another_size(
    small_table: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    test = tmp_path / "test.csv"
    # A long session, as each turn ranks a thousand prefixes.
    rows = [f"a,item-{time % 30},{time}" for time in range(500)]
    test.write_text("\n".join(["session_id,item_id,time", *rows]) + "\n")
    sizes = ["--test", str(test), "--items", "2500", "--hidden", "7", "--rounds", "1"]
    monkeypatch.setattr(sys, "argv", ["ranking_speed.py", "--dataset", str(small_table), *sizes])
    ranking_speed.main()
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (figures["items"], figures["hidden"], figures["distinct_state_share"]) == (2500, 7, 1)


@pytest.mark.parametrize(
    ("sessions", "share"),
    [
        ([[0, 1, 2], [0, 1, 3], [0, 2]], 2 / 5),  # 0 three times, and 0 1 twice
        ([[0, 1], [1, 0]], 1),
        ([[1, 0, 2], [0, 0, 2]], 1),
        ([[2], [0, 1], [2, 2, 2, 2], [2, 2, 2]], 4 / 6),
    ],
)
def test_distinct_states_are_distinct_prefixes(sessions: list[list[int]], share: float) -> None:
    assert distinct_state_share(log_of(sessions, 4)) == pytest.approx(share)


def test_distinct_states_agree_with_counting_tuples() -> None:
    rng = np.random.default_rng(3)
    sessions = [rng.integers(0, 3, rng.integers(1, 8)).tolist() for _ in range(200)]
    prefixes = [tuple(s[:end]) for s in sessions for end in range(1, len(s))]
    expected = len(set(prefixes)) / len(prefixes)
    assert distinct_state_share(log_of(sessions, 3)) == pytest.approx(expected)
