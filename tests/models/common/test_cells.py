"""Recurrent cells, and the encoder that runs them over windows with sessions starting inside."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from models.common.recurrent.cells import CfnCell, GruCell, SessionEncoder
from models.common.recurrent.session_states import SCORING_SLOTS, SCORING_WINDOW, session_states
from tests.models.common.cell_steps import one_step
from tests.models.logs import make_log, random_log

CPU = torch.device("cpu")


def zeroed(cell: CfnCell) -> CfnCell:
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
    return cell


def cfn_by_hand(cell: CfnCell, inputs: Tensor, state: Tensor) -> Tensor:
    """Eq. 5, gate by gate."""
    w_z, w_i, w_a = cell.input_weight.chunk(3)
    u_z, u_i = cell.state_weight.chunk(2)
    b_z, b_i = cell.state_bias.chunk(2)
    z = torch.sigmoid(state @ u_z.T + inputs @ w_z.T + b_z)
    i = torch.sigmoid(state @ u_i.T + inputs @ w_i.T + b_i)
    return z * torch.tanh(state) + i * torch.tanh(inputs @ w_a.T)


def torch_gru(cell: GruCell, input_width: int) -> nn.GRUCell:
    twin = nn.GRUCell(input_width, cell.width)
    assert cell.input_weight is not None
    with torch.no_grad():
        twin.weight_ih.copy_(cell.input_weight)
        twin.weight_hh.copy_(cell.state_weight)
        twin.bias_ih.copy_(cell.input_bias)
        twin.bias_hh.copy_(cell.state_bias)
    return twin


@torch.no_grad()
def test_cfn_of_zero_weights_halves_the_tanh() -> None:
    cell = zeroed(CfnCell(2, 3))
    after = one_step(cell, torch.randn(1, 2), torch.ones(1, 3))
    torch.testing.assert_close(after, torch.full((1, 3), 0.380797), rtol=0, atol=1e-6)


@torch.no_grad()
def test_cfn_without_input_falls_to_zero() -> None:
    torch.manual_seed(1)
    cell = CfnCell(2, 5)
    state = 3 * torch.randn(4, 5)
    for _ in range(60):
        after = one_step(cell, torch.zeros(4, 2), state)
        assert (after.abs() < state.abs()).all()
        state = after
    assert state.abs().max() < 0.05


@torch.no_grad()
def test_cfn_stays_below_two() -> None:
    torch.manual_seed(1)
    cell = CfnCell(2, 5)
    for parameter in cell.parameters():
        parameter.mul_(50).add_(torch.randn_like(parameter))
    state = torch.zeros(64, 5)
    for _ in range(50):
        state = one_step(cell, 100 * torch.randn(64, 2), state)
        assert state.abs().max() <= 2


@torch.no_grad()
def test_cells_agree_with_independent_ones() -> None:
    torch.manual_seed(2)
    inputs, state = torch.randn(6, 4), torch.randn(6, 3)
    cfn, gru = CfnCell(4, 3), GruCell(4, 3)
    for cell in (cfn, gru):
        for parameter in cell.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    torch.testing.assert_close(one_step(cfn, inputs, state), cfn_by_hand(cfn, inputs, state))
    torch.testing.assert_close(one_step(gru, inputs, state), torch_gru(gru, 4)(inputs, state))


@pytest.mark.parametrize("cell_class", [GruCell, CfnCell])
@torch.no_grad()
def test_batched_states_are_those_of_each_session_alone(
    cell_class: type[GruCell] | type[CfnCell],
) -> None:
    """More sessions than slots, and longer than a window, so that slots and windows change."""
    log = random_log(SCORING_SLOTS + 60, n_items=30, longest=2 * SCORING_WINDOW + 5, seed=4)
    torch.manual_seed(3)
    cells = [cell_class(4, 5), cell_class(5, 3)]
    table = torch.randn(30, 4)
    states = session_states(SessionEncoder(cells), table, log, CPU)
    row = 0
    for first, end in zip(log.offsets[:-1].tolist(), log.offsets[1:].tolist(), strict=True):
        hidden = [torch.zeros(1, 5), torch.zeros(1, 3)]
        for item in log.items[first : end - 1].tolist():
            layer_input = table[item : item + 1]
            for layer, cell in enumerate(cells):
                hidden[layer] = one_step(cell, layer_input, hidden[layer])
                layer_input = hidden[layer]
            torch.testing.assert_close(
                torch.from_numpy(states[row]), layer_input[0], rtol=1e-5, atol=1e-5
            )
            row += 1
    assert row == len(states) == log.n_targets


def test_sessions_of_one_event_have_no_state() -> None:
    encoder = SessionEncoder([CfnCell(2, 3)])
    table = torch.randn(3, 2)
    assert session_states(encoder, table, make_log(["a", "b", "c"]), CPU).shape == (0, 3)
    mixed = session_states(encoder, table, make_log(["a", "bc", "c"]), CPU)
    alone = session_states(encoder, table, make_log(["bc"], catalogue="abc"), CPU)
    torch.testing.assert_close(torch.from_numpy(mixed), torch.from_numpy(alone))


@torch.no_grad()
def test_unobserved_events_leave_the_state_bitwise() -> None:
    torch.manual_seed(5)
    encoder = SessionEncoder([CfnCell(2, 3), GruCell(3, 3)])
    embedded = torch.randn(4, 1, 2)
    starts = torch.tensor([[True], [False], [False], [False]])
    observed = torch.tensor([[False], [True], [False], [True]])
    state = [torch.randn(1, 3), torch.randn(1, 3)]
    states, last = encoder(embedded, state, starts, observed)
    seen, seen_last = encoder(embedded[[1, 3]], state, starts[[0, 1]])
    assert states[0].count_nonzero() == 0
    assert torch.equal(states[1], states[2])
    assert torch.equal(states[[1, 3]], seen)
    assert all(map(torch.equal, last, seen_last))


def test_the_next_step_of_a_window_is_given_the_dropped_state() -> None:
    torch.manual_seed(7)
    cell = GruCell(2, 40)
    embedded, starts = torch.randn(2, 1, 2), torch.tensor([[True], [False]])
    states, _ = SessionEncoder([cell], dropout=0.5).train()(embedded, [torch.zeros(1, 40)], starts)
    alone, _ = SessionEncoder([cell])(embedded[1:], [states[0].detach()], starts[1:])
    kept = states[1] != 0
    assert 5 < int(kept.sum()) < 35
    torch.testing.assert_close(states[1][kept], 2 * alone[0][kept])


def test_dropout_acts_in_training_alone_and_on_the_carried_state() -> None:
    torch.manual_seed(6)
    encoder = SessionEncoder([GruCell(2, 40)], dropout=0.5)
    embedded, starts = torch.randn(1, 1, 2), torch.tensor([[True]])
    state = encoder.initial_state(1, CPU)
    encoder.train()
    states, last = encoder(embedded, state, starts)
    assert 5 < int((states == 0).sum()) < 35
    assert torch.equal(last[0], states[-1])
    encoder.eval()
    assert int((encoder(embedded, state, starts)[0] == 0).sum()) == 0
