"""GRU4Rec: the session-based recurrent recommender of Hidasi et al.

Hidasi, Karatzoglou, Baltrunas, Tikk: Session-based Recommendations with Recurrent Neural Networks,
ICLR 2016. Hidasi, Karatzoglou: Recurrent Neural Networks with Top-k Gains for Session-based
Recommendations, CIKM 2018 (additional negatives, BPR-max).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import dropout

from datasets.session_log import IntArray, SessionLog
from models.common.options.checks import require_not_negative, require_positive, require_share
from models.common.options.search_ranges import Choices, LogRange, Range
from models.common.recurrent.carried_states import CarriedStates
from models.common.recurrent.cells import SessionEncoder, gru_encoder
from models.common.recurrent.session_states import session_states
from models.common.sampling.compiled_loops import compile_loops
from models.common.sampling.look_up import StepRows, look_up
from models.common.sampling.negative_sampler import NegativeSampler
from models.common.sampling.ranking_losses import bpr_max, cross_entropy, log_q
from models.common.sessions.session_batches import SessionBatches, Window
from models.common.training.adagrad import Adagrad
from models.common.training.initialisation import uniform_matrix
from models.common.training.item_table import ItemTable
from models.common.training.torch_recommender import TorchRecommender
from models.common.training.training_log import TrainingLog
from models.common.training.transfer import on_device
from models.recommender import Factors, Progress


@dataclass(frozen=True)
class Gru4RecConfig:
    """Options of GRU4Rec; the defaults are chosen for the embedded log on two cores."""

    epochs: int = 30
    """Passes over the training log at most; early stopping may come first."""
    learning_rate: Annotated[float, LogRange(0.02, 0.15)] = 0.1
    """Step size of Adagrad."""
    batch_size: Annotated[int, LogRange(8, 128)] = 16
    """Sessions side by side."""
    truncation: int = 16
    """Steps of back-propagation through time; 1 is the authors' setting."""
    layers: Annotated[tuple[int, ...], Choices(((50,), (100,), (200,)))] = (100,)
    """Width of each GRU layer."""
    embedding: Literal["constrained", "separate", "none"] = "constrained"
    """Input embedding: the output's item matrix, a table of its own, or one-hot into the GRU."""
    embedding_width: int = 100
    """Width of the separate embedding."""
    loss: Literal["cross-entropy", "bpr-max"] = "cross-entropy"
    """Ranking loss over the target and its negatives."""
    negatives: int = 2048
    """Negatives drawn for each update, shared by it, beside the other targets of the batch."""
    negative_alpha: Annotated[float, Range(0.25, 0.75)] = 0.5
    """Negatives are drawn in proportion to support ** negative_alpha."""
    logq: float = 1.0
    """Strength of the log-Q correction of cross-entropy; 0: none."""
    logq_form: Literal["official", "exact"] = "exact"
    """official: the authors' two scales; exact: log expected count, own target's hits removed."""
    dropout_embedding: Annotated[float, Range(0.0, 0.6)] = 0.5
    """Share of the input embedding dropped; embedding none has no input embedding."""
    dropout_hidden: Annotated[float, Range(0.0, 0.6)] = 0.3
    """Share of each layer's output dropped, also in the state that is carried on."""
    momentum: Annotated[float, Range(0.0, 0.5)] = 0.0
    """Momentum on Adagrad's scaled step."""
    elu: float = 0.5
    """alpha of the ELU on the scores of BPR-max."""
    bpreg: float = 1.0
    """Weight of the score regularisation of BPR-max."""

    def __post_init__(self) -> None:
        require_positive(
            self, "epochs", "learning_rate", "batch_size", "truncation", "embedding_width"
        )
        require_not_negative(self, "negatives", "negative_alpha", "logq", "elu", "bpreg")
        require_share(self, "dropout_embedding", "dropout_hidden", "momentum")
        if not self.layers or min(self.layers) < 1:
            raise ValueError("layers must name the width of at least one layer")


class Gru4Rec(TorchRecommender):
    """Session-parallel GRU with sampled ranking losses."""

    Config = Gru4RecConfig
    config: Gru4RecConfig
    item_weights = "items"
    _encoder: SessionEncoder
    _items: ItemTable
    _bias: ItemTable
    _inputs: ItemTable
    """Input embedding; `_items` itself where it is constrained."""

    def __init__(self, config: Gru4RecConfig, *, seed: int, device: str) -> None:
        super().__init__(config, seed=seed, device=device)
        compile_loops(bpr_max=config.loss == "bpr-max")

    @property
    def policy_temperature(self) -> float | None:
        """1 where the scores are logits: cross-entropy, corrected in full for what was drawn."""
        exact = self.config.logq == 1 and self.config.logq_form == "exact"
        return 1.0 if exact and self.config.loss == "cross-entropy" else None

    def fit(self, train: SessionLog) -> Iterator[Progress]:
        """Train by session-parallel windows; yields about twenty times an epoch."""
        config = self.config
        torch.manual_seed(self._seed)
        self._build(train.n_items)
        support, exact = train.item_counts(), config.logq_form == "exact"
        self._counts = on_device(train.target_counts() if exact else support, self.device)
        self._sampler = NegativeSampler(
            support, alpha=config.negative_alpha, seed=self._seed, device=self.device
        )
        optimiser = Adagrad(
            list(self._encoder.parameters()),
            [self._items, self._bias, self._inputs],
            learning_rate=config.learning_rate,
            momentum=config.momentum,
        )
        batches = SessionBatches(
            train, batch_size=config.batch_size, window=config.truncation, cut_long=True
        )
        items = np.asarray(train.items, dtype=np.int64)
        log = TrainingLog(batches.n_targets, len(batches))
        for epoch in range(1, config.epochs + 1):
            self._encoder.train()
            states = CarriedStates(self._encoder, batches.n_slots, self.device)
            for window in batches:
                loss = self._update(window, items, states, optimiser)
                yield from log.step(epoch, loss, len(window.targets))
            yield log.end_of_epoch(epoch)

    def _update(
        self, window: Window, items: IntArray, states: CarriedStates, optimiser: Adagrad
    ) -> Tensor:
        """Forward and backward pass of a window, and a step; the sum of its targets' losses."""
        config = self.config
        targets = on_device(items[window.targets], self.device)
        negatives = self._sampler.draw(config.negatives)
        if len(targets) + len(negatives) == 1:
            # A lone target has nothing to be ranked above: the authors' epoch ends here.
            return torch.zeros((), device=self.device)
        tables = (self._inputs, self._items, self._bias)
        inputs = on_device(items[window.events], self.device)
        rows = look_up(inputs, targets, negatives, tables, has_momentum=config.momentum > 0)
        input_dropout = 0.0 if config.embedding == "none" else config.dropout_embedding
        h = states.before_targets(window, dropout(rows.embedded, input_dropout))
        loss = self._losses(h, rows).sum()
        (1 / (config.batch_size * config.truncation) * loss).backward()
        optimiser.step()
        return loss.detach()

    def _losses(self, h: Tensor, rows: StepRows) -> Tensor:
        """Loss of each target i against the columns j, with scores o = h items' + bias, (R,).

        Cross-entropy (section 3.1): -log exp(o_i) / (exp(o_i) + sum_{j != i} exp(o_j - log q_j)),
        official: -log exp(o_i - log q_i) / sum_j exp(o_j - log q_j). Both are of CIKM 2018.
        BPR-max (eq. 10), of elu(o): -log sum_j s_j sigma(o_i - o_j) + bpreg sum_j s_j o_j^2.
        """
        config, form, (_, items, bias, columns) = self.config, self.config.logq_form, rows
        if config.loss == "bpr-max":
            return bpr_max(h, items, bias, columns, elu=config.elu, bpreg=config.bpreg)
        if config.logq == 0:
            return cross_entropy(h, items, bias, columns)
        correction = config.logq * log_q(columns, form, self._counts, self._sampler)
        return cross_entropy(h, items, bias, columns, correction, remove_hits=form == "exact")

    def factors(self, sessions: SessionLog) -> Factors:
        """Hidden states, item matrix and item bias."""
        states = session_states(self._encoder, self._inputs.weights, sessions, self.device)
        items, bias = (table.weights.cpu().numpy() for table in (self._items, self._bias))
        return Factors(states, items, bias)

    def _weights(self) -> dict[str, Tensor]:
        weights = {"items": self._items.weights, "bias": self._bias.weights}
        if self._inputs is not self._items:
            weights["inputs"] = self._inputs.weights
        state = self._encoder.state_dict()
        return weights | {f"encoder.{name}": value for name, value in state.items()}

    def _build(self, n_items: int) -> None:
        config, width = self.config, self.config.layers[-1]
        widths = {"constrained": width, "separate": config.embedding_width}
        first = widths.get(config.embedding, 3 * config.layers[0])
        project = config.embedding != "none"
        encoder = gru_encoder(first, config.layers, project, config.dropout_hidden)
        self._encoder = encoder.to(self.device)
        self._items = self._inputs = ItemTable(uniform_matrix(n_items, width).to(self.device))
        self._bias = ItemTable(torch.zeros(n_items, device=self.device))
        if config.embedding != "constrained":
            # One-hot inputs are a table of the gates themselves, each drawn by itself.
            parts = [first] if project else [config.layers[0]] * 3
            drawn = torch.cat([uniform_matrix(n_items, part) for part in parts], dim=1)
            self._inputs = ItemTable(drawn.to(self.device))
