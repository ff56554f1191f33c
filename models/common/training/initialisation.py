"""Initial weights, as GRU4Rec's authors draw them."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def uniform_matrix(rows: int, columns: int) -> Tensor:
    """A matrix uniform in +-sqrt(6 / (rows + columns)), from torch's global generator."""
    bound = math.sqrt(6.0 / (rows + columns))
    return torch.empty(rows, columns).uniform_(-bound, bound)
