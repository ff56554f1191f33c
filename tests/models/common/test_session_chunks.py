"""Chunks cover every target once, and little of a group is padding."""

from __future__ import annotations

import numpy as np
import pytest

from models.common.sessions.session_chunks import session_chunks, similar_lengths
from tests.models.logs import make_log, random_log


@pytest.mark.parametrize("longest", [1, 3, 6])
def test_the_chunks_of_an_epoch_cover_every_target_once(longest: int) -> None:
    log = random_log(40, n_items=9, longest=20, seed=3, shortest=1)
    rng = np.random.default_rng(1)
    first_cuts = set()
    for _ in range(5):
        firsts, lengths = session_chunks(log, longest, rng)
        assert lengths.min() >= 1
        assert lengths.max() == longest
        inputs = np.concatenate([np.arange(f, f + n) for f, n in zip(firsts, lengths, strict=True)])
        has_target = np.ones(log.n_events, dtype=np.bool_)
        has_target[log.offsets[1:] - 1] = False
        np.testing.assert_array_equal(np.sort(inputs), np.flatnonzero(has_target))
        sessions = log.session_of_event
        np.testing.assert_array_equal(sessions[firsts], sessions[firsts + lengths])
        first_cuts.add(tuple(firsts))
    assert len(first_cuts) == (1 if longest == 1 else 5), "cuts move unless all inputs stand alone"


def test_a_session_that_fits_is_never_cut() -> None:
    log = make_log(["abcdefg", "ab", "a", "abcdefgh"])
    for seed in range(5):
        firsts, lengths = session_chunks(log, 6, np.random.default_rng(seed))
        found = set(zip(firsts.tolist(), lengths.tolist(), strict=True))
        assert {(0, 6), (7, 1)} <= found
        assert sum(n for f, n in found if f >= 10) == 7
        assert len(found) == 4


def test_groups_waste_little_and_leave_nothing_out() -> None:
    lengths = np.random.default_rng(1).integers(1, 50, 400)
    groups = similar_lengths(lengths, 200, np.random.default_rng(2))
    np.testing.assert_array_equal(np.sort(np.concatenate(groups)), np.arange(400))
    padded = [len(group) * lengths[group].max() for group in groups]
    assert max(padded) <= 200
    assert sum(padded) < 1.1 * lengths.sum()
    assert [len(group) for group in similar_lengths(np.array([9, 9]), 5)] == [1, 1]


def test_equal_lengths_change_neighbours_from_epoch_to_epoch() -> None:
    rng = np.random.default_rng(2)
    first, second = (similar_lengths(np.full(40, 3), 30, rng) for _ in range(2))
    assert set(first[0]) != set(second[0])
