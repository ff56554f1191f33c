"""Arrays of the host on the device that trains."""

from __future__ import annotations

import torch
from numpy.typing import ArrayLike
from torch import Tensor


def on_device(array: ArrayLike, device: torch.device) -> Tensor:
    """`array` as a tensor there; the host does not wait until a GPU has read it."""
    tensor = torch.as_tensor(array)
    if device.type == "cpu":
        return tensor
    return tensor.pin_memory().to(device, non_blocking=True)
