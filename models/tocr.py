"""TOCR: top-K off-policy corrected REINFORCE.

Chen, Beutel, Covington, Jain, Belletti, Chi: Top-K Off-Policy Correction for a REINFORCE
Recommender System, WSDM 2019, arXiv 1812.02353. Equation numbers are the paper's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from datasets.session_log import FloatArray, SessionLog
from models.common.adagrad import Adagrad, TouchedRows, touch
from models.common.cells import CfnCell, GruCell, SessionEncoder
from models.common.initialisation import uniform_matrix
from models.common.negative_sampler import NegativeSampler
from models.common.option_ranges import require_not_negative, require_positive, require_share
from models.common.returns import discounted_returns
from models.common.sampled_softmax import full_log_probability, sampled_log_probability
from models.common.session_batches import BoolArray, SessionBatches
from models.common.session_states import session_states
from models.common.training_log import TrainingLog
from models.recommender import Factors, FloatMatrix, Progress


@dataclass(frozen=True)
class TocrConfig:
    """Options of TOCR; K and cap are the paper's live settings, what it leaves open is ours."""

    epochs: int = 30
    """Passes over the training log at most; early stopping may come first."""
    learning_rate: float = 0.1
    """Step size of Adagrad."""
    batch_size: int = 16
    """Sessions side by side."""
    truncation: int = 16
    """Steps of back-propagation through time."""
    width: int = 100
    """Width of the user state and of the item embeddings."""
    cell: Literal["gru", "cfn"] = "cfn"
    """Recurrent cell of the user state; cfn is the paper's (eq. 5)."""
    zero_reward_in_state: bool = False
    """Whether actions without reward enter the user state; the paper leaves them out."""
    K: int = 16
    """Size of the recommended set in the top-K correction (eq. 8); 1: no top-K correction."""
    cap: float = math.e**3
    """Largest importance ratio pi / beta; inf: no cap."""
    off_policy: bool = True
    """Whether actions are weighted by pi / beta; without, the ratio is 1."""
    reward_weighted: bool = True
    """Whether actions are weighted by their return; without, all weigh 1: plain cross-entropy."""
    discount: float = 0.9
    """gamma of the return; ours, as the paper gives none."""
    horizon: float = math.inf
    """Rewards later than this, in the log's unit of time, are no part of an action's return."""
    temperature: float = 1.0
    """Softmax temperature T of the policy (eq. 6)."""
    negatives: int = 2048
    """Negatives of the sampled softmax, drawn for each update and shared by both heads."""
    negative_alpha: float = 0.5
    """Negatives are drawn in proportion to support ** negative_alpha."""
    full_softmax_items: int = 2048
    """Catalogues up to this size use the full softmax."""
    dropout_embedding: float = 0.5
    """Share of the input embedding dropped."""
    dropout_hidden: float = 0.3
    """Share of the user state dropped, also in the state that is carried on."""
    momentum: float = 0.0
    """Momentum on Adagrad's scaled step."""

    def __post_init__(self) -> None:
        require_positive(self, "epochs", "learning_rate", "batch_size", "truncation", "width")
        require_positive(self, "K", "cap", "horizon", "temperature", "negatives")
        require_not_negative(self, "negative_alpha")
        require_share(self, "dropout_embedding", "dropout_hidden", "momentum")
        if not 0 <= self.discount <= 1:
            raise ValueError(f"discount must be from 0 to 1, not {self.discount}")


@dataclass(frozen=True)
class _LoggedActions:
    """What the losses need of each event of the log."""

    rewarded: BoolArray
    """Which actions L_pi counts: those with a positive reward, (n_events,)."""
    returns: FloatArray
    """R of each action, (n_events,)."""
    observed: BoolArray | None
    """Which events enter the user state, (n_events,); None: all."""


@dataclass(frozen=True)
class Columns:
    """The items that one step scores: its targets and the negatives that both heads share."""

    items: Tensor
    """Distinct items, (C,)."""
    targets: Tensor
    """Place of each action's item in `items`, (A,)."""
    negatives: Tensor | None
    """Place of each negative, (m,); None: `items` is the whole catalogue."""
    log_expected: Tensor | None
    """log(m q) of each negative, (m,)."""


class Tocr:
    """A user state, a policy head on it, and a behaviour head on the detached state."""

    Config = TocrConfig

    def __init__(self, config: TocrConfig, *, seed: int, device: str) -> None:
        self.config = config
        self.device = torch.device(device)
        self._seed = seed
        self._encoder: SessionEncoder
        self._input_table: Tensor
        self._policy_table: Tensor
        self._behaviour_table: Tensor

    def fit(self, train: SessionLog) -> Iterator[Progress]:
        """Train state and policy on L_pi, the behaviour head on L_beta; yields 20 times an epoch.

        Raises:
            ValueError: if no training action has a positive reward, or a horizon lacks times.
        """
        config = self.config
        actions = self._logged_actions(train)
        torch.manual_seed(self._seed)
        self._build(train.n_items)
        sampler = NegativeSampler(
            train.item_counts(),
            alpha=config.negative_alpha,
            seed=self._seed,
            device=self.device,
        )
        optimiser = Adagrad(
            list(self._encoder.parameters()),
            [self._input_table, self._policy_table, self._behaviour_table],
            learning_rate=config.learning_rate,
            momentum=config.momentum,
        )
        items = self._tensor(np.asarray(train.items, dtype=np.int64))
        batches = SessionBatches(train, batch_size=config.batch_size, window=config.truncation)
        log = TrainingLog(batches.n_targets, len(batches))
        for epoch in range(1, config.epochs + 1):
            self._encoder.train()
            state = self._encoder.initial_state(batches.n_slots, self.device)
            for window in batches:
                inputs = items[self._tensor(window.events)]
                input_items, input_places = torch.unique(inputs, return_inverse=True)
                input_rows = touch(self._input_table, input_items)
                embedded = nn.functional.embedding(input_places, input_rows.values)
                slots = self._tensor(window.slots)
                states, after = self._encoder(
                    nn.functional.dropout(embedded, config.dropout_embedding),
                    [layer[slots] for layer in state],
                    self._tensor(window.starts),
                    None
                    if actions.observed is None
                    else self._tensor(actions.observed[window.events]),
                )
                for layer, last in zip(state, after, strict=True):
                    layer[slots] = last.detach()

                acting = window.acting
                targets = window.events.ravel()[acting] + 1
                columns = self._columns(items[self._tensor(targets)], sampler)
                policy_rows = touch(self._policy_table, columns.items)
                behaviour_rows = touch(self._behaviour_table, columns.items)
                states = states.flatten(0, 1)[self._tensor(acting)]

                every = torch.arange(len(targets), device=self.device)
                log_beta = log_probability(states.detach(), behaviour_rows, columns, every, 1.0)
                rewarded = np.flatnonzero(actions.rewarded[targets])
                rows = self._tensor(rewarded)
                log_pi = log_probability(
                    states[rows], policy_rows, columns, rows, config.temperature
                )
                weight = action_weight(
                    log_pi,
                    log_beta[rows],
                    k=config.K,
                    cap=config.cap,
                    off_policy=config.off_policy,
                )
                returns = self._tensor(actions.returns[targets[rewarded]])
                loss = policy_loss(log_pi, weight, returns).sum() - log_beta.sum()
                (loss / (config.batch_size * config.truncation)).backward()
                optimiser.step([input_rows, policy_rows, behaviour_rows])
                yield from log.step(
                    epoch,
                    loss.detach(),
                    len(targets),
                    diagnostics(log_pi.detach(), log_beta.detach(), rows, config),
                )
            yield log.end_of_epoch(epoch)

    def score(self, sessions: SessionLog) -> FloatMatrix:
        """Policy logit of every item after every prefix, shape (n_prefixes, n_items)."""
        states, items, bias = self.factors(sessions)
        return states @ items.T + bias

    def factors(self, sessions: SessionLog) -> Factors:
        """User states, the policy's item matrix and no bias (eq. 6)."""
        states = session_states(
            self._encoder, self._input_table, sessions, self.device, self._observed(sessions)
        )
        items = self._policy_table.cpu().numpy()
        return Factors(states, items, np.zeros(len(items), dtype=np.float32))

    def save(self, folder: Path) -> None:
        """Write all weights to `weights.pt`, plain tensors only."""
        encoder = {f"encoder.{name}": value for name, value in self._encoder.state_dict().items()}
        torch.save({**self._tables(), **encoder}, folder / "weights.pt")

    def load(self, folder: Path) -> None:
        """Read the weights that `save` wrote."""
        weights = torch.load(folder / "weights.pt", weights_only=True, map_location=self.device)
        self._build(len(weights["inputs"]))
        for name, table in self._tables().items():
            table.copy_(weights.pop(name))
        self._encoder.load_state_dict(
            {name.removeprefix("encoder."): value for name, value in weights.items()}
        )

    def _build(self, n_items: int) -> None:
        """Fresh weights, drawn from torch's global generator."""
        width = self.config.width
        cell = CfnCell if self.config.cell == "cfn" else GruCell
        self._encoder = SessionEncoder([cell(width, width)], dropout=self.config.dropout_hidden)
        self._encoder.to(self.device)
        self._input_table = uniform_matrix(n_items, width).to(self.device)
        self._policy_table = uniform_matrix(n_items, width).to(self.device)
        self._behaviour_table = uniform_matrix(n_items, width).to(self.device)

    def _tables(self) -> dict[str, Tensor]:
        return {
            "inputs": self._input_table,
            "policy": self._policy_table,
            "behaviour": self._behaviour_table,
        }

    def _tensor(self, array: ArrayLike) -> Tensor:
        return torch.as_tensor(array, device=self.device)

    def _observed(self, log: SessionLog) -> BoolArray | None:
        return None if self.config.zero_reward_in_state else np.asarray(log.rewards) > 0

    def _logged_actions(self, train: SessionLog) -> _LoggedActions:
        config = self.config
        if not config.reward_weighted:
            every = np.ones(train.n_events, dtype=np.bool_)
            return _LoggedActions(every, every.astype(np.float32), self._observed(train))
        rewarded = np.asarray(train.rewards) > 0
        if not rewarded.any():
            raise ValueError("no positive reward in training; use --reward all")
        horizon = None if math.isinf(config.horizon) else config.horizon
        returns = discounted_returns(train, discount=config.discount, horizon=horizon)
        return _LoggedActions(rewarded, returns, self._observed(train))

    def _columns(self, targets: Tensor, sampler: NegativeSampler) -> Columns:
        """Targets (A,) and the negatives of one step, each distinct item once."""
        n_items = len(self._policy_table)
        if n_items <= self.config.full_softmax_items:
            return Columns(torch.arange(n_items, device=self.device), targets, None, None)
        negatives = sampler.draw(self.config.negatives)
        used, places = torch.unique(torch.cat([targets, negatives]), return_inverse=True)
        log_expected = (self.config.negatives * sampler.probabilities[negatives]).log()
        return Columns(used, places[: len(targets)], places[len(targets) :], log_expected)


def log_probability(
    states: Tensor, head: TouchedRows, columns: Columns, actions: Tensor, temperature: float
) -> Tensor:
    """Log-probability of the logged actions under a softmax head on `states` (eq. 6), (A,)."""
    states = states / temperature
    targets = columns.targets[actions]
    if columns.negatives is None or columns.log_expected is None:
        return full_log_probability(states @ head.values.t(), targets)
    target_vectors = nn.functional.embedding(targets, head.values)
    negative_vectors = nn.functional.embedding(columns.negatives, head.values)
    return sampled_log_probability(
        (states * target_vectors).sum(dim=1),
        states @ negative_vectors.t(),
        columns.log_expected,
        targets.unsqueeze(1) == columns.negatives,
    )


def top_k_inclusion(log_pi: Tensor, k: int) -> Tensor:
    """alpha = 1 - (1 - pi)^K: probability that K draws from pi hold the item (section 4.3)."""
    return -torch.expm1(k * torch.log1p(-log_pi.exp()))


def top_k_factor(log_pi: Tensor, k: int) -> Tensor:
    """lambda_K = d alpha / d pi = K (1 - pi)^(K - 1) (eq. 8); 1 for K = 1."""
    if k == 1:
        return torch.ones_like(log_pi)
    return k * torch.exp((k - 1) * torch.log1p(-log_pi.exp()))


@torch.no_grad()
def action_weight(
    log_pi: Tensor, log_beta: Tensor, *, k: int, cap: float, off_policy: bool = True
) -> Tensor:
    """min(pi / beta, cap) lambda_K of each logged action, cut from the graph, (A,).

    The cap acts on the ratio alone, before lambda_K (section 4.4).
    """
    weight = top_k_factor(log_pi, k)
    if off_policy:
        weight = weight * torch.exp(log_pi - log_beta).clamp(max=cap)
    return weight


def policy_loss(log_pi: Tensor, weight: Tensor, returns: Tensor) -> Tensor:
    """-weight R log pi of each action with a positive reward, (A,) (eq. 8)."""
    return -weight * returns * log_pi


def diagnostics(
    log_pi: Tensor, log_beta: Tensor, rewarded: Tensor, config: TocrConfig
) -> dict[str, tuple[Tensor, int]]:
    """Sum over one step's actions, and their number, of what tells how the correction acts."""
    ratio = torch.exp((log_pi - log_beta[rewarded]).double())
    return {
        "behaviour loss": (-log_beta.sum(), len(log_beta)),
        "pi/beta": (ratio.sum(), len(ratio)),
        "share capped": ((ratio > config.cap).sum(), len(ratio)),
        "lambda_K": (top_k_factor(log_pi, config.K).sum(), len(ratio)),
    }
