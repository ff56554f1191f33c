"""GRU4Rec against a slow reference, written from the equations and walking each session by itself.

The reference shares with the model its initial weights and the stream of negatives, and nothing
else: the schedule, the cell, the losses and the optimiser are written anew, in float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from models.common.sampling import ranking_losses
from models.common.sampling.negative_sampler import NegativeSampler
from models.common.sampling.ranking_losses import ScoreColumns
from models.gru4rec import Gru4Rec, Gru4RecConfig
from tests.models.logits import of_scores
from tests.models.logs import make_log, trained, weights

N_ITEMS = 40
UNSEEN = 39
LENGTHS = [5, 2, 9, 1, 3, 7, 2, 4, 2, 12, 3, 2]
BATCH = 4
SEED = 3
CODES = np.random.default_rng(5).integers(UNSEEN, size=sum(LENGTHS)) ** 2 // UNSEEN
SESSIONS = [part.tolist() for part in np.split(CODES, np.cumsum(LENGTHS)[:-1])]
LOG = make_log(SESSIONS, catalogue=range(N_ITEMS))
SUPPORT = np.bincount(CODES, minlength=N_ITEMS)
TARGET_COUNTS = np.bincount(
    [item for session in SESSIONS for item in session[1:]], minlength=N_ITEMS
)

Place = tuple[int, int, int]
"""Slot, session and position in the session of an input event."""


def steps_of_epoch(n_slots: int) -> Iterator[list[Place]]:
    """ICLR 2016, section 3.1.1: a slot that ends takes the next session, or disappears."""
    waiting = [session for session, items in enumerate(SESSIONS) if len(items) > 1]
    running = {slot: (waiting.pop(0), 0) for slot in range(min(n_slots, len(waiting)))}
    while running:
        yield [(slot, *place) for slot, place in running.items()]
        for slot, (session, position) in list(running.items()):
            if position + 2 < len(SESSIONS[session]):
                running[slot] = (session, position + 1)
            elif waiting:
                running[slot] = (waiting.pop(0), 0)
            else:
                del running[slot]


def test_the_schedule_is_the_paper_s() -> None:
    steps = list(steps_of_epoch(BATCH))
    assert steps[0] == [(0, 0, 0), (1, 1, 0), (2, 2, 0), (3, 4, 0)]
    assert steps[1] == [(0, 0, 1), (1, 5, 0), (2, 2, 1), (3, 4, 1)]
    assert steps[2] == [(0, 0, 2), (1, 5, 1), (2, 2, 2), (3, 6, 0)]
    assert len(steps[-1]) == 1, "no tail in which slots have disappeared"
    assert sum(map(len, steps)) == LOG.n_targets


@dataclass
class Reference:
    """Weights by the model's own names, and Adagrad's memory of them."""

    config: Gru4RecConfig
    parameters: dict[str, Tensor]

    def __post_init__(self) -> None:
        self.parameters = {
            name: value.double().requires_grad_() for name, value in self.parameters.items()
        }
        self.squares = {name: torch.zeros_like(value) for name, value in self.parameters.items()}
        self.velocity = {name: torch.zeros_like(value) for name, value in self.parameters.items()}
        self.inputs = "items" if self.config.embedding == "constrained" else "inputs"

    def cell(self, layer: int, x: Tensor, h: Tensor) -> Tensor:
        """GRU of one event: gates are stacked as reset, update, new."""
        p = {
            name.rpartition(".")[2]: value
            for name, value in self.parameters.items()
            if name.startswith(f"encoder.cells.{layer}.")
        }
        of_input = p["input_weight"] @ x if "input_weight" in p else x
        a_r, a_z, a_n = (of_input + p["input_bias"]).chunk(3)
        b_r, b_z, b_n = (p["state_weight"] @ h + p["state_bias"]).chunk(3)
        r, z = torch.sigmoid(a_r + b_r), torch.sigmoid(a_z + b_z)
        return (1 - z) * torch.tanh(a_n + r * b_n) + z * h

    def walk(self, places: list[Place], hidden: list[Tensor]) -> Iterator[list[Tensor]]:
        """Hidden states of all layers after each of one slot's events."""
        for _, session, position in places:
            if position == 0:
                hidden = [torch.zeros_like(h) for h in hidden]
            x, after = self.parameters[self.inputs][SESSIONS[session][position]], []
            for layer, h in enumerate(hidden):
                x = self.cell(layer, x, h)
                after.append(x)
            hidden = after
            yield hidden

    def loss(self, states: list[Tensor], targets: list[int], drawn: list[int]) -> Tensor:
        """Sum over rows; the negatives of a row are the other rows' targets and the draws."""
        total = torch.zeros((), dtype=torch.float64)
        for row, (state, target) in enumerate(zip(states, targets, strict=True)):
            in_batch = targets[:row] + targets[row + 1 :]
            if in_batch or drawn:
                row_loss = bpr_max if self.config.loss == "bpr-max" else cross_entropy
                items, bias = self.parameters["items"], self.parameters["bias"]
                scores = items @ state + bias
                total = total + row_loss(self.config, scores, target, in_batch, drawn)
        return total

    def update(self, touched: dict[str, set[int]]) -> None:
        """Adagrad and classical momentum, in the tables on the touched rows alone."""
        for name, p in self.parameters.items():
            gradient = torch.zeros_like(p) if p.grad is None else p.grad
            rows = torch.tensor(sorted(touched.get(name, range(len(p)))))
            g, p.grad = gradient[rows], None
            self.squares[name][rows] += g**2
            step = self.config.learning_rate * g / (self.squares[name][rows] + 1e-6).sqrt()
            self.velocity[name][rows] = self.config.momentum * self.velocity[name][rows] - step
            with torch.no_grad():
                p[rows] += self.velocity[name][rows]


def cross_entropy(
    config: Gru4RecConfig, scores: Tensor, target: int, in_batch: list[int], drawn: list[int]
) -> Tensor:
    own = scores[target]
    others = scores[in_batch + drawn]
    support = torch.from_numpy(SUPPORT).double()
    if config.logq and config.logq_form == "official":
        own = own - config.logq * support[target].log()
        of_drawn = (support[drawn] ** config.negative_alpha).log()
        others = others - config.logq * torch.cat([support[in_batch].log(), of_drawn])
    elif config.logq:
        kept = torch.tensor([item for item in in_batch + drawn if item != target])
        share = support**config.negative_alpha / (support**config.negative_alpha).sum()
        in_step = torch.from_numpy(TARGET_COUNTS / (TARGET_COUNTS.sum() - 1))
        expected = len(in_batch) * in_step + len(drawn) * share
        others = scores[kept] - config.logq * expected[kept].log()
    return -torch.log(own.exp() / (own.exp() + others.exp().sum()) + 1e-24)


def bpr_max(
    config: Gru4RecConfig, scores: Tensor, target: int, in_batch: list[int], drawn: list[int]
) -> Tensor:
    if config.elu:
        scores = torch.where(scores > 0, scores, config.elu * (scores.exp() - 1))
    others = scores[in_batch + drawn]
    weight = others.exp() / others.exp().sum()
    better = (weight * torch.sigmoid(scores[target] - others)).sum()
    return -torch.log(better + 1e-24) + config.bpreg * (weight * others**2).sum()


def train_reference(config: Gru4RecConfig, initial: dict[str, Tensor]) -> tuple[Reference, Any]:
    """The reference after all epochs, and the mean loss since its epoch began after each step."""
    reference = Reference(config, initial)
    sampler = NegativeSampler(
        SUPPORT, alpha=config.negative_alpha, seed=SEED, device=torch.device("cpu")
    )
    means = []
    for _ in range(config.epochs):
        steps = list(steps_of_epoch(config.batch_size))
        # Carried from update to update: what older weights have made of the session so far.
        hidden = {
            slot: [torch.zeros(width, dtype=torch.float64) for width in config.layers]
            for slot in range(config.batch_size)
        }
        losses, n_targets = 0.0, 0
        for first in range(0, len(steps), config.truncation):
            window = [place for step in steps[first : first + config.truncation] for place in step]
            state_after = {}
            for slot in {place[0] for place in window}:
                mine = [place for place in window if place[0] == slot]
                for place, after in zip(mine, reference.walk(mine, hidden[slot]), strict=True):
                    state_after[place] = after[-1]
                    hidden[slot] = [layer.detach() for layer in after]
            inputs = [SESSIONS[session][position] for _, session, position in window]
            targets = [SESSIONS[session][position + 1] for _, session, position in window]
            drawn = sampler.draw(config.negatives).tolist()
            loss = reference.loss([state_after[place] for place in window], targets, drawn)
            losses, n_targets = losses + float(loss.detach()), n_targets + len(window)
            means.append(losses / n_targets)
            if len(targets) + len(drawn) == 1:
                continue  # nothing to rank a lone target above: the authors end the epoch here
            (loss / (config.batch_size * config.truncation)).backward()
            outputs = {*targets, *drawn}
            touched = {"items": outputs, "bias": outputs}
            touched[reference.inputs] = touched.get(reference.inputs, set()) | set(inputs)
            reference.update(touched)
    return reference, means


def test_bpr_max_holds_a_target_down_that_is_its_own_negative() -> None:
    """The authors' code as well: so a log of a few items needs another loss, or no bpreg."""

    def slope(items: list[int]) -> float:
        """Of the loss by the target's score, item 0; the other columns follow it."""
        columns = ScoreColumns(torch.tensor(items), torch.tensor(items), 1, 3)
        scores = torch.tensor([[2.0, 0.1, -0.3]])
        leaf = scores.clone().requires_grad_()
        ranking_losses.bpr_max(*of_scores(leaf), columns, elu=0, bpreg=1.0).sum().backward()
        assert leaf.grad is not None
        return float(leaf.grad[0, 0])

    assert slope([0, 1, 1, 2]) < 0 < slope([0, 1, 0, 2])


CROSS_ENTROPY = Gru4RecConfig(
    learning_rate=0.1, batch_size=BATCH, truncation=1, layers=(6,), embedding_width=5,
    negatives=7, negative_alpha=0.5, logq=0, dropout_embedding=0, dropout_hidden=0, momentum=0,
    elu=0.5, bpreg=1.0,
)  # fmt: skip


@pytest.mark.usefixtures("loops")
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"logq": 1, "logq_form": "official", "momentum": 0.3},
        {"logq": 1, "logq_form": "exact", "momentum": 0.3},
        {"truncation": 4, "logq": 0.7, "logq_form": "exact"},
        {"truncation": 4, "logq": 0.7, "logq_form": "official", "embedding": "separate"},
        {"embedding": "separate", "momentum": 0.3, "layers": (5, 6)},
        {"embedding": "none", "logq": 1, "logq_form": "official"},
        {"embedding": "none", "logq": 1, "logq_form": "exact", "truncation": 4, "momentum": 0.3},
        {"negatives": 0, "momentum": 0.3, "layers": (5, 6)},
        {"batch_size": 64, "negatives": 1},
        {"loss": "bpr-max"},
        {"loss": "bpr-max", "momentum": 0.3, "truncation": 4, "layers": (5, 6)},
        {"loss": "bpr-max", "embedding": "separate", "elu": 0, "bpreg": 2, "momentum": 0.3},
        {"loss": "bpr-max", "embedding": "none", "truncation": 4},
        {"loss": "bpr-max", "negatives": 0},
    ],
    ids=lambda options: "-".join(map(str, options.values())) or "authors-defaults",
)
def test_every_step_is_the_reference_s(options: dict[str, Any]) -> None:
    config = Gru4RecConfig(**(asdict(CROSS_ENTROPY) | {"epochs": 1} | options))
    n_windows = -(-len(list(steps_of_epoch(config.batch_size))) // config.truncation)
    epochs = -(-20 // n_windows)
    config = Gru4RecConfig(**(asdict(config) | {"epochs": epochs}))
    # A step so small leaves every number as it is.
    still = Gru4RecConfig(**(asdict(config) | {"learning_rate": 1e-30, "epochs": 1}))
    initial = weights(trained(Gru4Rec, still, LOG, seed=SEED)[0])

    model, progress = trained(Gru4Rec, config, LOG, seed=SEED)
    reference, means = train_reference(config, initial)

    steps = [seen for seen in progress if not seen.epoch_ended]
    assert len(steps) == len(means) == epochs * n_windows >= 20
    np.testing.assert_allclose([seen.loss for seen in steps], means, rtol=1e-5)
    for name, value in weights(model).items():
        expected = reference.parameters[name].detach()
        np.testing.assert_allclose(value, expected, rtol=0, atol=1e-5, err_msg=name)
        assert (value - initial[name]).abs().max() > 1e-3, f"{name} was not trained"
    assert torch.equal(weights(model)["items"][UNSEEN], initial["items"][UNSEEN])
