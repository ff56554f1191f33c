"""A trained model as a softmax policy: its log-probability of every logged item."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.ranking.rank_targets import PREFIXES_PER_BLOCK, ScoreError, session_blocks
from bench.store.policy_columns import Column, PolicyColumns
from datasets.session_log import SessionLog
from datasets.splitting.held_out import HeldOut
from models.recommender import Factors, Recommender, is_factored

TILE_SHAPE = 512, 1024
"""Rows and items of a tile: its scores and their exponentials fit a core's second-level cache."""
GPU_TILE_SHAPE = 4096, 4096


def policy_columns(
    model: Recommender,
    held_out: HeldOut,
    item_rewards: Column,
    *,
    temperature: float,
    block_scores: int = 2**22,
    model_name: str,
) -> PolicyColumns:
    """The columns of the policy softmax(score / `temperature`) over the whole catalogue.

    `item_rewards` is q, (n_items,). Memory does not grow with the test or the catalogue for a model
    with `factors`; any other is asked for about `block_scores` scores at once (at least those of
    one session). A score of -inf is an item that the policy never shows. Raises `ScoreError` where
    a score is NaN or +inf, or all of a prefix are -inf.
    """
    log = held_out.log
    factored = is_factored(model)
    own_behaviour = None
    if log.propensities is not None:
        own_behaviour = getattr(model, "log_propensities", None)
    parts = [np.empty((0, 3))]
    n_prefixes = PREFIXES_PER_BLOCK if factored else block_scores // max(log.n_items, 1)
    for start, stop in session_blocks(log, n_prefixes):
        sessions = log.sessions(start, stop)
        is_target = held_out.is_target[log.offsets[start] : log.offsets[stop]]
        rows = np.flatnonzero(is_target[sessions.position_in_session > 0])
        targets = sessions.items[is_target].astype(np.int64)
        of_block = np.full((len(rows), 3), np.nan)
        shown = held_out.prefixes.sessions(start, stop)
        tiles = _Tiles(model, shown, item_rewards, temperature, factored)
        for first in range(0, len(rows), tiles.n_rows):
            some = slice(first, first + tiles.n_rows)
            of_block[some, :2] = tiles.columns(rows[some], targets[some])
        if own_behaviour is not None:
            of_block[:, 2] = own_behaviour(sessions)[rows]
        parts.append(of_block)
    scored = np.concatenate(parts)
    if np.isnan(scored[:, :2]).any():
        raise ScoreError(f"{model_name}: a score is NaN or infinite, so it makes no policy")
    usual = scored[:, 1].mean() if len(scored) else item_rewards.mean()
    missed = np.full((len(held_out.missed), 3), (-np.inf, usual, np.nan))
    log_policy, reward, log_own = np.concatenate([scored, missed]).T
    # The own score and the sum over all come of different roundings.
    return PolicyColumns(
        np.minimum(log_policy, 0), reward, None if own_behaviour is None else log_own
    )


class _Tiles:
    """Scores of a block of sessions, tile by tile, on the model's device."""

    def __init__(
        self,
        model: Any,
        sessions: SessionLog,
        item_rewards: Column,
        temperature: float,
        factored: bool,
    ) -> None:
        device = str(getattr(model, "device", "cpu"))
        self._device = device if device.startswith("cuda") and factored else "cpu"
        self.n_rows, self._n_columns = TILE_SHAPE if self._device == "cpu" else GPU_TILE_SHAPE
        self._n_items, self._temperature = sessions.n_items, temperature
        # With a column of ones, one product gives the sum of the exponentials and that with q.
        ones_and_rewards = np.stack([np.ones(len(item_rewards)), item_rewards], 1)
        self._ones_and_rewards = self._tensor(ones_and_rewards)
        self._items: Tensor | None = None
        if factored:
            self._states, items, bias = (
                np.asarray(part, dtype=np.float32) for part in Factors(*model.factors(sessions))
            )
            self._items, self._bias = self._tensor(items).T, self._tensor(bias)
        else:
            self._states = np.asarray(model.score(sessions), dtype=np.float32)

    def columns(self, rows: NDArray[np.int64], targets: NDArray[np.int64]) -> Column:
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
            # Items that a model rules out score -inf, in the first tiles perhaps all of them.
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
        """First item and scores over the temperature of each tile, a tensor of its own."""
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
