"""Which items a step uses, each once."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.common.training.compiled import compiled

FirstPlaces = Callable[
    [NDArray[np.int64], NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]], int
]
"""Of codes, a scratch of -1 for each item, and what it fills: distinct codes, and places."""


def compiled_first_places() -> FirstPlaces | None:
    """The compiled loop of `distinct`; None without numba."""
    column = "int64[::1]"
    return compiled(_first_places, f"int64({column}, int32[::1], {column}, {column})")


def distinct(codes: Tensor, n_items: int) -> tuple[Tensor, Tensor]:
    """The items of `codes` in the order in which they first come (U,), and each code's place (n,).

    Codes are below `n_items`. With numba and codes on the CPU each item is listed once, in one pass
    over the codes, some ten times faster than sorting them. Elsewhere U is n, and an item may be
    listed again at places that no code has: the number of distinct items is never asked for, so
    that the host does not wait for a GPU.
    """
    loop = compiled_first_places() if codes.device.type == "cpu" else None
    if loop is None:
        return codes, _first_places_of_equals(codes, n_items)
    used, places = np.empty(len(codes), dtype=np.int64), np.empty(len(codes), dtype=np.int64)
    n_used = loop(codes.numpy(), _scratch(n_items), used, places)
    return torch.from_numpy(used[:n_used]), torch.from_numpy(places)


@lru_cache(maxsize=8)
def _scratch(n_items: int) -> NDArray[np.int32]:
    return np.full(n_items, -1, dtype=np.int32)


def _first_places(
    codes: NDArray[np.int64],
    place_of_item: NDArray[np.int32],
    used: NDArray[np.int64],
    places: NDArray[np.int64],
) -> int:
    n_used = 0
    for i in range(codes.shape[0]):
        item = codes[i]
        if place_of_item[item] < 0:
            place_of_item[item] = n_used
            used[n_used] = item
            n_used += 1
        places[i] = place_of_item[item]
    for i in range(n_used):
        place_of_item[used[i]] = -1
    return n_used


def _first_places_of_equals(codes: Tensor, n_items: int) -> Tensor:
    numbers = torch.arange(len(codes), device=codes.device)
    place_of_item = codes.new_full((n_items,), len(codes))
    place_of_item.scatter_reduce_(0, codes, numbers, reduce="amin")
    return place_of_item.index_select(0, codes)
