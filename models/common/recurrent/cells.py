"""Recurrent cells that run over a window of steps, with sessions starting inside it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.common.recurrent.recurrence import (
    CellWeights,
    Saved,
    WindowPass,
    back_through_window,
    differentiable_window,
    run_window,
)
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
        by_after: Tensor, state: Tensor, saved: Saved, by_projected: Tensor, by_recurrent: Tensor
    ) -> Tensor:
        """As `models.common.recurrent.recurrence.Cell` asks."""
        gates, state_new, new = saved
        reset, update = gates.chunk(2, dim=-1)
        by_gates, by_new = by_projected.split([gates.shape[-1], new.shape[-1]], dim=-1)
        by_reset, by_update = by_gates.chunk(2, dim=-1)
        by_state = by_after * update
        torch.ops.aten.tanh_backward.grad_input(by_after - by_state, new, grad_input=by_new)
        torch.mul(by_new, state_new, out=by_reset)
        torch.mul(by_after, state - new, out=by_update)
        torch.ops.aten.sigmoid_backward.grad_input(by_gates, gates, grad_input=by_gates)
        by_recurrent.copy_(by_projected)
        by_recurrent[:, gates.shape[-1] :].mul_(reset)
        return by_state


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
        keep, take = gates.chunk(2, dim=-1)
        squashed = torch.tanh(state)
        candidate = torch.tanh(projected[:, 2 * width :])
        torch.addcmul(keep * squashed, take, candidate, out=after)
        return gates, squashed, candidate

    @staticmethod
    def backward_step(
        by_after: Tensor, state: Tensor, saved: Saved, by_projected: Tensor, by_recurrent: Tensor
    ) -> Tensor:
        """As `models.common.recurrent.recurrence.Cell` asks."""
        gates, squashed, candidate = saved
        keep, take = gates.chunk(2, dim=-1)
        by_gates, by_candidate = by_projected.split([gates.shape[-1], candidate.shape[-1]], dim=-1)
        by_keep, by_take = by_recurrent.chunk(2, dim=-1)
        torch.mul(by_after, squashed, out=by_keep)
        torch.mul(by_after, candidate, out=by_take)
        torch.ops.aten.sigmoid_backward.grad_input(by_recurrent, gates, grad_input=by_recurrent)
        by_gates.copy_(by_recurrent)
        torch.ops.aten.tanh_backward.grad_input(by_after * take, candidate, grad_input=by_candidate)
        by_state: Tensor = torch.ops.aten.tanh_backward(by_after * keep, squashed)
        return by_state


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
        """States after each event, and the last of each layer, as operations of torch's graph.

        Args:
            embedded: inputs, (T, W, input_width).
            state: each layer's state before the window, (W, width).
            starts: where a session begins, bool (T, W); the state is zeroed before that event.
            observed: which events enter the state, bool (T, W); None: all.

        Returns:
            states of the last layer, (T, W, width); the last state of each layer, (W, width), cut
            from the graph.
        """
        carried, enters = _masks(embedded, starts, observed)
        dropout = self.dropout if self.training else 0.0
        outputs, last = embedded, []
        for cell, before in zip(self._cells(), state, strict=True):
            outputs = differentiable_window(
                cell, outputs, before, carried=carried, observed=enters, dropout=dropout
            )
            last.append(outputs[-1].detach())
        return outputs, last

    def run(
        self,
        embedded: Tensor,
        state: list[Tensor],
        starts: Tensor,
        observed: Tensor | None = None,
    ) -> list[WindowPass]:
        """The same without a graph: the way through each layer, for `back_through`."""
        carried, enters = _masks(embedded, starts, observed)
        dropout = self.dropout if self.training else 0.0
        passes = []
        for cell, before in zip(self._cells(), state, strict=True):
            passed = run_window(
                cell, embedded, before, carried=carried, observed=enters, dropout=dropout
            )
            passes.append(passed)
            embedded = passed.states
        return passes

    def back_through(self, passes: list[WindowPass], by_states: Tensor) -> Tensor:
        """Gradient by the inputs of `run`, (T, W, input_width); adds those by the parameters.

        Args:
            passes: what `run` returned.
            by_states: gradient by the states of the last layer, (T, W, width).
        """
        for cell, passed in zip(reversed(self._cells()), reversed(passes), strict=True):
            by_states, by_weights = back_through_window(cell, passed, by_states)
            for weight, gradient in zip(cell.weights(), by_weights, strict=True):
                if weight is not None and gradient is not None:
                    weight.grad = gradient if weight.grad is None else weight.grad + gradient
        return by_states

    def _cells(self) -> list[GruCell | CfnCell]:
        return list(self.cells)  # type: ignore[arg-type]


def _masks(
    embedded: Tensor, starts: Tensor, observed: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """0 where a session begins, else 1, and which events enter the state, both (T, W, 1)."""
    carried = (~starts).to(embedded.dtype).unsqueeze(-1)
    return carried, None if observed is None else observed.unsqueeze(-1)
