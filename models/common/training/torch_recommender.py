"""What recommenders on torch share: everything but options, fit, factors and weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from datasets.session_log import SessionLog
from models.recommender import Factors, FloatMatrix


class TorchRecommender:
    """Scores by a product of states and items, and keeps its weights in one file.

    A model adds `Config`, `fit`, `factors`, `_weights` (all weights by name, the tensors themselves
    and not copies) and `_build` (fresh weights for so many items, from torch's global generator).
    """

    Config: ClassVar[type[Any]]
    item_weights: ClassVar[str]
    """Name of a weight with one row for each item."""

    def __init__(self, config: Any, *, seed: int, device: str) -> None:
        self.config = config
        self.device = torch.device(device)
        self._seed = seed

    def score(self, sessions: SessionLog) -> FloatMatrix:
        """Score of every item after every prefix, shape (n_prefixes, n_items)."""
        states, items, bias = self.factors(sessions)
        return states @ items.T + bias

    def factors(self, sessions: SessionLog) -> Factors:
        """States after every prefix, item matrix and bias."""
        raise NotImplementedError

    def save(self, folder: Path) -> None:
        """Write all weights to `weights.pt`, plain tensors only."""
        torch.save(self._weights(), folder / "weights.pt")

    def load(self, folder: Path) -> None:
        """Read the weights that `save` wrote."""
        saved = torch.load(folder / "weights.pt", weights_only=True, map_location=self.device)
        self._build(len(saved[self.item_weights]))
        for name, value in self._weights().items():
            value.copy_(saved[name])

    def _weights(self) -> dict[str, Tensor]:
        raise NotImplementedError

    def _build(self, n_items: int) -> None:
        raise NotImplementedError
