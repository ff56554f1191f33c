"""Test events stand in the order of ranks, and are stored whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.store.events import TestEvents, events_from
from datasets.errors import InputError
from tests.bench.held_out_logs import held_out_of


def test_events_stand_in_the_order_of_ranks() -> None:
    events = events_from(held_out_of([[2, 2, 1, 2], [1, 2]], 3, missed=[(1, 1), (2, 0)]))
    assert events.sessions.tolist() == [0, 0, 0, 1, 1, 2]
    assert events.positions.tolist() == [1, 2, 3, 1, 1, 0]
    assert events.targets.tolist() == [2, 1, 2, 2, -1, -1]
    assert events.rewards.tolist() == [1, 2, 3, 5, 0, 0]
    assert events.repeats.tolist() == [True, False, True, False, False, False]
    assert events.immediate_repeats.tolist() == [True, False, False, False, False, False]
    assert events.times is None


def test_events_are_stored_whole_or_not_at_all(tmp_path: Path) -> None:
    events = events_from(held_out_of([[0, 1, 1]], 2))
    events.save(tmp_path)
    loaded = TestEvents.load(tmp_path)
    for name, column in vars(events).items():
        stored = getattr(loaded, name)
        assert (stored is None) == (column is None)
        if column is not None:
            assert stored.dtype == column.dtype
            assert stored.tolist() == column.tolist()
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(InputError, match="incomplete; delete the folder"):
        TestEvents.load(tmp_path)


def test_events_of_another_format_are_refused(tmp_path: Path) -> None:
    events_from(held_out_of([[0, 1, 1]], 2)).save(tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps(manifest | {"format_version": 99}))
    with pytest.raises(InputError, match="format_version 99"):
        TestEvents.load(tmp_path)
