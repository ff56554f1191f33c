"""Ranking losses of GRU4Rec over a target, the other targets of its step and shared draws.

Hidasi & Karatzoglou, CIKM 2018. The paper's score matrix has a column for each target of the step
and each drawn negative. An item that stands in several columns has one score, so here it is scored
once and weighs as often. Each loss has its gradient by the scores beside it, taken in the same
passes over them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.common.sampling.bpr_kernel import compiled_bpr_gradient
from models.common.sampling.negative_sampler import NegativeSampler
from models.common.sampling.score_gradients import losses_of_scores
from models.common.sampling.softmax import softmax_and_log_partition

LOG_EPSILON = 1e-24
"""Added inside the logarithm of BPR-max, as by the authors."""


@dataclass(frozen=True)
class ScoreColumns:
    """Which distinct item each column of the papers' score matrix stands for."""

    items: Tensor
    """Item code of each column, the step's own targets first, (C,)."""
    places: Tensor
    """Place of each column's item among the U distinct items that are scored, (C,)."""
    n_targets: int
    """R, the number of rows: row r has its target in column r."""
    n_distinct: int
    """U; distinct items that no column stands for have no part in a loss."""

    @property
    def targets(self) -> Tensor:
        """Place of each row's target among the distinct items, as a column, (R, 1)."""
        return self.places[: self.n_targets].unsqueeze(1)

    @property
    def holds_item(self) -> Tensor:
        """Which distinct items some column stands for, bool (U,)."""
        found = torch.zeros(self.n_distinct, dtype=torch.bool, device=self.places.device)
        return found.index_fill_(0, self.places, True)

    def sum_by_item(self, of_columns: Tensor) -> Tensor:
        """Sum of what an item's columns have each, (C,) -> (U,)."""
        return of_columns.new_zeros(self.n_distinct).index_add_(0, self.places, of_columns)


def cross_entropy(
    states: Tensor,
    items: Tensor,
    bias: Tensor,
    columns: ScoreColumns,
    correction: Tensor | None = None,
    *,
    remove_hits: bool = False,
) -> Tensor:
    """-log softmax of the target among all columns. CIKM 2018, section 3.1.

    Args:
        states: of each row, (R, width).
        items: of each distinct item, (U, width).
        bias: of each distinct item, (U,).
        columns: what the columns stand for.
        correction: what is subtracted from the score of each column, (C,).
        remove_hits: the target stands for itself, uncorrected, and its other columns are left out.

    Returns:
        loss of each row, (R,).
    """
    with torch.no_grad():
        targets = columns.targets
        scores = torch.addmm(bias, states, items.t())
        ones = scores.new_ones(len(columns.items))
        weights = ones if correction is None else torch.exp(-correction)
        log_weights = columns.sum_by_item(weights).log()
        own = scores.gather(1, targets)
        logits = scores.add_(log_weights)
        if remove_hits:
            logits.scatter_(1, targets, own)
        elif correction is not None:
            own = own - correction[: columns.n_targets].unsqueeze(1)
        grad_scores, log_partition = softmax_and_log_partition(logits)
        grad_scores.scatter_add_(1, targets, torch.full_like(own, -1.0))
        losses = (log_partition - own).squeeze(1)
    return losses_of_scores(losses, grad_scores, states, items, bias)


def bpr_max(
    states: Tensor,
    items: Tensor,
    bias: Tensor,
    columns: ScoreColumns,
    *,
    elu: float,
    bpreg: float,
) -> Tensor:
    """BPR-max of the target against all other columns. CIKM 2018, eq. 10.

    s = softmax over all columns but the row's own, a draw of its target among them;
    L = -log(sum_j s_j sigma(o_t - o_j) + 1e-24) + bpreg sum_j s_j o_j^2.

    Args:
        states: of each row, (R, width).
        items: of each distinct item, (U, width).
        bias: of each distinct item, (U,).
        columns: what the columns stand for.
        elu: alpha of the ELU on the scores; 0: none.
        bpreg: weight of the score regularisation.

    Returns:
        loss of each row, (R,).
    """
    with torch.no_grad():
        scores = torch.addmm(bias, states, items.t())
        losses, grad_scores = _bpr_max_of_scores(scores, columns, elu, bpreg)
    return losses_of_scores(losses, grad_scores, states, items, bias)


def _bpr_max_of_scores(
    scores: Tensor, columns: ScoreColumns, elu: float, bpreg: float
) -> tuple[Tensor, Tensor]:
    """Loss of each row (R,), and its gradient by the scores (R, U)."""
    targets = columns.targets
    activated = torch.nn.functional.elu(scores, alpha=elu) if elu > 0 else scores
    own = activated.gather(1, targets)
    counts = columns.sum_by_item(scores.new_ones(len(columns.items)))
    logits = activated + counts.log()
    logits.scatter_(1, targets, own + (counts[targets] - 1).log())
    weights = torch.softmax(logits, dim=1)
    above = torch.sub(own, activated, out=logits).sigmoid_()
    one_pass = compiled_bpr_gradient() if scores.device.type == "cpu" else None
    if one_pass is not None and scores.dtype == torch.float32:
        losses = scores.new_empty(len(scores))
        one_pass(
            *(of_scores.numpy() for of_scores in (weights, above, activated)),
            targets.squeeze(1).numpy(),
            *(np.float32(option) for option in (bpreg, elu, LOG_EPSILON)),
            losses.numpy(),
        )
        return losses, weights
    better = torch.linalg.vecdot(weights, above).unsqueeze(1)
    above.square_()
    above_squared = torch.linalg.vecdot(weights, above).unsqueeze(1)
    penalty = torch.linalg.vecdot(weights, activated.square()).unsqueeze(1)
    losses = -torch.log(better + LOG_EPSILON) + bpreg * penalty

    # By score j, with w the softmax, a = sigma(o_t - o_j) and b = sum_j w_j a_j:
    # w_j ((b - a_j^2) / b + bpreg ((o_j + 1)^2 - 1 - penalty)).
    grad_better = 1 / (better + LOG_EPSILON)
    grad_weight = (activated + 1).square_().mul_(bpreg)
    grad_weight.addcmul_(above, -grad_better).add_(better * grad_better - bpreg * (1 + penalty))
    gradient = grad_weight.mul_(weights)
    gradient.scatter_add_(1, targets, (above_squared - better) * grad_better)
    if elu > 0:
        gradient = torch.ops.aten.elu_backward(gradient, elu, 1, 1, True, activated)
    return losses.squeeze(1), gradient


def log_q(
    columns: ScoreColumns,
    form: str,
    counts: Tensor,
    sampler: NegativeSampler,
) -> Tensor:
    """log q of each column, (C,), in the form "exact" or "official".

    `counts` is how often each item is a target for the exact form, else its support, (n_items,).
    """
    if form == "exact":
        return exact_logq(columns, counts, sampler.probabilities)
    return official_logq(columns, counts, sampler.alpha)


def official_logq(columns: ScoreColumns, support: Tensor, alpha: float) -> Tensor:
    """log of raw support for in-batch columns, of support ** alpha for drawn ones, (C,).

    As the authors' code has it: the two groups stand on different scales.
    """
    log_support = support[columns.items].float().log()
    log_support[columns.n_targets :] *= alpha
    return log_support


def exact_logq(columns: ScoreColumns, target_counts: Tensor, probabilities: Tensor) -> Tensor:
    """log of how often an item is expected among a row's negatives, (C,).

    A row with target t has R - 1 further targets of the epoch's N, drawn from all but its own:
    they hold j != t (R - 1) c_j / (N - 1) times, with c_j its count as a target, and the m draws
    m q_j times. Counts over these, t's own removed, sum to the partition function on average:
    E[sum_{j != t} n_j / E[n_j] exp(o_j)] = sum_{j != t} exp(o_j).

    Args:
        columns: what the columns stand for.
        target_counts: c of every item of the catalogue, (n_items,).
        probabilities: q of every item, (n_items,).
    """
    n_drawn = len(columns.items) - columns.n_targets
    of_one = (columns.n_targets - 1) / (target_counts.sum() - 1).clamp(min=1)
    in_batch = target_counts.index_select(0, columns.items) * of_one
    return (in_batch.float() + n_drawn * probabilities[columns.items]).log()
