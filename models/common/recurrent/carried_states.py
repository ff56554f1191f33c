"""The user state between windows: each slot's last state is what its next window starts from."""

from __future__ import annotations

import torch
from torch import Tensor

from models.common.recurrent.cells import SessionEncoder
from models.common.sessions.session_batches import BoolArray, Window
from models.common.training.transfer import on_device


class CarriedStates:
    """States of an encoder over the windows of one epoch, in their order; the first are zero."""

    def __init__(self, encoder: SessionEncoder, n_slots: int, device: torch.device) -> None:
        self._encoder = encoder
        self._device = device
        self._carried = encoder.initial_state(n_slots, device)

    def of_window(
        self, window: Window, embedded: Tensor, observed: BoolArray | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """State after each event, (T, W, width), and the last of each layer, (W, width), detached.

        Args:
            window: the next one of the epoch.
            embedded: its inputs, (T, W, input_width).
            observed: which of its events enter the state, bool (T, W); None: all.
        """
        before = self._carried
        has_all_slots = len(window.slots) == len(before[0])
        if not has_all_slots:
            slots = on_device(window.slots, self._device)
            before = [layer.index_select(0, slots) for layer in before]
        states, last = self._encoder(
            embedded,
            before,
            on_device(window.starts, self._device),
            None if observed is None else on_device(observed, self._device),
        )
        if has_all_slots:
            self._carried = last
        else:
            for layer, state in zip(self._carried, last, strict=True):
                layer.index_copy_(0, slots, state)
        return states, last

    def before_targets(
        self, window: Window, embedded: Tensor, observed: BoolArray | None = None
    ) -> Tensor:
        """The same for the events that a target follows alone, (A, width)."""
        states, _ = self.of_window(window, embedded, observed)
        flat: Tensor = states.flatten(0, 1)
        if window.busy is None:
            return flat
        return flat.index_select(0, on_device(window.acting, self._device))
