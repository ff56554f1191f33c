"""What all recommenders that rank by a softmax policy share: everything but config and fit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from datasets.session_log import SessionLog
from models.common.adagrad_kernel import compiled_row_update
from models.common.distinct import compiled_first_places
from models.common.softmax_policy import SoftmaxPolicy, observed_events
from models.recommender import Factors, FloatMatrix


class PolicyRecommender:
    """Ranks by the logits of the head `policy` of one network; a model adds `Config` and `fit`."""

    Config: ClassVar[type[Any]]
    heads: ClassVar[Sequence[str]] = ("policy",)
    """Heads of the network, in the order in which their weights are drawn."""

    def __init__(self, config: Any, *, seed: int, device: str) -> None:
        self.config = config
        self.device = torch.device(device)
        self._seed = seed
        self._policy: SoftmaxPolicy
        compiled_row_update()
        compiled_first_places()

    @property
    def policy_temperature(self) -> float:
        """T of the policy that the logits make (Chen et al. 2019, eq. 6)."""
        return 1.0

    def score(self, sessions: SessionLog) -> FloatMatrix:
        """Policy logit of every item after every prefix, shape (n_prefixes, n_items)."""
        states, items, bias = self.factors(sessions)
        return states @ items.T + bias

    def factors(self, sessions: SessionLog) -> Factors:
        """User states, the policy's item matrix and no bias (Chen et al. 2019, eq. 6)."""
        states = self._policy.scoring_states(sessions, observed_events(sessions, self.config))
        items = self._policy.heads["policy"].cpu().numpy()
        return Factors(states, items, np.zeros(len(items), dtype=np.float32))

    def save(self, folder: Path) -> None:
        """Write all weights to `weights.pt`, plain tensors only."""
        torch.save(self._weights(), folder / "weights.pt")

    def load(self, folder: Path) -> None:
        """Read the weights that `save` wrote."""
        weights = torch.load(folder / "weights.pt", weights_only=True, map_location=self.device)
        self._build(len(weights["inputs"]))
        for name, value in self._weights().items():
            value.copy_(weights[name])

    def _draw(self, n_items: int) -> None:
        """Fresh weights by the seed, from torch's global generator."""
        torch.manual_seed(self._seed)
        self._build(n_items)

    def _build(self, n_items: int) -> None:
        self._policy = SoftmaxPolicy(self.config, n_items, self.device, self.heads)

    def _weights(self) -> dict[str, Tensor]:
        """All weights by name, the tensors themselves and not copies."""
        return self._policy.weights()
