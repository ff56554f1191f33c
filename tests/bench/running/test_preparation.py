"""What the reader of a table is told before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.planning.plan import make_plan
from bench.running.preparation import prepare

SIMULATED = "simulated:sessions=60,items=12,interests=3"


def notes_on_the_state(
    dataset: str, models: str, folder: Path, *settings: str, **given: Any
) -> list[str]:
    plan = {"models": models, "dataset": dataset, "output": str(folder / "out")}
    plan |= {"tracking_uri": "none", "device": "cpu"} | given
    prepared = prepare(make_plan(plan, list(settings), None), lambda text: None)
    return [note for note in prepared.notes if "enter the user state" in note]


@pytest.fixture
def ratings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Forty sessions of three events, of which the last has no reward."""
    monkeypatch.setenv("BENCH_CACHE_DIR", str(tmp_path / "cache"))
    rows = [f"s{n // 3},i{n % 7},{n},{int(n % 3 < 2)}" for n in range(120)]
    file = tmp_path / "log.csv"
    file.write_text("\n".join(["session_id,item_id,time,reward", *rows]) + "\n")
    return str(file)


def test_it_is_said_what_becomes_of_events_without_reward(ratings: str, tmp_path: Path) -> None:
    models = "tocr,other=reinforce,gru4rec,behaviour_cloning"
    (note,) = notes_on_the_state(
        ratings, models, tmp_path, "behaviour_cloning.zero_reward_in_state=no"
    )
    assert note == (
        "tocr, other: 40 events without reward enter the user state, as the log has no "
        "propensities, so that users acted themselves; zero_reward_in_state sets it"
    )
    (shown,) = notes_on_the_state(SIMULATED, "tocr", tmp_path)
    assert "do not enter the user state, as the log has propensities" in shown


def test_it_is_not_said_where_it_does_not_matter(ratings: str, tmp_path: Path) -> None:
    assert not notes_on_the_state(ratings, "gru4rec", tmp_path)
    assert not notes_on_the_state(ratings, "tocr", tmp_path, reward="all")
