"""Loops compiled by numba where that is installed; each has a plain twin for where it is not."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

Loop = Callable[..., Any]


@cache
def compiled(loop: Loop, signature: str, *, reorder_sums: bool = False) -> Loop | None:
    """`loop` for arguments of numba's `signature`; None without numba.

    With `reorder_sums` a sum may be taken in any order, which lets it go several numbers at a time.

    The first call loads numba and compiles. A model makes it when it is built, so that neither a
    command that trains nothing nor the clock of a training waits for it.
    """
    try:
        import numba
    except ImportError:
        return None
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    if reorder_sums:
        options["fastmath"] = {"reassoc", "contract", "nsz"}
    try:
        return numba.njit(signature, cache=True, **options)(loop)
    except RuntimeError:  # no folder that can be written holds its cache
        return numba.njit(signature, **options)(loop)
