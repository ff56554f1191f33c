"""SASRec: causal self-attention over the last events of a session, trained with cross-entropy.

Kang, McAuley: Self-Attentive Sequential Recommendation, ICDM 2018, arXiv 1808.09781; equation
numbers are this paper's. Klenitskiy, Vasilev: Turning Dross Into Gold Loss: is BERT4Rec really
better than SASRec?, RecSys 2023, arXiv 2309.07602 (cross-entropy instead of one negative a target).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
import torch._dynamo  # torch.optim loads it at its first use, which the clock of a fit would count
from numpy.typing import ArrayLike
from torch import Tensor, nn

from datasets.session_log import SessionLog
from models.common.options.checks import (
    require_not_negative,
    require_positive,
    require_share,
)
from models.common.options.search_ranges import Choices, LogRange, Range
from models.common.sampling.negative_sampler import NegativeSampler
from models.common.sampling.sampled_softmax import log_probability, sampled_items
from models.common.sessions.session_chunks import events_of_chunks, session_chunks, similar_lengths
from models.common.training.torch_recommender import TorchRecommender
from models.common.training.training_log import TrainingLog
from models.common.training.transfer import on_device
from models.recommender import Factors, Progress

INITIAL_DEVIATION = 0.02
"""Standard deviation of initial embeddings, as in the code of Klenitskiy & Vasilev."""
ADAM_BETAS = (0.9, 0.98)
"""As in the code of Kang & McAuley."""
SCORING_PLACES = 2**14
"""Events that one scoring pass holds at once."""


@dataclass(frozen=True)
class SasRecConfig:
    """Options of SASRec; width, layers, heads and length are those of Klenitskiy & Vasilev."""

    epochs: int = 30
    """Passes over the training log at most; early stopping may come first."""
    learning_rate: Annotated[float, LogRange(0.0003, 0.03)] = 0.003
    """Step size of Adam."""
    batch_size: Annotated[int, LogRange(128, 4096)] = 1024
    """Targets of one update, about: chunks of similar length, side by side."""
    max_length: Annotated[int, Choices((20, 50, 100))] = 50
    """Events that the model sees of a prefix: the last ones."""
    width: Annotated[int, Choices((32, 64, 128))] = 64
    """Width of the item embeddings and of every layer."""
    layers: Annotated[int, Range(1, 3)] = 2
    """Self-attention blocks."""
    heads: int = 1
    """Attention heads of a block; they share the width."""
    dropout: Annotated[float, Range(0.0, 0.6)] = 0.2
    """Share of embeddings, attention weights and each layer's output dropped."""
    negatives: int = 2048
    """Negatives of the sampled softmax, drawn for each update and shared by its targets."""
    negative_alpha: Annotated[float, Range(0.25, 0.75)] = 0.5
    """Negatives are drawn in proportion to support ** negative_alpha."""
    full_softmax_items: int = 2048
    """Catalogues up to this size use the full softmax."""

    def __post_init__(self) -> None:
        require_positive(
            self, "epochs", "learning_rate", "batch_size", "max_length", "width", "layers", "heads",
            "negatives",
        )  # fmt: skip
        require_not_negative(self, "negative_alpha")
        require_share(self, "dropout")
        if self.width % self.heads:
            raise ValueError(f"heads ({self.heads}) must divide width ({self.width})")


class SasRec(TorchRecommender):
    """Item table shared by input and output, and the blocks between."""

    Config = SasRecConfig
    config: SasRecConfig
    item_weights = "items"
    _network: Transformer

    def fit(self, train: SessionLog) -> Iterator[Progress]:
        """Minimise cross-entropy at every position; yields about twenty times an epoch."""
        config = self.config
        torch.manual_seed(self._seed)
        self._build(train.n_items)
        sampler = None
        if train.n_items > config.full_softmax_items:
            sampler = NegativeSampler(
                train.item_counts(),
                alpha=config.negative_alpha,
                seed=self._seed,
                device=self.device,
            )
        optimiser = torch.optim.Adam(
            self._network.parameters(), lr=config.learning_rate, betas=ADAM_BETAS, fused=True
        )
        items = self._tensor(np.asarray(train.items, dtype=np.int64))
        rng = np.random.default_rng(self._seed)
        log = TrainingLog(train.n_targets, -(-train.n_targets // config.batch_size))
        for epoch in range(1, config.epochs + 1):
            firsts, lengths = session_chunks(train, config.max_length, rng)
            batches = similar_lengths(lengths, config.batch_size, rng)
            for number in rng.permutation(len(batches)):
                chunks = batches[number]
                # Scoring between yields switches dropout off.
                self._network.train()
                events, held = events_of_chunks(firsts[chunks], lengths[chunks])
                places = self._tensor(np.flatnonzero(held))
                states = self._network(items[self._tensor(events)]).flatten(0, 1)[places]
                loss = -self._log_probability(
                    states, items[self._tensor(events[held] + 1)], sampler
                )
                optimiser.zero_grad()
                loss.mean().backward()
                optimiser.step()
                yield from log.step(epoch, loss.detach().sum(), len(loss))
            yield log.end_of_epoch(epoch)

    def _log_probability(
        self, states: Tensor, targets: Tensor, sampler: NegativeSampler | None
    ) -> Tensor:
        """log pi(target) of each state (R, width), over the catalogue or the sampler's draws."""
        table = self._network.items
        if sampler is None:
            return log_probability(states, table, targets)
        scored = sampled_items(targets, sampler.draw(self.config.negatives), sampler.probabilities)
        rows = nn.functional.embedding(scored.items, table)
        return log_probability(states, rows, scored.targets, scored.log_weights)

    @property
    def policy_temperature(self) -> float:
        """1, as the scores are logits of a cross-entropy."""
        return 1.0

    @torch.no_grad()
    def factors(self, sessions: SessionLog) -> Factors:
        """States after the last layer normalisation, item table, and no bias.

        The prefixes of a session's first `max_length` events are one causal pass; each longer one
        has a window of its own, of which the last block computes the last event alone.
        """
        self._network.eval()
        longest = self.config.max_length
        codes = np.asarray(sessions.items, dtype=np.int64)
        # Sessions that come before an event's own each hold one event that is no prefix.
        row_of_event = np.arange(sessions.n_events) - sessions.session_of_event
        rows = np.empty((sessions.n_targets, self.config.width), dtype=np.float32)

        starts = sessions.offsets[:-1][sessions.lengths >= 2]
        lengths = np.minimum(sessions.lengths[sessions.lengths >= 2] - 1, longest)
        for batch in similar_lengths(lengths, SCORING_PLACES):
            events, held = events_of_chunks(starts[batch], lengths[batch])
            states = self._network(self._tensor(codes[events]))
            rows[row_of_event[events[held]]] = states[self._tensor(held)].cpu().numpy()

        position = sessions.position_in_session
        is_prefix_end = position < sessions.lengths[sessions.session_of_event] - 1
        ends = np.flatnonzero(is_prefix_end & (position >= longest))
        window = np.arange(1 - longest, 1)
        side_by_side = max(1, SCORING_PLACES // longest)
        for first in range(0, len(ends), side_by_side):
            batch = ends[first : first + side_by_side]
            states = self._network(self._tensor(codes[batch[:, None] + window]), last_only=True)
            rows[row_of_event[batch]] = states[:, 0].cpu().numpy()

        table = self._network.items.detach().cpu().numpy()
        return Factors(rows, table, np.zeros(len(table), dtype=np.float32))

    def _weights(self) -> dict[str, Tensor]:
        return self._network.state_dict()

    def _tensor(self, array: ArrayLike) -> Tensor:
        return on_device(array, self.device)

    def _build(self, n_items: int) -> None:
        self._network = Transformer(self.config, n_items).to(self.device)


class Transformer(nn.Module):
    """Items and positions, causal blocks, and a last layer normalisation (section III)."""

    def __init__(self, config: SasRecConfig, n_items: int) -> None:
        super().__init__()
        self.items = nn.Parameter(torch.empty(n_items, config.width))
        self.positions = nn.Parameter(torch.empty(config.max_length, config.width))
        self.blocks = nn.ModuleList(
            CausalBlock(config.width, config.heads, config.dropout) for _ in range(config.layers)
        )
        self.last_norm = nn.LayerNorm(config.width)
        self.dropout = nn.Dropout(config.dropout)
        for table in (self.items, self.positions):
            nn.init.normal_(table, std=INITIAL_DEVIATION)

    def forward(self, codes: Tensor, *, last_only: bool = False) -> Tensor:
        """States after each event, (W, T, width), or after the last alone, (W, 1, width).

        Args:
            codes: item of each event, (W, T), T at most max_length. What stands after a session's
                end does not reach the states before it, so padding needs no mask.
            last_only: whether the last block computes the last event alone.
        """
        width = self.items.shape[1]
        states = nn.functional.embedding(codes, self.items) * width**0.5
        states = self.dropout(states + self.positions[: codes.shape[1]])
        for number, block in enumerate(self.blocks, start=1):
            states = block(states, last_only=last_only and number == len(self.blocks))
        normalised: Tensor = self.last_norm(states)
        return normalised


class CausalBlock(nn.Module):
    """x + attention(norm(x)), then x + feed-forward(norm(x)): eqs. 3 to 5 and section III-C."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.attention_in = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.feed_forward_norm = nn.LayerNorm(width)
        self.feed_forward_in = nn.Linear(width, width)
        self.feed_forward_out = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        # Glorot, one matrix at a time, as in the code of Kang & McAuley.
        inner = (self.attention_out, self.feed_forward_in, self.feed_forward_out)
        for matrix in (*self.attention_in.weight.chunk(3), *(layer.weight for layer in inner)):
            nn.init.xavier_uniform_(matrix)
        for layer in (self.attention_in, *inner):
            nn.init.zeros_(layer.bias)

    def forward(self, states: Tensor, *, last_only: bool = False) -> Tensor:
        """(W, T, width) -> (W, T, width), or (W, 1, width) for the last event alone."""
        shape = (*states.shape[:2], 3, self.heads, -1)
        query, key, value = (
            self.attention_in(self.attention_norm(states)).view(shape).permute(2, 0, 3, 1, 4)
        )
        if last_only:
            states, query = states[:, -1:], query[:, :, -1:]
        attended = nn.functional.scaled_dot_product_attention(
            query,
            key,
            value,
            dropout_p=self.dropout.p if self.training else 0.0,
            is_causal=not last_only,
        )
        attended = attended.transpose(1, 2).reshape(states.shape)
        states = states + self.dropout(self.attention_out(attended))
        hidden = torch.relu(self.feed_forward_in(self.feed_forward_norm(states)))
        added: Tensor = self.dropout(self.feed_forward_out(self.dropout(hidden)))
        return states + added
