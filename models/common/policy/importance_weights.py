"""Weights of logged actions: importance ratio, cap, and the factor of a recommended set.

Chen et al., WSDM 2019, sections 4.3 and 4.4; computed from logarithms, as a ratio beyond the
largest float may still have a finite weight.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from models.common.training.training_log import Columns


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
    """min(pi / beta, cap) lambda_K of each logged action, detached, (A,).

    The cap acts on the ratio alone, before lambda_K (section 4.4). Normalised, the ratios are
    divided by their mean, so that they sum to their number (the paper's w / sum w, times A).
    `log_set_factor` (A,) takes the place of log lambda_K for another kind of page; min(pi / beta,
    cap) times it is then at most cap K, as with lambda_K, which is never above K.
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


def diagnostic_columns(log_pi: Tensor, log_beta: Tensor, log_beta_of_weighted: Tensor) -> Columns:
    """What `diagnostics` is computed from, of one step, detached."""
    return {
        "log pi": log_pi.detach(),
        "log beta": log_beta.detach(),
        "log beta of weighted": log_beta_of_weighted.detach(),
    }


def diagnostics(columns: Columns, *, cap: float, k: int | None) -> dict[str, Tensor]:
    """What shows how the correction acts: a number for each action, or each weighted one.

    `k` is K of lambda_K; None: the weights have another factor.
    """
    log_pi = columns["log pi"]
    ratio = torch.exp((log_pi - columns["log beta of weighted"]).double())
    found = {
        "behaviour loss": -columns["log beta"],
        "pi/beta": ratio,
        "share capped": ratio > cap,
    }
    if k is not None:
        found["lambda_K"] = top_k_factor(log_pi, k)
    return found
