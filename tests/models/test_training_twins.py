"""Training of both models against twins in plain autograd, written anew.

The log has sessions of one length, so that a twin's batches are slices of a matrix; the second is
narrower than the first. A twin shares with its model the initial weights and the negatives, and
nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from models.common.sampling.negative_sampler import NegativeSampler
from models.gru4rec import Gru4Rec, Gru4RecConfig
from models.tocr import Tocr, TocrConfig
from tests.models.logs import make_log, trained, weights

N_ITEMS, WIDTH, SESSIONS, EVENTS, BATCH, TRUNCATION, NEGATIVES = 12, 6, 6, 16, 4, 3, 7
STEPS = 10
LEARNING_RATE = 0.05
SEED = 2
SESSION_ITEMS = np.random.default_rng(9).integers(N_ITEMS, size=(SESSIONS, EVENTS))
REWARDS = np.random.default_rng(10).integers(3, size=(SESSIONS, EVENTS)).astype(np.float32)
LOG = make_log(SESSION_ITEMS.tolist(), rewards=REWARDS.ravel().tolist(), catalogue=range(N_ITEMS))

pytestmark = pytest.mark.usefixtures("loops")

Parameters = dict[str, Tensor]
Cell = Callable[[Parameters, Tensor, Tensor], Tensor]
StepLoss = Callable[[Parameters, Tensor, Tensor, Tensor, list[tuple[int, int]]], Tensor]
"""Of parameters, states, target items, drawn negatives, and session and position of each target."""


def gru(p: Parameters, x: Tensor, h: Tensor) -> Tensor:
    """torch's own cell."""
    names = ("input_weight", "state_weight", "input_bias", "state_bias")
    return torch.gru_cell(x, h, *(p[f"encoder.cells.0.{name}"] for name in names))


def gru_of_projected(p: Parameters, x: Tensor, h: Tensor) -> Tensor:
    """torch's own cell on inputs that are gate activations already."""
    names = ("state_weight", "input_bias", "state_bias")
    return torch.gru_cell(
        x, h, torch.eye(3 * WIDTH), *(p[f"encoder.cells.0.{name}"] for name in names)
    )


def cfn(p: Parameters, x: Tensor, s: Tensor) -> Tensor:
    """Eq. 5 of the paper."""
    w_z, w_i, w_a = p["encoder.cells.0.input_weight"].split(WIDTH)
    u_z, u_i = p["encoder.cells.0.state_weight"].split(WIDTH)
    b_z, b_i = p["encoder.cells.0.state_bias"].split(WIDTH)
    z = torch.sigmoid(s @ u_z.T + x @ w_z.T + b_z)
    i = torch.sigmoid(s @ u_i.T + x @ w_i.T + b_i)
    return z * torch.tanh(s) + i * torch.tanh(x @ w_a.T)


def train_twin(
    initial: Parameters, inputs: str, cell: Cell, step_loss: StepLoss, n_negatives: int
) -> Parameters:
    """One epoch of back-propagation through `TRUNCATION` steps with a dense Adagrad."""
    parameters = {name: value.clone().requires_grad_() for name, value in initial.items()}
    squares = {name: torch.zeros_like(value) for name, value in initial.items()}
    negatives = NegativeSampler(
        np.bincount(SESSION_ITEMS.ravel(), minlength=N_ITEMS),
        alpha=0.5,
        seed=SEED,
        device=torch.device("cpu"),
    )
    n_steps = 0
    for first in range(0, SESSIONS, BATCH):
        sessions = torch.from_numpy(SESSION_ITEMS[first : first + BATCH])
        state = torch.zeros(len(sessions), WIDTH)
        for start in range(0, EVENTS - 1, TRUNCATION):
            end = min(start + TRUNCATION, EVENTS - 1)
            states = []
            for t in range(start, end):
                state = cell(parameters, parameters[inputs][sessions[:, t]], state)
                states.append(state)
            targets = sessions[:, start + 1 : end + 1].T.flatten()
            places = [
                (first + s, t) for t in range(start + 1, end + 1) for s in range(len(sessions))
            ]
            drawn = negatives.draw(n_negatives)
            loss = step_loss(parameters, torch.cat(states), targets, drawn, places)
            (loss / (BATCH * TRUNCATION)).backward()
            with torch.no_grad():
                for name, value in parameters.items():
                    if value.grad is None:
                        continue
                    squares[name] += value.grad**2
                    value -= LEARNING_RATE * value.grad / (squares[name] + 1e-6).sqrt()
                    value.grad = None
            state = state.detach()
            n_steps += 1
    assert n_steps == STEPS
    return {name: value.detach() for name, value in parameters.items()}


def assert_equal(model: Any, twin: Parameters, initial: Parameters) -> None:
    for name, value in weights(model).items():
        torch.testing.assert_close(
            value, twin[name], rtol=0, atol=1e-5, msg=lambda m, n=name: n + m
        )
        assert (value - initial[name]).abs().max() > 1e-3, f"{name} was not trained"


def initial_weights(model_class: Any, config: Any) -> Parameters:
    """What a fit starts from: a step so small leaves every number as it is."""
    model, _ = trained(model_class, config(learning_rate=1e-30), LOG, seed=SEED)
    return weights(model)


@pytest.mark.parametrize("cell", ["gru", "cfn"])
@pytest.mark.parametrize("sampled", [False, True], ids=["full", "sampled"])
def test_tocr_without_corrections_is_cross_entropy(cell: str, sampled: bool) -> None:
    def config(**options: Any) -> TocrConfig:
        return TocrConfig(
            **options, epochs=1, batch_size=BATCH, truncation=TRUNCATION, width=WIDTH,
            zero_reward_in_state=True, cell=cell, K=1, cap=float("inf"),
            off_policy=False, reward_weighted=False, behaviour_negatives=0,
            negatives=NEGATIVES, full_softmax_items=1 if sampled else N_ITEMS,
            dropout_embedding=0, dropout_hidden=0,
        )  # type: ignore[arg-type]  # fmt: skip

    counts = np.bincount(SESSION_ITEMS.ravel(), minlength=N_ITEMS) ** 0.5
    expected = torch.from_numpy(NEGATIVES * counts / counts.sum()).float()

    def step_loss(p: Parameters, states: Tensor, targets: Tensor, drawn: Tensor, _: Any) -> Tensor:
        total = torch.zeros(())
        for head, state in (("policy", states), ("behaviour", states.detach())):
            logits = state @ p[head].T
            if sampled:
                others = logits[:, drawn] - expected[drawn].log()
                others = torch.where(drawn == targets[:, None], -torch.inf, others)
                logits = torch.cat([logits.gather(1, targets[:, None]), others], dim=1)
                wanted = torch.zeros_like(targets)
            else:
                wanted = targets
            total = total + torch.nn.functional.cross_entropy(logits, wanted, reduction="sum")
        return total

    initial = initial_weights(Tocr, config)
    model, progress = trained(Tocr, config(learning_rate=LEARNING_RATE), LOG, seed=SEED)
    assert len(progress) == STEPS + 1
    twin = train_twin(initial, "inputs", gru if cell == "gru" else cfn, step_loss, NEGATIVES)
    assert_equal(model, twin, initial)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("cap", [1.5, float("inf")])
@pytest.mark.parametrize(("kl", "baseline"), [(0.0, "none"), (0.3, "none"), (0.3, "mean")])
def test_tocr_is_section_by_section_the_paper_s(
    k: int, cap: float, kl: float, baseline: Any
) -> None:
    """Capped ratio, top-K factor, discounted return, positive rewards in L_pi and all in L_beta.

    With KL(beta || pi) every action is one of L_pi besides, rewarded or not. Returns are in units
    of the mean positive reward. With a baseline every action has an advantage.
    """
    discount = 0.8
    unit = float(REWARDS[REWARDS > 0].mean())

    def config(**options: Any) -> TocrConfig:
        return TocrConfig(
            **options, epochs=1, batch_size=BATCH, truncation=TRUNCATION, width=WIDTH,
            cell="gru", K=k, cap=cap, kl=kl, baseline=baseline, discount=discount, temperature=1.3,
            zero_reward_in_state=True, dropout_embedding=0, dropout_hidden=0,
        )  # fmt: skip

    def value_of(session: int, position: int) -> float:
        if REWARDS[session, position] == 0:
            return 0.0
        later = REWARDS[session, position:]
        return sum(discount**i * float(reward) / unit for i, reward in enumerate(later))

    places_of_actions = [(s, t) for s in range(SESSIONS) for t in range(1, EVENTS)]
    mean = float(np.mean([value_of(*place) for place in places_of_actions]))
    constant = mean if baseline == "mean" else 0.0
    n_capped = n_rewarded = 0

    def step_loss(
        p: Parameters, states: Tensor, targets: Tensor, _: Tensor, places: list[tuple[int, int]]
    ) -> Tensor:
        nonlocal n_capped, n_rewarded
        total = torch.zeros(())
        for state, target, (session, position) in zip(states, targets, places, strict=True):
            beta = torch.softmax(p["behaviour"] @ state.detach(), dim=0)[target]
            pi = torch.softmax(p["policy"] @ state / 1.3, dim=0)[target]
            total = total - beta.log() - kl * pi.log()
            if REWARDS[session, position] == 0 and baseline == "none":
                continue
            value = value_of(session, position) - constant
            ratio = float(pi.detach() / beta.detach())
            n_capped, n_rewarded = n_capped + (ratio > cap), n_rewarded + 1
            coefficient = min(ratio, cap) * k * (1 - float(pi.detach())) ** (k - 1)
            total = total - coefficient * value * pi.log()
        return total

    initial = initial_weights(Tocr, config)
    model, progress = trained(Tocr, config(learning_rate=LEARNING_RATE), LOG, seed=SEED)
    twin = train_twin(initial, "inputs", gru, step_loss, NEGATIVES)
    assert_equal(model, twin, initial)
    found = progress[-1].diagnostics
    assert found["share capped"] == pytest.approx(n_capped / n_rewarded)
    assert (0 < n_capped < n_rewarded) == (cap < 2)


@pytest.mark.parametrize("embedding", ["constrained", "separate", "none"])
@pytest.mark.parametrize("logq", [0.0, 1.0])
def test_gru4rec_is_cross_entropy_over_targets_and_negatives(embedding: str, logq: float) -> None:
    def config(**options: Any) -> Gru4RecConfig:
        return Gru4RecConfig(
            **options, epochs=1, batch_size=BATCH, truncation=TRUNCATION, layers=(WIDTH,),
            embedding=embedding, embedding_width=WIDTH, negatives=NEGATIVES, logq=logq,
            dropout_embedding=0, dropout_hidden=0,
        )  # type: ignore[arg-type]  # fmt: skip

    support = np.bincount(SESSION_ITEMS.ravel(), minlength=N_ITEMS)
    of_targets = np.bincount(SESSION_ITEMS[:, 1:].ravel(), minlength=N_ITEMS)
    in_batch = torch.from_numpy(of_targets / (of_targets.sum() - 1))
    drawing = torch.from_numpy(support**0.5 / (support**0.5).sum())

    def step_loss(p: Parameters, states: Tensor, targets: Tensor, drawn: Tensor, _: Any) -> Tensor:
        """Row by row: own target first, then the other targets and the draws."""
        losses = []
        for row, (state, target) in enumerate(zip(states, targets, strict=True)):
            others = torch.cat([targets[:row], targets[row + 1 :], drawn])
            if logq:
                others = others[others != target]
            expected = (len(targets) - 1) * in_batch[others] + NEGATIVES * drawing[others]
            scores = p["items"][others] @ state + p["bias"][others] - logq * expected.log().float()
            own = p["items"][target] @ state + p["bias"][target]
            losses.append(torch.logsumexp(torch.cat([own[None], scores]), dim=0) - own)
        return torch.stack(losses).sum()

    initial = initial_weights(Gru4Rec, config)
    model, progress = trained(Gru4Rec, config(learning_rate=LEARNING_RATE), LOG, seed=SEED)
    assert len(progress) == STEPS + 1
    twin = train_twin(
        initial,
        "items" if embedding == "constrained" else "inputs",
        gru_of_projected if embedding == "none" else gru,
        step_loss,
        NEGATIVES,
    )
    assert_equal(model, twin, initial)
