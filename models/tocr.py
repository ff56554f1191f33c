"""TOCR: REINFORCE with top-K off-policy correction, on a user state shared with a behaviour head.

Chen, Beutel, Covington, Jain, Belletti, Chi: Top-K Off-Policy Correction for a REINFORCE
Recommender System, WSDM 2019, arXiv 1812.02353. Equation numbers are the paper's.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from datasets.session_log import SessionLog
from models.common.options.checks import require_not_negative, require_positive
from models.common.options.search_ranges import LogRange, Range
from models.common.policy.baselines import Baseline, BaselineKind
from models.common.policy.config import PolicyConfig
from models.common.policy.distinct_sets import require_smaller_page
from models.common.policy.importance_weights import action_weight, diagnostic_columns, diagnostics
from models.common.policy.recommender import PolicyRecommender
from models.common.policy.returns import require_return_options, weighted_returns
from models.common.policy.softmax_policy import SoftmaxPolicy
from models.common.policy.training import PolicyStep, train_policies
from models.common.training.training_log import Columns
from models.common.training.transfer import on_device
from models.recommender import Progress


@dataclass(frozen=True)
class TocrConfig(PolicyConfig):
    """Options of TOCR; K and cap are the paper's live settings, what it leaves open is ours."""

    discount: Annotated[float, Range(0.0, 1.0)] = 0.9
    """gamma of the return; ours, as Chen et al. give none."""
    horizon: float = math.inf
    """Rewards later than this, in the log's unit of time, are no part of an action's return."""
    K: int = 16
    """Size of the recommended set in the top-K correction (eq. 8); 1: no top-K correction."""
    cap: Annotated[float, LogRange(1.0, 150.0)] = math.e**3
    """Largest importance ratio pi / beta; inf: no cap."""
    set_correction: Literal["with_replacement", "distinct", "none"] = "with_replacement"
    """The page that is optimised: K draws with replacement, as the paper has it (lambda_K); K
    distinct items, drawn without replacement; none: a single item, whatever K."""
    off_policy: bool = True
    """Whether actions are weighted by pi / beta; without, the ratio is 1."""
    reward_weighted: bool = True
    """Whether actions are weighted by their return; without, all weigh 1: plain cross-entropy."""
    baseline: BaselineKind = "none"
    """What is taken from an action's return: nothing, the mean of training, or a running mean. With
    a baseline all actions enter L_pi, unrewarded ones by a return of 0; rewards may be negative."""
    normalised: bool = False
    """Whether the ratios of an update are divided by their mean (NIS, section 4.4)."""
    kl: float = 0.0
    """Weight of KL(beta || pi), which keeps the policy near the logger (section 4.4, TRPO)."""
    behaviour: Literal["head", "network"] = "head"
    """Where beta comes from: a head on the policy's state, detached, or a network of its own."""
    behaviour_negatives: int = 1024
    """Negatives that are drawn for the behaviour alone; 0: it shares those of the policy."""
    behaviour_alpha: float = 0.5
    """They are drawn in proportion to support ** behaviour_alpha."""
    warm_start: int = 0
    """Epochs of plain cross-entropy before the weights act; no model is chosen from them."""
    temperature: float = 1.0
    """Softmax temperature T of the policy (eq. 6)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_return_options(self)
        require_positive(self, "K", "cap", "temperature")
        require_not_negative(self, "kl", "warm_start", "behaviour_negatives", "behaviour_alpha")
        if self.set_correction == "distinct" and self.kl > 0:
            raise ValueError(
                f"kl ({self.kl}) goes with set_correction with_replacement or none; set it to 0"
            )
        if self.baseline != "none" and not (self.off_policy and self.reward_weighted):
            raise ValueError(
                f"baseline={self.baseline} needs off_policy=true and reward_weighted=true: without "
                "pi / beta the loss of an action below the baseline has no lower bound"
            )
        if self.warm_start >= self.epochs:
            raise ValueError(
                f"warm_start ({self.warm_start}) must be less than epochs ({self.epochs})"
            )


class Tocr(PolicyRecommender):
    """A user state, a policy head on it, and an estimate of the behaviour policy."""

    Config = TocrConfig
    config: TocrConfig
    note = (
        "corrected for how often the log took an action, it has no reason to repeat what the log "
        "does next, which is what Recall asks; docs/models.md has the ladder from cross-entropy "
        "to here"
    )
    _behaviour: SoftmaxPolicy
    """The network of the head `behaviour`: the policy's own, or one apart."""

    def fit(self, train: SessionLog) -> Iterator[Progress]:
        """Train state and policy on L_pi, the behaviour on L_beta; yields 20 times an epoch.

        Raises:
            ValueError: if no training event has a positive reward, one has a negative reward and
                there is no baseline, a horizon lacks times, or a page of distinct items would hold
                the whole catalogue.
        """
        config = self.config
        if config.set_correction == "distinct":
            require_smaller_page(config.K, train.n_items)
        weighted, returns = weighted_returns(train, config, model="tocr")
        baseline = Baseline(config.baseline, train, returns)
        self._begin(train)
        diagnosed_k = config.K if config.set_correction == "with_replacement" else None

        def loss(step: PolicyStep) -> tuple[Tensor, Columns]:
            """L_pi + L_beta = -sum (w R + kl) log pi - sum log beta (eqs. 3 and 8, section 4.2).

            w = min(pi / beta, cap) lambda_K is detached, and so is the state that beta is given.
            """
            log_beta = self._log_beta(step)
            if step.epoch <= config.warm_start:
                log_pi, _ = self._log_pi(step, None)
                columns = diagnostic_columns(log_pi, log_beta, log_beta)
                return -log_pi.sum() - log_beta.sum(), columns
            actions = np.flatnonzero(weighted[step.actions])
            rows = on_device(actions, self.device)
            R = on_device(baseline.advantages(returns[step.actions[actions]]), self.device)
            log_pi, log_set_factor = self._log_pi(step, None if config.kl > 0 else rows)
            log_pi_weighted = log_pi[rows] if config.kl > 0 else log_pi
            log_beta_weighted = log_beta.index_select(0, rows)
            w = action_weight(
                log_pi_weighted,
                log_beta_weighted,
                k=1 if config.set_correction == "none" else config.K,
                cap=config.cap,
                off_policy=config.off_policy,
                normalised=config.normalised,
                log_set_factor=log_set_factor,
            )
            wR = w * R
            if config.kl > 0:
                # KL(beta || pi) = E_beta[log beta - log pi]: logged actions are draws of beta.
                wR = torch.full_like(log_beta, config.kl).index_add(0, rows, wR)
            columns = diagnostic_columns(log_pi_weighted, log_beta, log_beta_weighted)
            return -(wR * log_pi).sum() - log_beta.sum(), columns

        for progress in train_policies(
            list(dict.fromkeys([self._policy, self._behaviour])),
            train,
            config,
            loss,
            seed=self._seed,
            diagnose=partial(diagnostics, cap=config.cap, k=diagnosed_k),
            behaviour_negatives=config.behaviour_negatives,
            behaviour_alpha=config.behaviour_alpha,
        ):
            yield dataclasses.replace(progress, warming_up=progress.epoch <= config.warm_start)

    def log_propensities(self, sessions: SessionLog) -> NDArray[np.float32]:
        """Estimated log beta of the action after each prefix, in the order of `score`, (n,)."""
        return self._behaviour.log_probabilities("behaviour", sessions, self._observed(sessions))

    def _log_pi(self, step: PolicyStep, rows: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """log pi of the actions in `rows` (None: all), and log lambda of a distinct page."""
        config, states, scored = self.config, step.states[0], step.scored
        if rows is not None:
            states, scored = states.index_select(0, rows), scored.of_rows(rows)
        if config.set_correction == "distinct" and step.epoch > config.warm_start:
            return self._policy.distinct_page(
                "policy", states, scored, config.K, config.temperature
            )
        return self._policy.log_probability("policy", states, scored, config.temperature), None

    def _log_beta(self, step: PolicyStep) -> Tensor:
        """log beta of each action, (A,)."""
        states = step.states[-1]
        if self._behaviour is self._policy:
            states = states.detach()
        return self._behaviour.log_probability("behaviour", states, step.behaviour_scored)

    def _build(self, n_items: int) -> None:
        apart = self.config.behaviour == "network"
        self.heads = ("policy",) if apart else ("policy", "behaviour")
        super()._build(n_items)
        self._behaviour = self._policy
        if apart:
            self._behaviour = SoftmaxPolicy(self.config, n_items, self.device, ["behaviour"])

    def _weights(self) -> dict[str, Tensor]:
        apart = self._behaviour is not self._policy
        own = self._behaviour.weights("behaviour network.") if apart else {}
        return super()._weights() | own
