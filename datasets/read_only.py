"""Arrays that refuse writes for good, also through their views and bases."""

from __future__ import annotations

import mmap
from typing import Any, TypeVar

import numpy as np

AnyArray = TypeVar("AnyArray", bound=np.ndarray[Any, Any])


def read_only(array: AnyArray) -> AnyArray:
    """The array itself if nothing can make it writable, else a copy for which that holds.

    Clearing numpy's flag is not enough, since `setflags(write=True)` on the array that owns the
    memory, which every view reaches by `base`, would set it again. The copy is held by `bytes`.
    """
    if _is_sealed(array):
        return array
    return np.ndarray(array.shape, array.dtype, buffer=array.tobytes())  # type: ignore[return-value]


def _is_sealed(array: Any) -> bool:
    """Whether the array and every array it is a view of refuse writes, down to the owner."""
    while isinstance(array, np.ndarray):
        if array.flags.writeable:
            return False
        array = array.base
    if isinstance(array, mmap.mmap):
        with memoryview(array) as memory:
            return memory.readonly
    return isinstance(array, bytes)
