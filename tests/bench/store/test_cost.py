"""The cost of a trial as its file holds it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.store.cost import Cost
from bench.store.trial import read_cost
from datasets.errors import InputError

COST = Cost(
    train_seconds=12.5,
    seconds_to_best_epoch=10.0,
    epochs=5,
    best_epoch=4,
    train_events=5000,
    events_per_second=400.0,
    ranking_seconds=0.5,
    milliseconds_per_scored_event=0.25,
    peak_memory_bytes=123_456_789,
    device="cpu",
    threads=2,
    others_load=0.5,
    cores=4,
)


def read(folder: Path, text: str) -> Cost:
    (folder / "cost.json").write_text(text)
    return read_cost(folder)


def test_cost_survives_json(tmp_path: Path) -> None:
    assert read(tmp_path, COST.to_json()) == COST


def test_cost_from_before_load_was_measured_has_none(tmp_path: Path) -> None:
    record = json.loads(COST.to_json())
    del record["others_load"], record["cores"]
    assert read(tmp_path, json.dumps(record)) == replace(COST, others_load=None, cores=None)


def test_cost_without_a_number_is_not_written() -> None:
    with pytest.raises(ValueError, match="JSON"):
        replace(COST, events_per_second=float("inf")).to_json()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{", "Expecting property name"),
        ("[1]", "must be a mapping"),
        (json.dumps({"epochs": 3}), "train_seconds"),
        (COST.to_json().replace("{", '{"colour": 1,', 1), "colour"),
    ],
)
def test_damaged_cost_names_its_file(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(InputError, match=rf"cost\.json cannot be read .*{named}.* run again"):
        read(tmp_path, text)
