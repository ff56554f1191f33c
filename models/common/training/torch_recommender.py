"""What recommenders on torch share: everything but options, fit, factors and weights."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from datasets.session_log import SessionLog
from models.recommender import Factors, FloatMatrix


class TorchRecommender(ABC):
    """Scores by a product of states and items, and keeps its weights in one file.

    A model adds `Config`, `fit` and the abstract methods.
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

    @abstractmethod
    def factors(self, sessions: SessionLog) -> Factors:
        """States after every prefix, item matrix and bias."""

    def save(self, folder: Path) -> None:
        """Write all weights to `weights.pt`, plain tensors only."""
        torch.save(self._weights(), folder / "weights.pt")

    def load(self, folder: Path) -> None:
        """Read the weights that `save` wrote."""
        saved = torch.load(folder / "weights.pt", weights_only=True, map_location=self.device)
        self._build(len(saved[self.item_weights]))
        for name, value in self._weights().items():
            value.copy_(saved[name])

    @abstractmethod
    def _weights(self) -> dict[str, Tensor]:
        """All weights by name, the tensors themselves and not copies."""

    @abstractmethod
    def _build(self, n_items: int) -> None:
        """Fresh weights for `n_items` items, from torch's global generator."""
