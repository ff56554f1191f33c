"""TOCR: REINFORCE with top-K off-policy correction, on a user state shared with a behaviour head.

Chen, Beutel, Covington, Jain, Belletti, Chi: Top-K Off-Policy Correction for a REINFORCE
Recommender System, WSDM 2019, arXiv 1812.02353. Equation numbers are the paper's.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from datasets.session_log import IntArray, SessionLog
from models.common.options.option_ranges import require_not_negative, require_positive
from models.common.options.search_ranges import LogRange
from models.common.policy.baselines import Baseline, BaselineKind
from models.common.policy.boltzmann import boltzmann_sets
from models.common.policy.config import RewardedPolicyConfig
from models.common.policy.distinct_sets import distinct_page_pass, first_arrivals
from models.common.policy.recommender import PolicyRecommender
from models.common.policy.returns import rewarded_returns
from models.common.policy.softmax_policy import (
    HeadPass,
    PolicyStep,
    SoftmaxPolicy,
    run_head,
)
from models.common.policy.training import BehaviourDraws, train_policies
from models.common.sampling.sampled_softmax import ScoredItems, log_probability
from models.common.training.training_log import Columns
from models.common.training.transfer import on_device
from models.recommender import Progress

PROPENSITY_ROWS = 512
"""Prefixes whose propensities are computed at once."""


@dataclass(frozen=True)
class TocrConfig(RewardedPolicyConfig):
    """Options of TOCR; K and cap are the paper's live settings, what it leaves open is ours."""

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
    """Where beta comes from: a head on the policy's state, cut off from it, or a network apart."""
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
    note = (
        "corrected for how often the log took an action, it has no reason to repeat what the log "
        "does next, which is what Recall asks; docs/models.md has the ladder from cross-entropy "
        "to here"
    )
    _behaviour: SoftmaxPolicy
    """The network of the head `behaviour`: the policy's own, or one apart."""

    @property
    def policy_temperature(self) -> float:
        """T (eq. 6)."""
        temperature: float = self.config.temperature
        return temperature

    def fit(self, train: SessionLog) -> Iterator[Progress]:
        """Train state and policy on L_pi, the behaviour on L_beta; yields 20 times an epoch.

        Raises:
            ValueError: if no training event has a positive reward, one has a negative reward and
                there is no baseline, a horizon lacks times, or a page of distinct items would hold
                the whole catalogue.
        """
        config: TocrConfig = self.config
        if config.set_correction == "distinct" and train.n_items <= config.K:
            raise ValueError(
                f"K ({config.K}) must be less than the {train.n_items} items of the catalogue, as "
                "a page of them all leaves nothing to learn; use a smaller K"
            )
        weighted = np.ones(train.n_events, dtype=np.bool_)
        returns = weighted.astype(np.float32)
        if config.reward_weighted:
            rewarded, returns = rewarded_returns(
                train,
                discount=config.discount,
                horizon=config.horizon,
                model="tocr",
                negative=config.baseline != "none",
            )
            if config.baseline == "none":
                weighted = rewarded
            else:
                returns = np.where(rewarded, returns, np.float32(0))
        baseline = Baseline(config.baseline, train, returns)
        self._begin(train)

        def learn(epoch: int, step: PolicyStep) -> Tensor:
            states = self._policy.states(step)
            log_beta = self._learn_behaviour(states, step)
            weighted_actions = np.flatnonzero(weighted[step.actions])
            rows = on_device(weighted_actions, self.device)
            warming_up = epoch <= config.warm_start
            every_action = warming_up or config.kl > 0
            policy = run_head(
                states,
                self._policy.head("policy", step.scored),
                step.scored,
                None if every_action else rows,
                config.temperature,
            )
            log_pi = policy.log_probability
            log_set_factor = None
            if config.set_correction == "distinct" and not warming_up:
                policy, log_set_factor = distinct_page(policy, step.scored, rows, config.K)
            if warming_up:
                weight, log_beta_of_weighted = torch.ones_like(log_pi), log_beta
            else:
                if every_action:
                    log_pi = log_pi.index_select(0, rows)
                log_beta_of_weighted = log_beta.index_select(0, rows)
                weight = action_weight(
                    log_pi,
                    log_beta_of_weighted,
                    k=1 if config.set_correction == "none" else config.K,
                    cap=config.cap,
                    off_policy=config.off_policy,
                    normalised=config.normalised,
                    log_set_factor=log_set_factor,
                )
                advantages = baseline.advantages(returns[step.actions[weighted_actions]])
                weight = weight * on_device(advantages, self.device)
                if config.kl > 0:
                    # KL(beta || pi) = E_beta[log beta - log pi]: logged actions are draws of beta.
                    divergence = torch.full_like(log_beta, config.kl)
                    weight = divergence.index_add_(0, rows, weight)
            step.columns.update(columns(log_pi, log_beta, log_beta_of_weighted))
            return self._policy.learn(policy, weight, step.share) - log_beta.sum()

        draws = None
        if config.behaviour_negatives > 0:
            draws = BehaviourDraws(config.behaviour_negatives, config.behaviour_alpha)
        networks = list(dict.fromkeys([self._policy, self._behaviour]))
        for progress in train_policies(
            networks,
            train,
            config,
            learn,
            seed=self._seed,
            diagnose=lambda columns: diagnostics(columns, config),
            behaviour_draws=draws,
        ):
            warming_up = progress.epoch <= config.warm_start
            yield dataclasses.replace(progress, warming_up=warming_up)

    @torch.no_grad()
    def log_propensities(self, sessions: SessionLog) -> NDArray[np.float32]:
        """Estimated log beta of the action after each prefix, over all items, (n_prefixes,).

        The rows are those of `score`.
        """
        states = torch.from_numpy(
            self._behaviour.scoring_states(sessions, self._observed(sessions))
        )
        position = sessions.position_in_session
        actions = torch.from_numpy(sessions.items[position > 0].astype(np.int64))
        table = self._behaviour.heads["behaviour"].cpu()
        blocks = zip(states.split(PROPENSITY_ROWS), actions.split(PROPENSITY_ROWS), strict=True)
        of_blocks = [log_probability(rows, table, taken) for rows, taken in blocks]
        log_beta = torch.cat(of_blocks) if of_blocks else torch.empty(0)
        return np.asarray(log_beta.numpy(), dtype=np.float32)

    def recommend(
        self, sessions: SessionLog, *, k: int, greedy: int, candidates: int, seed: int
    ) -> IntArray:
        """Sets of `k` items to show after every prefix, (n_prefixes, k), as served (section 5).

        The first `greedy` by rank, the rest drawn from the policy over the best `candidates`:
        `models.common.policy.boltzmann.boltzmann_sets`. Raises ValueError where these do not fit.
        """
        sets = boltzmann_sets(
            torch.from_numpy(self.score(sessions)),
            k=k,
            greedy=greedy,
            candidates=candidates,
            temperature=self.config.temperature,
            generator=torch.Generator().manual_seed(seed),
        )
        return np.asarray(sets.numpy(), dtype=np.int64)

    def _learn_behaviour(self, states: Tensor, step: PolicyStep) -> Tensor:
        """Gradients of L_beta; returns the log beta of each action, (A,)."""
        network, scored = self._behaviour, step.behaviour_scored
        if network is self._policy:
            return network.learn_cut_off("behaviour", states, scored, step.share)
        passed = run_head(network.states(step), network.head("behaviour", scored), scored)
        network.learn(passed, torch.ones_like(passed.log_probability), step.share)
        return passed.log_probability

    def _build(self, n_items: int) -> None:
        if self.config.behaviour == "head":
            self._policy = self._network(n_items, "policy", "behaviour")
            self._behaviour = self._policy
        else:
            self._policy = self._network(n_items, "policy")
            self._behaviour = self._network(n_items, "behaviour")

    def _network(self, n_items: int, *heads: str) -> SoftmaxPolicy:
        return SoftmaxPolicy(self.config, n_items, self.device, heads)

    def _weights(self) -> dict[str, Tensor]:
        apart = self._behaviour is not self._policy
        return {
            **self._policy.weights(),
            **(self._behaviour.weights("behaviour network.") if apart else {}),
        }


def top_k_inclusion(log_pi: Tensor, k: int) -> Tensor:
    """alpha = 1 - (1 - pi)^K: probability that K draws from pi hold the item (section 4.3)."""
    return -torch.expm1(k * torch.log1p(-log_pi.exp()))


def top_k_factor(log_pi: Tensor, k: int) -> Tensor:
    """lambda_K = d alpha / d pi = K (1 - pi)^(K - 1) (eq. 8); 1 for K = 1."""
    return log_top_k_factor(log_pi, k).exp()


def log_top_k_factor(log_pi: Tensor, k: int) -> Tensor:
    """log lambda_K; -inf for K > 1 where pi = 1."""
    if k == 1:
        return torch.zeros_like(log_pi)
    # log(1 - pi): near pi = 1 from expm1, as 1 - exp(log pi) would be 0.
    log_rest = torch.where(
        log_pi > -math.log(2), torch.log(-torch.expm1(log_pi)), torch.log1p(-log_pi.exp())
    )
    return math.log(k) + (k - 1) * log_rest


def distinct_page(
    policy: HeadPass, scored: ScoredItems, rows: Tensor, k: int
) -> tuple[HeadPass, Tensor]:
    """`policy`, over the states in `rows`, with the gradient of a page of k distinct items.

    Returns it with log lambda of each action, (A,): `models.common.policy.distinct_sets`.
    """
    targets = scored.targets.index_select(0, rows)
    arrivals = first_arrivals(policy.softmax, targets, k)
    softmax, log_factor = distinct_page_pass(policy.softmax, targets, scored.log_weights, arrivals)
    return dataclasses.replace(policy, softmax=softmax), log_factor


@torch.no_grad()
def action_weight(
    log_pi: Tensor,
    log_beta: Tensor,
    *,
    k: int,
    cap: float,
    off_policy: bool = True,
    normalised: bool = False,
    log_set_factor: Tensor | None = None,
) -> Tensor:
    """min(pi / beta, cap) lambda_K of each logged action, cut from any graph, (A,).

    The cap acts on the ratio alone, before lambda_K (section 4.4). Normalised, the ratios are
    divided by their mean, so that they sum to their number (the paper's w / sum w, times A).
    `log_set_factor` (A,) takes the place of log lambda_K for another kind of page; min(pi / beta,
    cap) times it is then at most cap K, as with lambda_K, which is never above K.
    Computed from logarithms: a ratio beyond the largest float may still have a finite weight.
    """
    log_weight = log_top_k_factor(log_pi, k) if log_set_factor is None else log_set_factor
    if off_policy:
        log_ratio = (log_pi - log_beta).clamp(max=math.log(cap))
        if log_set_factor is not None:
            log_weight = torch.minimum(log_weight, math.log(k) + math.log(cap) - log_ratio)
        if normalised and len(log_ratio):
            log_ratio = log_ratio - (torch.logsumexp(log_ratio, dim=0) - math.log(len(log_ratio)))
        log_weight = log_weight + log_ratio
    elif log_set_factor is not None:
        log_weight = log_weight.clamp(max=math.log(k))
    return log_weight.exp()


def columns(log_pi: Tensor, log_beta: Tensor, log_beta_of_weighted: Tensor) -> dict[str, Tensor]:
    """What `diagnostics` is computed from, of one step."""
    return {"log pi": log_pi, "log beta": log_beta, "log beta of weighted": log_beta_of_weighted}


def diagnostics(columns: Columns, config: TocrConfig) -> dict[str, Tensor]:
    """What tells how the correction acts: a number for each action, or each one of L_pi."""
    log_pi = columns["log pi"]
    ratio = torch.exp((log_pi - columns["log beta of weighted"]).double())
    found = {
        "behaviour loss": -columns["log beta"],
        "pi/beta": ratio,
        "share capped": ratio > config.cap,
    }
    if config.set_correction == "with_replacement":
        found["lambda_K"] = top_k_factor(log_pi, config.K)
    return found
