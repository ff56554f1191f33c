"""A trained model as a softmax policy: its log-probability of every logged item."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.ranking.score_blocks import (
    SCORES_PER_BLOCK,
    ScoreError,
    scores_of,
    scoring_device,
    target_blocks,
)
from bench.stats.significance import Values
from bench.store.policy_columns import PolicyColumns
from datasets.splitting.held_out import HeldOut
from models.recommender import Factors, Recommender

TILE_SHAPE = 512, 1024
"""Rows and items of a tile: its scores and their exponentials fit a core's second-level cache."""
GPU_TILE_SHAPE = 4096, 4096


def policy_columns(
    model: Recommender,
    held_out: HeldOut,
    item_rewards: Values,
    *,
    temperature: float,
    block_scores: int = SCORES_PER_BLOCK,
    model_name: str,
) -> PolicyColumns:
    """The columns of the policy softmax(score / `temperature`) over the whole catalogue.

    `item_rewards` is q, (n_items,). Memory is bounded as in `target_blocks`. The policy never shows
    an item with a score of -inf. Raises `ScoreError` if a score is NaN or +inf, or all of a prefix
    are -inf.
    """
    own_propensities = None
    if held_out.log.propensities is not None:
        own_propensities = getattr(model, "log_propensities", None)
    parts = [np.empty((0, 3))]
    for block in target_blocks(model, held_out, block_scores):
        of_block = np.full((len(block.rows), 3), np.nan)
        scores = scores_of(model, block.prefixes)
        tiles = _Tiles(scores, scoring_device(model), item_rewards, temperature)
        for first in range(0, len(block.rows), tiles.n_rows):
            some = slice(first, first + tiles.n_rows)
            of_block[some, :2] = tiles.columns(block.rows[some], block.targets[some])
        if own_propensities is not None:
            of_block[:, 2] = own_propensities(block.sessions)[block.rows]
        parts.append(of_block)
    scored = np.concatenate(parts)
    if np.isnan(scored[:, :2]).any():
        raise ScoreError(f"{model_name}: a score is NaN or infinite, so it makes no policy")
    usual = scored[:, 1].mean() if len(scored) else item_rewards.mean()
    missed = np.full((len(held_out.missed), 3), (-np.inf, usual, np.nan))
    log_policy, reward, log_own = np.concatenate([scored, missed]).T
    # The target's score and the sum over all items are rounded differently.
    return PolicyColumns(
        np.minimum(log_policy, 0), reward, None if own_propensities is None else log_own
    )


class _Tiles:
    """Scores of a block of sessions, tile by tile, on the model's device."""

    def __init__(
        self, scores: Factors | NDArray[Any], device: str, item_rewards: Values, temperature: float
    ) -> None:
        self._device = device
        self.n_rows, self._n_columns = TILE_SHAPE if device == "cpu" else GPU_TILE_SHAPE
        self._n_items, self._temperature = len(item_rewards), temperature
        # With a column of ones, one product gives the sum of the exponentials and that with q.
        ones_and_rewards = np.stack([np.ones(len(item_rewards)), item_rewards], 1)
        self._ones_and_rewards = self._tensor(ones_and_rewards)
        self._items: Tensor | None = None
        if isinstance(scores, Factors):
            self._states = scores.states
            self._items, self._bias = self._tensor(scores.items).T, self._tensor(scores.bias)
        else:
            self._states = np.asarray(scores, dtype=np.float32)

    def columns(self, rows: NDArray[np.int64], targets: NDArray[np.int64]) -> Values:
        """log pi of each row's target, and sum over a of pi(a|s) q(a), (n, 2)."""
        n = len(rows)
        states = self._tensor(self._states[rows])
        wanted = torch.from_numpy(targets).to(self._device)
        own = torch.zeros(n, dtype=torch.float64, device=self._device)
        highest = torch.full((n, 1), -torch.inf, device=self._device)
        sums = torch.zeros(n, 2, dtype=torch.float64, device=self._device)
        for first, scores in self._scores(states):
            n_columns = scores.shape[1]
            inside = (wanted >= first) & (wanted < first + n_columns)
            own[inside] = scores[inside, wanted[inside] - first].double()
            higher = torch.maximum(highest, scores.max(1, keepdim=True).values)
            # All scores so far may be -inf, of items that the model excludes.
            shift = torch.where(higher == -torch.inf, 0.0, higher)
            # Float32 exponentials, float64 sums over tiles; the first tile has no sums to carry.
            carried = (highest - shift).double().exp() if first else 0.0
            weights = scores.sub_(shift).exp_()
            of_tile = weights @ self._ones_and_rewards[first : first + n_columns]
            sums = sums * carried + of_tile.double()
            highest = higher
        log_policy = own - highest[:, 0].double() - sums[:, 0].log()
        return np.stack([log_policy.cpu().numpy(), (sums[:, 1] / sums[:, 0]).cpu().numpy()], 1)

    def _scores(self, states: Tensor) -> Iterator[tuple[int, Tensor]]:
        """First item of each tile and a new tensor of its scores over the temperature."""
        for first in range(0, self._n_items, self._n_columns):
            some = slice(first, first + self._n_columns)
            if self._items is None:
                scores = states[:, some].clone()
            else:
                scores = torch.addmm(self._bias[some], states, self._items[:, some])
            yield first, scores.div_(self._temperature) if self._temperature != 1 else scores

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        found = torch.from_numpy(np.require(array, np.float32, requirements=["C", "W"]))
        return found.to(self._device)
