"""What all recommenders that rank by a softmax policy share: everything but config and fit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from datasets.session_log import SessionLog
from models.common.policy.softmax_policy import SoftmaxPolicy, observed_events, zero_reward_in_state
from models.common.sampling.distinct import compiled_first_places
from models.common.sessions.session_batches import BoolArray
from models.common.training.adagrad_kernel import compiled_row_update
from models.recommender import Factors, FloatMatrix

_ZERO_REWARD = "zero_reward_in_state"


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
        self._zero_reward_in_state: bool
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
        states = self._policy.scoring_states(sessions, self._observed(sessions))
        items = self._policy.heads["policy"].cpu().numpy()
        return Factors(states, items, np.zeros(len(items), dtype=np.float32))

    def save(self, folder: Path) -> None:
        """Write all weights to `weights.pt`, plain tensors only.

        Beside them stands what training's log decided: sessions to score may not tell.
        """
        decided = {_ZERO_REWARD: torch.tensor(self._zero_reward_in_state)}
        torch.save(self._weights() | decided, folder / "weights.pt")

    def load(self, folder: Path) -> None:
        """Read the weights that `save` wrote."""
        weights = torch.load(folder / "weights.pt", weights_only=True, map_location=self.device)
        self._build(len(weights["inputs"]))
        self._zero_reward_in_state = bool(weights[_ZERO_REWARD])
        for name, value in self._weights().items():
            value.copy_(weights[name])

    def _begin(self, train: SessionLog) -> None:
        """Fresh weights by the seed, from torch's global generator, and what the log decides."""
        torch.manual_seed(self._seed)
        self._build(train.n_items)
        self._zero_reward_in_state = zero_reward_in_state(train, self.config)

    def _observed(self, sessions: SessionLog) -> BoolArray | None:
        """Which events enter the user state, bool (n_events,); None: all."""
        return observed_events(sessions, zero_reward=self._zero_reward_in_state)

    def _build(self, n_items: int) -> None:
        self._policy = SoftmaxPolicy(self.config, n_items, self.device, self.heads)

    def _weights(self) -> dict[str, Tensor]:
        """All weights by name, the tensors themselves and not copies."""
        return self._policy.weights()
