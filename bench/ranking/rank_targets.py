"""Rank of every target in the full catalogue, in blocks of bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.ranking.score_blocks import (
    SCORES_PER_BLOCK,
    ScoreError,
    TargetBlock,
    scores_of,
    scoring_device,
    target_blocks,
)
from bench.ranking.tile_passes import RowCounts, add_tile
from bench.store.ranks import Ranks, unranked
from datasets.session_log import IntArray
from datasets.splitting.held_out import HeldOut
from models.recommender import Factors, Recommender

TILE_SHAPE = 256, 1024
"""Rows and items of a tile: with its factors it fits a core's second-level cache."""
GPU_TILE_SHAPE = 1024, 4096
MAX_CACHED_TILES = 16
"""Tiles cached for a block of rows, whose targets' scores must be known before counting."""


def rank_targets(
    model: Recommender,
    held_out: HeldOut,
    *,
    ks: Sequence[int] = (),
    n_first: int = 0,
    block_scores: int = SCORES_PER_BLOCK,
    model_name: str,
) -> Ranks:
    """Rank each target of `held_out` by the scores that `model` gives its prefix.

    Memory is bounded as in `target_blocks`; a model with `factors` is ranked by tiles. `ks` asks
    for the exposure of the first K items, `n_first` for lists of that length. A target's score is
    computed in the same product as the others', so ties are exact. Raises `ScoreError` on a NaN in
    a ranked row, or scores of another shape; infinite scores are ranked like any other.
    """
    ranks = unranked(held_out, ks, n_first)
    for _ in rank_steps(model, held_out, ranks, block_scores=block_scores, model_name=model_name):
        pass
    return ranks


def rank_steps(
    model: Recommender,
    held_out: HeldOut,
    ranks: Ranks,
    *,
    block_scores: int = SCORES_PER_BLOCK,
    model_name: str,
) -> Iterator[int]:
    """Fill `ranks`, made by `unranked`, as `rank_targets` does; yields the targets of each step."""
    n_items, n_listed = held_out.log.n_items, ranks.first_items.shape[1]
    n_first = min(max([n_listed, *ranks.exposure]), n_items)
    done = 0
    for block in target_blocks(model, held_out, block_scores):
        for places, counts in _count(model, block, n_first, model_name):
            ranks.ranks[done + places] = counts.at_least.cpu().numpy()
            ranks.ties[done + places] = counts.equal.cpu().numpy() - 1
            ranks.first_items[done + places] = counts.first_items[:, :n_listed].cpu().numpy()
            for k, times in ranks.exposure.items():
                first = counts.first_items[:, :k].flatten()
                times += torch.bincount(first, minlength=n_items).cpu().numpy()
            yield len(places)
        done += len(block.rows)
    assert done == int(held_out.is_target.sum())


def _count(
    model: Recommender, block: TargetBlock, n_first: int, model_name: str
) -> Iterator[tuple[IntArray, RowCounts]]:
    """Indices of targets of `block`, with their counts."""
    scores = scores_of(model, block.prefixes)
    if isinstance(scores, Factors):
        return _count_factors(scores, scoring_device(model), block, n_first, model_name)
    return _count_scores(scores, block, n_first, model_name)


def _count_scores(
    scores: NDArray[Any], block: TargetBlock, n_first: int, model_name: str
) -> Iterator[tuple[IntArray, RowCounts]]:
    """The same from scores of all items."""
    n_items = block.prefixes.n_items
    _check_shape(model_name, "scores", scores, (block.prefixes.n_targets, n_items))
    tile_rows = TILE_SHAPE[0]
    for start in range(0, len(block.rows), tile_rows):
        rows = block.rows[start : start + tile_rows]
        contiguous = rows[-1] - rows[0] + 1 == len(rows)
        tile = _tensor(scores[rows[0] : rows[-1] + 1] if contiguous else scores[rows])
        places = np.arange(start, start + len(rows))
        own = tile.gather(1, torch.from_numpy(block.targets[places])[:, None])[:, 0]
        counts = RowCounts(own, n_first)
        add_tile(counts, tile, n_items, 0)
        _check_numbers(counts, model_name)
        yield places, counts


def _count_factors(
    factors: Factors, device: str, block: TargetBlock, n_first: int, model_name: str
) -> Iterator[tuple[IntArray, RowCounts]]:
    """The same from factors, by tiles of one fixed shape.

    A matrix product may round differently for another shape, so the last tiles are padded: scores
    of a prefix do not depend on the other rows. Rows are sorted by target, so that few tiles have
    the targets' scores; these are computed first.
    """
    states, n_items = factors.states, block.prefixes.n_items
    width = factors.items.shape[-1]
    _check_shape(model_name, "states", states, (block.prefixes.n_targets, width))
    _check_shape(model_name, "item factors", factors.items, (n_items, width))
    _check_shape(model_name, "item biases", factors.bias, (n_items,))
    tile_rows, tile_items = TILE_SHAPE if device == "cpu" else GPU_TILE_SHAPE
    item_tiles = _item_tiles(factors, tile_items, device)
    # The last column multiplies the bias.
    state_tile = torch.ones(tile_rows, width + 1, device=device)
    n_cached = min(MAX_CACHED_TILES, len(item_tiles))
    buffers = torch.empty(n_cached + 1, tile_rows, tile_items, device=device)
    by_target = np.argsort(block.targets, kind="stable")
    for start in range(0, len(by_target), tile_rows):
        places = by_target[start : start + tile_rows]
        state_tile[: len(places), :width] = torch.from_numpy(states[block.rows[places]])
        tile_of_row, columns = np.divmod(block.targets[places], tile_items)
        own = torch.empty(len(places), device=device)
        cached: dict[int, Tensor] = {}
        for tile in np.unique(tile_of_row).tolist():
            scores = torch.mm(state_tile, item_tiles[tile], out=buffers[len(cached)])
            rows = torch.from_numpy(np.flatnonzero(tile_of_row == tile)).to(device)
            own[rows] = scores[rows, torch.from_numpy(columns[tile_of_row == tile]).to(device)]
            if len(cached) < n_cached:
                cached[tile] = scores
        counts = RowCounts(own, n_first)
        for tile in range(len(item_tiles)):
            if tile not in cached:
                torch.mm(state_tile, item_tiles[tile], out=buffers[-1])
            first_item = tile * tile_items
            n_columns = min(tile_items, n_items - first_item)
            add_tile(counts, cached.get(tile, buffers[-1]), n_columns, first_item)
        _check_numbers(counts, model_name)
        yield places, counts


def _item_tiles(factors: Factors, tile_items: int, device: str) -> Tensor:
    """Items and their bias as columns, (n_tiles, width + 1, tile_items), filled with zeros."""
    n_items, width = factors.items.shape
    n_tiles = -(-n_items // tile_items)
    tiles = torch.zeros(n_tiles, width + 1, tile_items)
    for tile in range(n_tiles):
        items = slice(tile * tile_items, (tile + 1) * tile_items)
        part = _tensor(factors.items[items])
        tiles[tile, :width, : len(part)] = part.T
        tiles[tile, width, : len(part)] = _tensor(factors.bias[items])
    return tiles.to(device)


def _check_numbers(counts: RowCounts, model_name: str) -> None:
    if counts.nan.any():
        raise ScoreError(f"{model_name}: a score is NaN, so its targets cannot be ranked")


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


def _tensor(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.require(array, requirements=["C", "W"]))
