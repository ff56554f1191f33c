"""The scaling script runs on small logs and prints its figures; no time is asserted."""

from __future__ import annotations

import json
import multiprocessing

import numpy as np
import pytest

from datasets.session_log import SessionLog
from experiments.speed.scaling import Child
from experiments.speed.scaling_sizes import (
    RANKED_SESSIONS,
    Size,
    busy_share,
    cut_last_sessions,
    measure_steps,
)
from models.common.training import training_log
from tests.experiments.conftest import run_script

MEASURED = (
    "seconds_per_million_events",
    "peak_mb",
    "generation_seconds",
    "start_seconds",
    "busy_share",
)


def log_of_lengths(*lengths: int) -> SessionLog:
    n_events = sum(lengths)
    return SessionLog(
        items=np.arange(n_events, dtype=np.int32) % 7,
        rewards=np.ones(n_events, dtype=np.float32),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        item_ids=np.array([f"item {code}" for code in range(10)]),
        session_ids=np.array([f"session {number}" for number in range(len(lengths))]),
    )


def test_the_script_measures_events_items_and_an_epoch() -> None:
    done = run_script(
        "speed/scaling.py", "--events", "1000", "--items", "300", "--items-of-events", "100",
        "--events-of-items", "3000", "--models", "tocr", "--rounds", "1", "--reports", "2",
        "--epoch",
    )  # fmt: skip
    *printed, last = done.stdout.splitlines()
    figures = json.loads(last)
    by_events, by_items = figures["rows"]
    sizes_of_rows = [
        [row[key] for key in ("by", "model", "events", "items")] for row in figures["rows"]
    ]
    assert sizes_of_rows == [["events", "tocr", 1000, 100], ["items", "tocr", 3000, 300]]
    assert all(row[name] > 0 for row in figures["rows"] for name in MEASURED)
    assert by_items["ranking_milliseconds_per_event"] > 0
    assert max(by_events["busy_share"], by_items["busy_share"]) <= 1
    assert figures["slowest_over_fastest"] == {"tocr by events": 1, "tocr by items": 1}
    assert (figures["settings"]["truncation"], figures["settings"]["batch_size"]) == (4, 64)
    (epoch,) = figures["epochs"]
    assert (epoch["events"], epoch["items"]) == (1000, 100)
    assert epoch["epoch_seconds"] > 0
    assert epoch["peak_mb"] > 0
    assert any("epoch seconds" in line for line in printed)
    assert "tocr, 1,000 events, 100 items: 100% of the epoch" in done.stderr


def test_gru4rec_answers_each_round(monkeypatch: pytest.MonkeyPatch) -> None:
    # The body of a process sets it for good; here it is set back after the test.
    monkeypatch.setattr(training_log, "YIELDS_PER_EPOCH", training_log.YIELDS_PER_EPOCH)
    script, process = multiprocessing.Pipe()
    for steps in (2, 3, 0):
        script.send(steps)
    measure_steps(Size("items", "gru4rec", events=3000, items=100), process)
    start, first, second, end = (script.recv() for _ in range(4))
    assert 0 < start["items_in_events"] <= 100
    assert min(*first, *second) > 0
    assert end["peak_mb"] > 0
    assert not script.poll()


def test_says_which_process_has_died() -> None:
    with pytest.raises(SystemExit, match=r"no model, 1,000 events, 5 items.*exit status 1"):
        # A catalogue of fewer items than interests cannot be drawn.
        Child(measure_steps, Size("events", "no model", events=1000, items=5)).answer()


def test_busy_share_counts_the_places_beside_a_long_session() -> None:
    # 64 slots of 8 targets fill two windows of four steps; a session more needs two of its own.
    assert busy_share(log_of_lengths(*[9] * 64), 64) == 1
    assert busy_share(log_of_lengths(*[9] * 65), 64) == 65 * 8 / (4 * 64 * 4)


def test_ranked_sessions_are_the_last_and_keep_the_catalogue() -> None:
    log = log_of_lengths(*[3] * 210, *[4] * RANKED_SESSIONS)
    train, ranked = cut_last_sessions(log)
    assert train.lengths.tolist() == [3] * 210
    assert ranked.log.lengths.tolist() == [4] * RANKED_SESSIONS
    assert ranked.n_targets == RANKED_SESSIONS * 3
    assert train.n_items == ranked.log.n_items == 10


def test_at_most_half_of_the_sessions_are_ranked() -> None:
    train, ranked = cut_last_sessions(log_of_lengths(*[3] * 6, *[4] * 5))
    assert train.lengths.tolist() == [3] * 6
    assert ranked.log.lengths.tolist() == [4] * 5
