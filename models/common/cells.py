"""Recurrent cells that run over a window of steps, with sessions starting inside it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.common.initialisation import uniform_matrix


def _gate_matrices(n_gates: int, rows: int, columns: int) -> nn.Parameter:
    """Stacked gate matrices, each drawn by itself."""
    return nn.Parameter(torch.cat([uniform_matrix(rows, columns) for _ in range(n_gates)]))


class GruCell(nn.Module):
    """Gated recurrent unit with the reset gate after the recurrent product, as in PyTorch.

    r, z = sigma(W x + b + U h + c);  n = tanh(W_n x + b_n + r * (U_n h + c_n));
    h' = (1 - z) n + z h.
    """

    def __init__(self, input_width: int, width: int, *, project_input: bool = True) -> None:
        super().__init__()
        self.width = width
        self.input_weight = _gate_matrices(3, width, input_width) if project_input else None
        self.input_bias = nn.Parameter(torch.zeros(3 * width))
        self.state_weight = _gate_matrices(3, width, width)
        self.state_bias = nn.Parameter(torch.zeros(3 * width))

    def project(self, inputs: Tensor) -> Tensor:
        """The part of the gates that needs no state: (..., input_width) -> (..., 3 width)."""
        if self.input_weight is None:
            return inputs + self.input_bias
        return torch.nn.functional.linear(inputs, self.input_weight, self.input_bias)

    def step(self, projected: Tensor, state: Tensor) -> Tensor:
        """One step: (W, 3 width) and (W, width) -> (W, width)."""
        recurrent = torch.nn.functional.linear(state, self.state_weight, self.state_bias)
        input_gates, input_new = projected.split((2 * self.width, self.width), dim=-1)
        state_gates, state_new = recurrent.split((2 * self.width, self.width), dim=-1)
        reset, update = torch.sigmoid(input_gates + state_gates).chunk(2, dim=-1)
        new = torch.tanh(torch.addcmul(input_new, reset, state_new))
        return torch.lerp(new, state, update)


class CfnCell(nn.Module):
    """Chaos-free network, Chen et al. 2019, eq. 5.

    s' = z * tanh(s) + i * tanh(W_a u);  z = sigma(U_z s + W_z u + b_z);
    i = sigma(U_i s + W_i u + b_i).
    """

    def __init__(self, input_width: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.input_weight = _gate_matrices(3, width, input_width)
        self.gate_bias = nn.Parameter(torch.zeros(2 * width))
        self.state_weight = _gate_matrices(2, width, width)

    def project(self, inputs: Tensor) -> Tensor:
        """The part of the gates that needs no state: (..., input_width) -> (..., 3 width)."""
        return torch.nn.functional.linear(inputs, self.input_weight)

    def step(self, projected: Tensor, state: Tensor) -> Tensor:
        """One step: (W, 3 width) and (W, width) -> (W, width)."""
        input_gates, candidate = projected.split((2 * self.width, self.width), dim=-1)
        recurrent = torch.nn.functional.linear(state, self.state_weight, self.gate_bias)
        keep, take = torch.sigmoid(input_gates + recurrent).chunk(2, dim=-1)
        return keep * torch.tanh(state) + take * torch.tanh(candidate)


class SessionEncoder(nn.Module):
    """Layers of cells from embedded events to one state an event.

    Dropout acts on each layer's output, and the dropped state is what the next step is given,
    as in the code of GRU4Rec's authors.
    """

    def __init__(self, cells: Sequence[GruCell | CfnCell], *, dropout: float = 0.0) -> None:
        super().__init__()
        self.cells = nn.ModuleList(cells)
        self.dropout = dropout

    def initial_state(self, n_slots: int, device: torch.device) -> list[Tensor]:
        """Zeros for each layer, shape (n_slots, width)."""
        return [torch.zeros(n_slots, cell.width, device=device) for cell in self._cells()]

    def forward(
        self,
        embedded: Tensor,
        state: list[Tensor],
        starts: Tensor,
        observed: Tensor | None = None,
    ) -> tuple[Tensor, list[Tensor]]:
        """States after each event, and the last of each layer.

        Args:
            embedded: inputs, (T, W, input_width).
            state: each layer's state before the window, (W, width).
            starts: where a session begins, bool (T, W); the state is zeroed before that event.
            observed: which events enter the state, bool (T, W); None: all.

        Returns:
            states of the last layer (T, W, width), and each layer's last state (W, width).
        """
        carried = (~starts).to(embedded.dtype).unsqueeze(-1)
        kept = None if observed is None else observed.unsqueeze(-1)
        outputs, last = embedded, []
        for cell, hidden in zip(self._cells(), state, strict=True):
            projected = cell.project(outputs)
            states = []
            for t in range(projected.shape[0]):
                before = hidden * carried[t]
                hidden = cell.step(projected[t], before)
                if self.training and self.dropout > 0:
                    hidden = nn.functional.dropout(hidden, self.dropout)
                if kept is not None:
                    hidden = torch.where(kept[t], hidden, before)
                states.append(hidden)
            outputs = torch.stack(states)
            last.append(hidden)
        return outputs, last

    def _cells(self) -> list[GruCell | CfnCell]:
        return list(self.cells)  # type: ignore[arg-type]
