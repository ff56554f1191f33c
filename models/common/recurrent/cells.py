"""Recurrent cells that run over a window of steps, with sessions starting inside it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.common.recurrent.recurrence import CellWeights, Saved, window_states
from models.common.training.initialisation import uniform_matrix


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

    def weights(self) -> CellWeights:
        """As `models.common.recurrent.recurrence.Cell` asks."""
        return CellWeights(self.input_weight, self.input_bias, self.state_weight, self.state_bias)

    @staticmethod
    def forward_step(projected: Tensor, recurrent: Tensor, state: Tensor, after: Tensor) -> Saved:
        """As `models.common.recurrent.recurrence.Cell` asks."""
        width = state.shape[-1]
        gates = torch.add(projected[:, : 2 * width], recurrent[:, : 2 * width]).sigmoid_()
        reset, update = gates.chunk(2, dim=-1)
        state_new = recurrent[:, 2 * width :]
        new = torch.addcmul(projected[:, 2 * width :], reset, state_new).tanh_()
        torch.lerp(new, state, update, out=after)
        return gates, state_new, new

    @staticmethod
    def backward_step(
        grad_after: Tensor,
        state: Tensor,
        saved: Saved,
        grad_projected: Tensor,
        grad_recurrent: Tensor,
    ) -> Tensor:
        """As `models.common.recurrent.recurrence.Cell` asks."""
        gates, state_new, new = saved
        reset, update = gates.chunk(2, dim=-1)
        grad_gates, grad_new = grad_projected.split([gates.shape[-1], new.shape[-1]], dim=-1)
        grad_reset, grad_update = grad_gates.chunk(2, dim=-1)
        grad_state = grad_after * update
        torch.ops.aten.tanh_backward.grad_input(grad_after - grad_state, new, grad_input=grad_new)
        torch.mul(grad_new, state_new, out=grad_reset)
        torch.mul(grad_after, state - new, out=grad_update)
        torch.ops.aten.sigmoid_backward.grad_input(grad_gates, gates, grad_input=grad_gates)
        grad_recurrent.copy_(grad_projected)
        grad_recurrent[:, gates.shape[-1] :].mul_(reset)
        return grad_state


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

    def weights(self) -> CellWeights:
        """As `models.common.recurrent.recurrence.Cell` asks."""
        return CellWeights(self.input_weight, None, self.state_weight, self.state_bias)

    @staticmethod
    def forward_step(projected: Tensor, recurrent: Tensor, state: Tensor, after: Tensor) -> Saved:
        """As `models.common.recurrent.recurrence.Cell` asks."""
        width = state.shape[-1]
        gates = torch.add(projected[:, : 2 * width], recurrent).sigmoid_()
        forget, admit = gates.chunk(2, dim=-1)
        tanh_state = torch.tanh(state)
        candidate = torch.tanh(projected[:, 2 * width :])
        torch.addcmul(forget * tanh_state, admit, candidate, out=after)
        return gates, tanh_state, candidate

    @staticmethod
    def backward_step(
        grad_after: Tensor,
        state: Tensor,
        saved: Saved,
        grad_projected: Tensor,
        grad_recurrent: Tensor,
    ) -> Tensor:
        """As `models.common.recurrent.recurrence.Cell` asks."""
        gates, tanh_state, candidate = saved
        forget, admit = gates.chunk(2, dim=-1)
        grad_gates, grad_candidate = grad_projected.split(
            [gates.shape[-1], candidate.shape[-1]], dim=-1
        )
        grad_forget, grad_admit = grad_recurrent.chunk(2, dim=-1)
        torch.mul(grad_after, tanh_state, out=grad_forget)
        torch.mul(grad_after, candidate, out=grad_admit)
        torch.ops.aten.sigmoid_backward.grad_input(grad_recurrent, gates, grad_input=grad_recurrent)
        grad_gates.copy_(grad_recurrent)
        torch.ops.aten.tanh_backward.grad_input(
            grad_after * admit, candidate, grad_input=grad_candidate
        )
        grad_state: Tensor = torch.ops.aten.tanh_backward(grad_after * forget, tanh_state)
        return grad_state


class SessionEncoder(nn.Module):
    """Layers of cells from embedded events to one state an event.

    Dropout acts on each layer's output, and the dropped state is what the next step is given,
    as in the code of GRU4Rec's authors.
    """

    def __init__(self, cells: Sequence[GruCell | CfnCell], *, dropout: float = 0.0) -> None:
        super().__init__()
        self.cells = nn.ModuleList(cells)
        self.dropout = dropout

    @property
    def width(self) -> int:
        """Of the last layer's state."""
        return self._cells()[-1].width

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
            states of the last layer, (T, W, width); the last state of each layer, detached,
            (W, width).
        """
        carried = (~starts).to(embedded.dtype).unsqueeze(-1)
        enters = None if observed is None else observed.unsqueeze(-1)
        dropout = self.dropout if self.training else 0.0
        outputs, last = embedded, []
        for cell, before in zip(self._cells(), state, strict=True):
            outputs = window_states(
                cell, outputs, before, carried=carried, observed=enters, dropout=dropout
            )
            last.append(outputs[-1].detach())
        return outputs, last

    def _cells(self) -> list[GruCell | CfnCell]:
        return list(self.cells)  # type: ignore[arg-type]


def gru_encoder(
    input_width: int, widths: Sequence[int], project_input: bool, dropout: float
) -> SessionEncoder:
    """Layers of GRU cells; without `project_input` the inputs are the first one's gates already."""
    befores = (input_width, *widths[:-1])
    return SessionEncoder(
        [
            GruCell(before, width, project_input=layer > 0 or project_input)
            for layer, (before, width) in enumerate(zip(befores, widths, strict=True))
        ],
        dropout=dropout,
    )
