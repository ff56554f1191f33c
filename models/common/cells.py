"""Recurrent cells that run over a window of steps, with sessions starting inside it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.common.initialisation import uniform_matrix
from models.common.recurrence import Backward, run_window


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

    @staticmethod
    def forward_step(
        projected: Tensor, recurrent: Tensor, state: Tensor
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """As `models.common.recurrence.StepFunctions` asks."""
        width = state.shape[-1]
        gates = torch.sigmoid(projected[:, : 2 * width] + recurrent[:, : 2 * width])
        reset, update = gates.chunk(2, dim=-1)
        state_new = recurrent[:, 2 * width :]
        new = torch.addcmul(projected[:, 2 * width :], reset, state_new).tanh_()
        return torch.lerp(new, state, update), (gates, state_new, new)

    @staticmethod
    def backward_step(by_next: Tensor, state: Tensor, saved: tuple[Tensor, ...]) -> Backward:
        """As `models.common.recurrence.StepFunctions` asks."""
        gates, state_new, new = saved
        reset, update = gates.chunk(2, dim=-1)
        by_state = by_next * update
        by_new = torch.ops.aten.tanh_backward(by_next - by_state, new)
        by_gates = torch.cat([by_new * state_new, by_next * (state - new)], dim=-1)
        by_gates = torch.ops.aten.sigmoid_backward(by_gates, gates)
        return Backward(
            torch.cat([by_gates, by_new], dim=-1),
            torch.cat([by_gates, by_new * reset], dim=-1),
            by_state,
        )


class CfnCell(nn.Module):
    """Chaos-free network, Chen et al. 2019, eq. 5.

    s' = z * tanh(s) + i * tanh(W_a u);  z = sigma(U_z s + W_z u + b_z);
    i = sigma(U_i s + W_i u + b_i).
    """

    def __init__(self, input_width: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.input_weight = _gate_matrices(3, width, input_width)
        self.state_bias = nn.Parameter(torch.zeros(2 * width))
        self.state_weight = _gate_matrices(2, width, width)

    def project(self, inputs: Tensor) -> Tensor:
        """The part of the gates that needs no state: (..., input_width) -> (..., 3 width)."""
        return torch.nn.functional.linear(inputs, self.input_weight)

    @staticmethod
    def forward_step(
        projected: Tensor, recurrent: Tensor, state: Tensor
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """As `models.common.recurrence.StepFunctions` asks."""
        width = state.shape[-1]
        gates = torch.sigmoid(projected[:, : 2 * width] + recurrent)
        keep, take = gates.chunk(2, dim=-1)
        squashed = torch.tanh(state)
        candidate = torch.tanh(projected[:, 2 * width :])
        return torch.addcmul(keep * squashed, take, candidate), (gates, squashed, candidate)

    @staticmethod
    def backward_step(by_next: Tensor, state: Tensor, saved: tuple[Tensor, ...]) -> Backward:
        """As `models.common.recurrence.StepFunctions` asks."""
        gates, squashed, candidate = saved
        keep, take = gates.chunk(2, dim=-1)
        by_gates = torch.cat([by_next * squashed, by_next * candidate], dim=-1)
        by_gates = torch.ops.aten.sigmoid_backward(by_gates, gates)
        by_candidate = torch.ops.aten.tanh_backward(by_next * take, candidate)
        return Backward(
            torch.cat([by_gates, by_candidate], dim=-1),
            by_gates,
            torch.ops.aten.tanh_backward(by_next * keep, squashed),
        )


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
            states of the last layer, (T, W, width); the last state of each layer, (W, width), cut
            from the graph.
        """
        carried = (~starts).to(embedded.dtype).unsqueeze(-1)
        enters = None if observed is None else observed.unsqueeze(-1)
        dropout = self.dropout if self.training else 0.0
        outputs, last = embedded, []
        for cell, before in zip(self._cells(), state, strict=True):
            outputs = run_window(
                type(cell),
                cell.project(outputs),
                before,
                cell.state_weight,
                cell.state_bias,
                carried=carried,
                observed=enters,
                dropout=dropout,
            )
            last.append(outputs[-1].detach())
        return outputs, last

    def _cells(self) -> list[GruCell | CfnCell]:
        return list(self.cells)  # type: ignore[arg-type]
