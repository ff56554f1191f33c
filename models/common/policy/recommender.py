"""What all recommenders that rank by a softmax policy share: everything but options and fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from datasets.session_log import SessionLog
from models.common.policy.softmax_policy import SoftmaxPolicy, observed_events, zero_reward_in_state
from models.common.sampling.compiled_loops import compile_loops
from models.common.sessions.session_batches import BoolArray
from models.common.training.torch_recommender import TorchRecommender
from models.recommender import Factors


class PolicyRecommender(TorchRecommender):
    """Ranks by the logits of the head `policy` of one network; a model adds `Config` and `fit`."""

    item_weights = "inputs"
    heads: Sequence[str] = ("policy",)
    """Heads of the network, in the order in which their weights are drawn."""
    _policy: SoftmaxPolicy
    _zero_reward_in_state: Tensor
    """What training's log decided, bool (): sessions to score may not show it."""

    def __init__(self, config: Any, *, seed: int, device: str) -> None:
        super().__init__(config, seed=seed, device=device)
        compile_loops()

    @property
    def policy_temperature(self) -> float:
        """T of the policy that the logits make (Chen et al. 2019, eq. 6); 1 without the option."""
        return float(getattr(self.config, "temperature", 1.0))

    def factors(self, sessions: SessionLog) -> Factors:
        """User states, the policy's item matrix and no bias (Chen et al. 2019, eq. 6)."""
        states = self._policy.scoring_states(sessions, self._observed(sessions))
        items = self._policy.heads["policy"].weights.cpu().numpy()
        return Factors(states, items, np.zeros(len(items), dtype=np.float32))

    def _begin(self, train: SessionLog) -> None:
        """Fresh weights by the seed, from torch's global generator, and what the log decides."""
        torch.manual_seed(self._seed)
        self._build(train.n_items)
        self._zero_reward_in_state.fill_(zero_reward_in_state(train, self.config))

    def _observed(self, sessions: SessionLog) -> BoolArray | None:
        """Which events enter the user state, bool (n_events,); None: all."""
        return observed_events(sessions, zero_reward=bool(self._zero_reward_in_state))

    def _build(self, n_items: int) -> None:
        self._policy = SoftmaxPolicy(self.config, n_items, self.device, self.heads)
        self._zero_reward_in_state = torch.zeros((), dtype=torch.bool)

    def _weights(self) -> dict[str, Tensor]:
        decided = {"zero_reward_in_state": self._zero_reward_in_state}
        return self._policy.weights() | decided
