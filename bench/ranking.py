"""Rank of every target among the whole catalogue, in blocks of bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from datasets.held_out import HeldOut
from datasets.session_log import IntArray, SessionLog
from models.recommender import Recommender

PREFIXES_PER_BLOCK = 2**16
"""Prefixes for which a factored model is asked at once: states are narrow, so many fit."""
MAX_TILE_ROWS = 1024
MISSED_RANK = np.iinfo(np.uint32).max


class ScoreError(ValueError):
    """A model's scores cannot be ranked; the text names the model and what is wrong."""


@dataclass(frozen=True, eq=False)
class Ranks:
    """Ranks in the order of `bench.events.events_from`: scored targets, then missed ones."""

    ranks: NDArray[np.uint32]
    """1 + other items that score higher or equal, shape (n_events,); the largest uint32 if missed.
    """
    ties: NDArray[np.uint32]
    """Other items that score equal, shape (n_events,)."""
    exposure: dict[int, IntArray] = field(default_factory=dict)
    """For each K asked for, how often each item is among the first K, shape (n_items,). Where ties
    cross the K-th place, which of the tied items count is arbitrary."""


class _Tile(NamedTuple):
    """Scores of some prefixes to be ranked and the code of each one's next item."""

    scores: torch.Tensor
    targets: IntArray


def rank_targets(
    model: Recommender,
    held_out: HeldOut,
    *,
    ks: Sequence[int] = (),
    block_scores: int = 2**22,
    model_name: str,
) -> Ranks:
    """Rank each target of `held_out` by the scores that `model` gives its prefix.

    About `block_scores` scores are held at once (at least one session's where the model has no
    `factors`), so that memory does not grow with the test. `ks` asks for the exposure of the first
    K items. A target's own score comes out of the same numbers as the others', so equal means
    equal. Raises `ScoreError` on a NaN in a ranked row, or scores of another shape; infinite scores
    are ranked like any other.
    """
    log = held_out.log
    n_scored = int(held_out.is_target.sum())
    ranks = np.full(held_out.n_targets, MISSED_RANK, dtype=np.uint32)
    ties = np.zeros(held_out.n_targets, dtype=np.uint32)
    exposure = {k: np.zeros(log.n_items, dtype=np.int64) for k in ks}
    tile_rows = int(np.clip(block_scores // max(log.n_items, 1), 1, MAX_TILE_ROWS))
    factored = getattr(model, "factors", None) is not None
    block_prefixes = PREFIXES_PER_BLOCK if factored else block_scores // max(log.n_items, 1)
    done = 0
    for start, stop in _session_blocks(log, block_prefixes):
        sessions = log.sessions(start, stop)
        is_target = held_out.is_target[log.offsets[start] : log.offsets[stop]]
        has_prefix = sessions.position_in_session > 0
        rows = np.flatnonzero(is_target[has_prefix])
        targets = sessions.items[is_target].astype(np.int64)
        tiles = _factor_tiles if factored else _score_tiles
        for tile in tiles(model, sessions, rows, targets, tile_rows, model_name):
            end = done + len(tile.targets)
            at_least, equal = _count_at_least_and_equal(tile, model_name)
            ranks[done:end] = at_least
            ties[done:end] = equal - 1
            _add_exposure(exposure, tile.scores)
            done = end
    assert done == n_scored
    return Ranks(ranks, ties, exposure)


def _session_blocks(log: SessionLog, n_prefixes: int) -> Iterator[tuple[int, int]]:
    """Consecutive sessions, first and last (exclusive), of at most `n_prefixes` or one session."""
    prefixes_before = np.concatenate([[0], np.cumsum(log.lengths - 1)])
    start = 0
    while start < log.n_sessions:
        limit = prefixes_before[start] + n_prefixes
        stop = int(np.searchsorted(prefixes_before, limit, side="right")) - 1
        stop = max(stop, start + 1)
        yield start, stop
        start = stop


def _score_tiles(
    model: Recommender,
    sessions: SessionLog,
    rows: IntArray,
    targets: IntArray,
    tile_rows: int,
    model_name: str,
) -> Iterator[_Tile]:
    scores = np.asarray(model.score(sessions))
    _check_shape(model_name, "scores", scores, (sessions.n_targets, sessions.n_items))
    for start in range(0, len(rows), tile_rows):
        in_tile = rows[start : start + tile_rows]
        whole = in_tile[-1] - in_tile[0] + 1 == len(in_tile)
        part = scores[in_tile[0] : in_tile[-1] + 1] if whole else scores[in_tile]
        yield _Tile(_tensor(part), targets[start : start + tile_rows])


def _factor_tiles(
    model: Any,
    sessions: SessionLog,
    rows: IntArray,
    targets: IntArray,
    tile_rows: int,
    model_name: str,
) -> Iterator[_Tile]:
    """Multiply by tiles of one fixed shape.

    A matrix product may round otherwise for another number of rows, so the last tile keeps all its
    rows, used or not: a prefix gets the same scores whatever stands beside it.
    """
    states, items, bias = (np.asarray(part, dtype=np.float32) for part in model.factors(sessions))
    width = items.shape[-1]
    _check_shape(model_name, "states", states, (sessions.n_targets, width))
    _check_shape(model_name, "item factors", items, (sessions.n_items, width))
    _check_shape(model_name, "item biases", bias, (sessions.n_items,))
    device = str(getattr(model, "device", "cpu"))
    device = device if device.startswith("cuda") else "cpu"
    item_matrix = _tensor(items).to(device).T
    item_bias = _tensor(bias).to(device)
    state_tile = torch.zeros(tile_rows, width, device=device)
    score_tile = torch.empty(tile_rows, sessions.n_items, device=device)
    for start in range(0, len(rows), tile_rows):
        in_tile = rows[start : start + tile_rows]
        state_tile[: len(in_tile)] = _tensor(states[in_tile]).to(device)
        torch.addmm(item_bias, state_tile, item_matrix, out=score_tile)
        yield _Tile(score_tile[: len(in_tile)], targets[start : start + tile_rows])


def _check_shape(
    model_name: str, what: str, array: NDArray[Any], expected: tuple[int, ...]
) -> None:
    if array.shape != expected:
        raise ScoreError(
            f"{model_name}: {what} have shape {array.shape}, expected {expected} "
            "(a row for each prefix, a column for each item of the catalogue)"
        )
    if array.dtype.kind != "f":
        raise ScoreError(f"{model_name}: {what} are {array.dtype}, expected floating point numbers")


def _tensor(array: NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(np.require(array, requirements=["C", "W"]))


def _count_at_least_and_equal(tile: _Tile, model_name: str) -> tuple[IntArray, IntArray]:
    """Items that score at least as high as the target, and as high: itself included in both."""
    at_least = np.empty(len(tile.targets), dtype=np.int64)
    equal = np.empty(len(tile.targets), dtype=np.int64)
    if tile.scores.is_cuda:
        own = tile.scores.gather(1, torch.from_numpy(tile.targets).to(tile.scores.device)[:, None])
        at_least[:] = (tile.scores >= own).sum(1).cpu().numpy()
        equal[:] = (tile.scores == own).sum(1).cpu().numpy()
        has_nan = bool(tile.scores.isnan().any())
    else:
        # Row by row a row stays in the processor's cache, several times faster than torch here.
        has_nan = False
        for row, (scores, target) in enumerate(
            zip(tile.scores.numpy(), tile.targets.tolist(), strict=True)
        ):
            at_least[row] = np.count_nonzero(scores >= scores[target])
            equal[row] = np.count_nonzero(scores == scores[target])
            has_nan = has_nan or bool(np.isnan(scores.max()))
    if has_nan:
        raise ScoreError(f"{model_name}: a score is NaN, so its targets cannot be ranked")
    return at_least, equal


def _add_exposure(exposure: dict[int, IntArray], scores: torch.Tensor) -> None:
    n_items = scores.shape[1]
    if not exposure:
        return
    first = scores.topk(min(max(exposure), n_items), dim=1).indices
    for k, counts in exposure.items():
        counts += torch.bincount(first[:, :k].flatten(), minlength=n_items).cpu().numpy()
