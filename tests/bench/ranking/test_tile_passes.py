"""Both forms of the passes over a tile agree with sorting, and with each other."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench.ranking import tile_passes
from bench.ranking.tile_passes import MAX_COMPILED_FIRST, RowCounts, add_tile, compiled_passes

FORMS = ["compiled", "torch"]


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    use(request.param, monkeypatch)
    return str(request.param)


def use(form: str, patch: pytest.MonkeyPatch) -> None:
    assert compiled_passes() is not None
    if form == "torch":
        patch.setattr(tile_passes, "compiled_passes", lambda: None)


def counted(
    scores: NDArray[np.floating], targets: list[int], tile_items: int, n_first: int
) -> RowCounts:
    """Counts of all rows by tiles of `tile_items`, filled up with what must not count."""
    n_rows, n_items = scores.shape
    own = torch.from_numpy(scores[np.arange(n_rows), targets])
    counts = RowCounts(own, n_first)
    for first_item in range(0, n_items, tile_items):
        part = scores[:, first_item : first_item + tile_items]
        tile = np.full((n_rows + 2, tile_items), np.inf, dtype=scores.dtype)
        tile[:n_rows, : part.shape[1]] = part
        add_tile(counts, torch.from_numpy(tile), part.shape[1], first_item)
    return counts


def assert_as_sorted(scores: NDArray[np.floating], targets: list[int], counts: RowCounts) -> None:
    n_first = counts.first_items.shape[1]
    for row, (line, target) in enumerate(zip(scores.tolist(), targets, strict=True)):
        assert counts.at_least[row] == sum(score >= line[target] for score in line)
        assert counts.equal[row] == line.count(line[target])
        assert counts.nan[row] == 0
        in_order = sorted(range(len(line)), key=lambda item: (-line[item], item))[:n_first]
        assert counts.first_items[row].tolist() == in_order
        assert counts.first_scores[row].tolist() == [line[item] for item in in_order]


SCORES = st.sampled_from([-np.inf, -1.5, -0.0, 0.0, 1.0, 2.5, np.inf])


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=60, deadline=None)
@given(
    lines=st.integers(1, 30).flatmap(
        lambda n: st.lists(st.lists(SCORES, min_size=n, max_size=n), min_size=1, max_size=4)
    ),
    tile_items=st.sampled_from([1, 3, 8, 64]),
    n_first=st.integers(0, 30),
    data=st.data(),
)
def test_scores_with_many_ties(
    form: str, lines: list[list[float]], tile_items: int, n_first: int, data: st.DataObject
) -> None:
    scores = np.array(lines, dtype=np.float32)
    n_items = scores.shape[1]
    targets = [data.draw(st.integers(0, n_items - 1)) for _ in lines]
    with pytest.MonkeyPatch.context() as patch:
        use(form, patch)
        counts = counted(scores, targets, tile_items, min(n_first, n_items))
    assert_as_sorted(scores, targets, counts)


@pytest.mark.parametrize("n_first", [0, 1, 20, 100, MAX_COMPILED_FIRST + 1, 700])
@pytest.mark.parametrize("tile_items", [64, 200, 256, 1000])
def test_scores_of_a_catalogue_of_many_chunks(form: str, n_first: int, tile_items: int) -> None:
    rng = np.random.default_rng(n_first)
    scores = rng.standard_normal((7, 700), dtype=np.float32).round(2)  # some ties
    targets = rng.integers(700, size=7).tolist()
    assert_as_sorted(scores, targets, counted(scores, targets, tile_items, n_first))


@pytest.mark.parametrize("dtype", [np.float64, np.float16])
def test_scores_of_another_type_keep_their_precision(form: str, dtype: type) -> None:
    scores = (1 + np.arange(6) * np.finfo(dtype).eps).astype(dtype).reshape(1, 6)
    counts = counted(scores, [2], 4, 2)
    assert_as_sorted(scores, [2], counts)
    assert (int(counts.at_least[0]), int(counts.equal[0])) == (4, 1)


@pytest.mark.parametrize("n_first", [0, 2, 80])
def test_scores_that_are_no_number_are_counted_where_they_count(form: str, n_first: int) -> None:
    scores = np.zeros((3, 70), dtype=np.float32)
    scores[1, [3, 69]] = np.nan
    scores[2, 68] = np.nan
    counts = RowCounts(torch.zeros(2), n_first)
    add_tile(counts, torch.from_numpy(scores), 69, 0)
    assert counts.nan.tolist() == [0, 1]
    add_tile(counts, torch.from_numpy(scores), 70, 69)
    assert counts.nan.tolist() == [0, 3]
