"""GRU4Rec: the session-based recurrent recommender of Hidasi et al.

Hidasi, Karatzoglou, Baltrunas, Tikk: Session-based Recommendations with Recurrent Neural Networks,
ICLR 2016. Hidasi, Karatzoglou: Recurrent Neural Networks with Top-k Gains for Session-based
Recommendations, CIKM 2018 (additional negatives, BPR-max).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from datasets.session_log import SessionLog
from models.common.options.option_ranges import (
    require_not_negative,
    require_positive,
    require_share,
)
from models.common.options.search_ranges import Choices, LogRange, Range
from models.common.recurrent.cells import GruCell, SessionEncoder
from models.common.recurrent.session_states import session_states
from models.common.sampling.bpr_kernel import compiled_bpr_gradient
from models.common.sampling.distinct import compiled_first_places, distinct
from models.common.sampling.negative_sampler import NegativeSampler
from models.common.sampling.ranking_losses import (
    Columns,
    bpr_max,
    cross_entropy,
    exact_logq,
    official_logq,
)
from models.common.sessions.session_batches import SessionBatches, Window
from models.common.training.adagrad import Adagrad, TouchedRows, touch
from models.common.training.adagrad_kernel import compiled_row_update
from models.common.training.initialisation import uniform_matrix
from models.common.training.training_log import TrainingLog
from models.common.training.transfer import on_device
from models.recommender import Factors, FloatMatrix, Progress


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


class Gru4Rec:
    """Session-parallel GRU with sampled ranking losses."""

    Config = Gru4RecConfig

    def __init__(self, config: Gru4RecConfig, *, seed: int, device: str) -> None:
        self.config = config
        self.device = torch.device(device)
        self._seed = seed
        self._encoder: SessionEncoder
        self._item_table: Tensor
        self._item_bias: Tensor
        self._input_table: Tensor | None = None
        compiled_row_update()
        compiled_first_places()
        if config.loss == "bpr-max":
            compiled_bpr_gradient()

    @property
    def policy_temperature(self) -> float | None:
        """1 where the scores are logits: cross-entropy, corrected in full for what was drawn."""
        config = self.config
        exact = config.logq == 1 and config.logq_form == "exact"
        return 1.0 if config.loss == "cross-entropy" and exact else None

    def fit(self, train: SessionLog) -> Iterator[Progress]:
        """Train by session-parallel windows; yields about twenty times an epoch."""
        config = self.config
        torch.manual_seed(self._seed)
        self._build(train.n_items)
        sampler = NegativeSampler(
            train.item_counts(),
            alpha=config.negative_alpha,
            seed=self._seed,
            device=self.device,
        )
        exact = config.logq_form == "exact"
        counts = self._tensor(train.target_counts() if exact else train.item_counts())
        tables = [self._item_table, self._item_bias]
        if self._input_table is not None:
            tables.append(self._input_table)
        optimiser = Adagrad(
            list(self._encoder.parameters()),
            tables,
            learning_rate=config.learning_rate,
            momentum=config.momentum,
        )
        items = np.asarray(train.items, dtype=np.int64)
        batches = SessionBatches(
            train, batch_size=config.batch_size, window=config.truncation, cut_long=True
        )
        log = TrainingLog(batches.n_targets, len(batches))
        for epoch in range(1, config.epochs + 1):
            self._encoder.train()
            state = self._encoder.initial_state(batches.n_slots, self.device)
            for window in batches:
                targets = self._tensor(items[window.events.ravel()[window.acting] + 1])
                column_items = torch.cat([targets, sampler.draw(config.negatives)])
                if len(column_items) == 1:
                    # A lone target has nothing to be ranked above: the authors' epoch ends here.
                    yield from log.step(epoch, torch.zeros((), device=self.device), 1)
                    continue
                inputs = self._tensor(items[window.events])
                losses = self._update(
                    window, inputs, targets, column_items, state, counts, sampler, optimiser
                )
                yield from log.step(epoch, losses.sum(), len(targets))
            yield log.end_of_epoch(epoch)

    @torch.no_grad()
    def _update(
        self,
        window: Window,
        inputs: Tensor,
        targets: Tensor,
        column_items: Tensor,
        state: list[Tensor],
        counts: Tensor,
        sampler: NegativeSampler,
        optimiser: Adagrad,
    ) -> Tensor:
        """Forward, back, and a step of the optimiser; returns the loss of each target, (R,).

        Without torch's graph: its bookkeeping takes as long as the operations of so small a step.
        """
        config = self.config
        if self._input_table is None:
            used, places = distinct(
                torch.cat([column_items, inputs.flatten()]), len(self._item_table)
            )
            item_rows = input_rows = touch(self._item_table, used)
            input_places = places[len(column_items) :]
        else:
            used, places = distinct(column_items, len(self._item_table))
            item_rows = touch(self._item_table, used)
            used_inputs, input_places = distinct(inputs.flatten(), len(self._input_table))
            input_rows = touch(self._input_table, used_inputs)
        embedded = input_rows.values.index_select(0, input_places).view(*inputs.shape, -1)
        kept = None
        if config.embedding != "none" and config.dropout_embedding > 0:
            share = 1 - config.dropout_embedding
            kept = torch.empty_like(embedded).bernoulli_(share).div_(share)
            embedded = embedded * kept
        slots = self._tensor(window.slots)
        passes = self._encoder.run(
            embedded,
            [layer.index_select(0, slots) for layer in state],
            self._tensor(window.starts),
        )
        for layer, passed in zip(state, passes, strict=True):
            layer.index_copy_(0, slots, passed.states[-1])
        states = passes[-1].states.flatten(0, 1)
        acting = None if window.busy is None else self._tensor(window.acting)
        if acting is not None:
            states = states.index_select(0, acting)

        columns = Columns(column_items, places[: len(column_items)], len(targets), len(used))
        losses, by_score = self._loss(states, item_rows, columns, counts, sampler.probabilities)
        scale = 1 / (config.batch_size * config.truncation)
        item_rows.values.grad = by_score.t() @ (states * scale)
        by_states = (by_score @ item_rows.values).mul_(scale)
        if acting is not None:
            by_acting = by_states
            by_states = by_acting.new_zeros(inputs.numel(), by_acting.shape[1])
            by_states.index_copy_(0, acting, by_acting)
        by_embedded = self._encoder.back_through(passes, by_states.view(*inputs.shape, -1))
        if kept is not None:
            by_embedded = by_embedded * kept
        by_bias = by_score.new_full((1, len(targets)), scale).mm(by_score).squeeze(0)
        touched = [item_rows, self._bias_rows(columns, used, by_bias)]
        if input_rows is not item_rows:
            input_rows.values.grad = torch.zeros_like(input_rows.values)
            touched.append(input_rows)
        assert input_rows.values.grad is not None
        input_rows.values.grad.index_add_(0, input_places, by_embedded.flatten(0, 1))
        optimiser.step(touched)
        return losses

    def _bias_rows(self, columns: Columns, used: Tensor, by_bias: Tensor) -> TouchedRows:
        """The item biases of a step with their gradient, (U,)."""
        if self.config.momentum > 0:
            # Momentum moves every row that is touched, and an item that is input alone is not: in
            # its place the first column's item stands again, without a gradient.
            used = torch.where(columns.holds_item, used, columns.items[0])
        rows = touch(self._item_bias, used)
        rows.values.grad = by_bias
        return rows

    def _loss(
        self,
        states: Tensor,
        item_rows: TouchedRows,
        columns: Columns,
        counts: Tensor,
        probabilities: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Loss of each row (R,), and the gradient of their sum by the scores (R, U).

        `counts` is how often each item is a target for the exact log-Q, else its support.
        """
        config = self.config
        bias = self._item_bias.index_select(0, item_rows.index)
        scores = torch.addmm(bias, states, item_rows.values.t())
        if config.loss == "bpr-max":
            return bpr_max(scores, columns, elu=config.elu, bpreg=config.bpreg)
        exact = config.logq > 0 and config.logq_form == "exact"
        if exact:
            log_q = exact_logq(columns, counts, probabilities)
        elif config.logq > 0:
            log_q = official_logq(columns, counts, config.negative_alpha)
        else:
            log_q = scores.new_zeros(len(columns.items))
        return cross_entropy(scores, columns, config.logq * log_q, remove_hits=exact)

    def score(self, sessions: SessionLog) -> FloatMatrix:
        """Score of every item after every prefix, shape (n_prefixes, n_items)."""
        states, items, bias = self.factors(sessions)
        return states @ items.T + bias

    def factors(self, sessions: SessionLog) -> Factors:
        """Hidden states, item matrix and item bias."""
        table = self._item_table if self._input_table is None else self._input_table
        states = session_states(self._encoder, table, sessions, self.device)
        return Factors(states, self._item_table.cpu().numpy(), self._item_bias.cpu().numpy())

    def save(self, folder: Path) -> None:
        """Write all weights to `weights.pt`, plain tensors only."""
        weights = {"items": self._item_table, "bias": self._item_bias}
        if self._input_table is not None:
            weights["inputs"] = self._input_table
        encoder = {f"encoder.{name}": value for name, value in self._encoder.state_dict().items()}
        torch.save({**weights, **encoder}, folder / "weights.pt")

    def load(self, folder: Path) -> None:
        """Read the weights that `save` wrote."""
        weights = torch.load(folder / "weights.pt", weights_only=True, map_location=self.device)
        self._build(len(weights["items"]))
        self._item_table.copy_(weights.pop("items"))
        self._item_bias.copy_(weights.pop("bias"))
        if self._input_table is not None:
            self._input_table.copy_(weights.pop("inputs"))
        self._encoder.load_state_dict(
            {name.removeprefix("encoder."): value for name, value in weights.items()}
        )

    def _tensor(self, array: ArrayLike) -> Tensor:
        return on_device(array, self.device)

    def _build(self, n_items: int) -> None:
        """Fresh weights, drawn from torch's global generator."""
        config = self.config
        width = config.layers[-1]
        first = {
            "constrained": width,
            "separate": config.embedding_width,
            "none": 3 * config.layers[0],
        }[config.embedding]
        cells = [
            GruCell(before, after, project_input=i > 0 or config.embedding != "none")
            for i, (before, after) in enumerate(
                zip((first, *config.layers[:-1]), config.layers, strict=True)
            )
        ]
        self._encoder = SessionEncoder(cells, dropout=config.dropout_hidden).to(self.device)
        self._item_table = uniform_matrix(n_items, width).to(self.device)
        self._item_bias = torch.zeros(n_items, device=self.device)
        if config.embedding == "separate":
            self._input_table = uniform_matrix(n_items, first).to(self.device)
        elif config.embedding == "none":
            gates = [uniform_matrix(n_items, config.layers[0]) for _ in range(3)]
            self._input_table = torch.cat(gates, dim=1).to(self.device)
