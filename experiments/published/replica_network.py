"""The network of the published replication, with a switch for each thing that can be read two ways.

Plain torch, apart from the models: a GRU, two softmax heads on its state, Adam, a sampled softmax
with log-uniform candidates, steps that carry the state and send no gradient back over it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from datasets.session_log import FloatArray, SessionLog
from models.common.policy.returns import discounted_returns
from models.common.recurrent.cells import GruCell, SessionEncoder
from models.common.recurrent.session_states import session_states
from models.common.sessions.session_batches import SessionBatches
from models.common.training.initialisation import uniform_matrix
from models.recommender import Factors

WIDTH = 100
Weight = Literal["none", "two draws", "draw of pi", "draw of beta", "logged", "lambda"]


@dataclass(frozen=True)
class Reading:
    """One way to read the published code; the defaults are the code as it is printed."""

    weight: Weight = "two draws"
    """Actions at which pi / beta is taken: a' ~ pi over a'' ~ beta, one draw for both, or the
    logged one. "lambda" takes the ratio for 1, at the logged one; "none" is cross-entropy alone,
    the write-up's session RNN."""
    mean_weight: bool = False
    """Whether a batch's mean weight multiplies its mean loss, as the mean of a (B, 1) by (B,)
    product does."""
    blocked: bool = False
    """Whether the weight is a constant to the gradient."""
    all_variables: bool = True
    """Whether the policy's loss reaches the behaviour head through the weight."""
    k: int = 16
    """K of lambda_K."""
    cap: float = math.inf
    """Largest pi / beta."""
    rewarded: bool = False
    """Whether the reward is 1 for a high rating and else 0, instead of 1 for every event."""
    normalised: bool = False
    """Whether returns are brought to mean 0 and standard deviation 1."""
    across_sessions: bool = True
    """Whether a return runs on over the end of its session, as an unmasked sum does."""
    discount: float = 0.9
    negatives: int = 120
    """Candidates of the sampled softmax; 0: the whole catalogue."""
    log_uniform: bool = True
    """Candidates by place in the catalogue, as TensorFlow's default; else by support ** 0.5."""
    truncation: int = 1
    batch_size: int = 64
    adagrad: bool = False
    learning_rate: float = 0.01


class ReplicaNetwork:
    """What `rank_targets` ranks: states, the policy head and its bias."""

    def __init__(self, reading: Reading, train: SessionLog, seed: int) -> None:
        torch.manual_seed(seed)
        self._reading, self._train = reading, train
        n_items = train.n_items
        self._encoder = SessionEncoder([GruCell(WIDTH, WIDTH)])
        self._inputs = nn.Parameter(uniform_matrix(n_items, WIDTH))
        self._policy = (
            nn.Parameter(uniform_matrix(n_items, WIDTH)),
            nn.Parameter(torch.zeros(n_items)),
        )
        self._behaviour = (
            nn.Parameter(uniform_matrix(n_items, WIDTH)), nn.Parameter(torch.zeros(n_items)),
        )  # fmt: skip
        parameters = [*self._encoder.parameters(), self._inputs, *self._policy, *self._behaviour]
        optimiser = torch.optim.Adagrad if reading.adagrad else torch.optim.Adam
        self._optimiser = optimiser(parameters, lr=reading.learning_rate)
        self._proposal = _proposal(train, reading)
        self.returns = torch.as_tensor(_returns(train, reading))

    def fit(self, epochs: int) -> float:
        """Train; returns the effective share of the last epoch's weights, (sum w)^2 / (n sum w^2).

        Raises FloatingPointError where the loss is no finite number.
        """
        reading, train = self._reading, self._train
        items = torch.as_tensor(np.asarray(train.items, dtype=np.int64))
        batches = SessionBatches(
            train, batch_size=reading.batch_size, window=reading.truncation, cut_long=True
        )
        self._encoder.train()
        weights: list[Tensor] = []
        for _ in range(epochs):
            weights = []
            state = self._encoder.initial_state(batches.n_slots, torch.device("cpu"))[0]
            for window in batches:
                slots, acting = torch.as_tensor(window.slots), torch.as_tensor(window.acting)
                embedded = self._inputs[items[torch.as_tensor(window.events)]]
                states, after = self._encoder(
                    embedded, [state[slots]], torch.as_tensor(window.starts)
                )
                state[slots] = after[0]
                actions = torch.as_tensor(window.events).flatten()[acting] + 1
                loss, weight = self._loss(
                    states.flatten(0, 1)[acting], items[actions], self.returns[actions]
                )
                if not loss.isfinite():
                    raise FloatingPointError("the loss is not finite")
                self._optimiser.zero_grad()
                loss.backward()
                self._optimiser.step()
                weights.append(weight)
        every = torch.cat(weights)
        return float(every.sum() ** 2 / (len(every) * (every**2).sum()))

    def factors(self, sessions: SessionLog) -> Factors:
        """Factors of the policy's logits after every prefix."""
        states = session_states(self._encoder, self._inputs.detach(), sessions, torch.device("cpu"))
        table, bias = (of.detach().numpy() for of in self._policy)
        return Factors(states, table, bias)

    def _loss(self, states: Tensor, targets: Tensor, returns: Tensor) -> tuple[Tensor, Tensor]:
        """Of one step: the policy's and the behaviour's loss together, and the weights, (A,)."""
        reading = self._reading
        candidates = _candidates(self._proposal, reading.negatives)
        of_policy = self._cross_entropy(self._policy, states, targets, candidates)
        if reading.weight == "none":
            return of_policy.mean(), torch.ones(len(targets))
        of_behaviour = self._cross_entropy(self._behaviour, states.detach(), targets, candidates)
        log_pi = torch.log_softmax(_logits(self._policy, states), dim=1)
        log_beta = torch.log_softmax(_logits(self._behaviour, states), dim=1)
        weight = action_weight(log_pi, log_beta, targets, reading)
        if reading.mean_weight:
            loss = weight.mean() * (returns * of_policy).mean()
        else:
            loss = (weight * returns * of_policy).mean()
        return loss + of_behaviour.mean(), weight.detach()

    def _cross_entropy(
        self,
        head: tuple[Tensor, Tensor],
        states: Tensor,
        targets: Tensor,
        candidates: tuple[Tensor, Tensor] | None,
    ) -> Tensor:
        """-log probability of each target, sampled as by TensorFlow's `sampled_softmax_loss`."""
        if candidates is None:
            return cross_entropy(_logits(head, states), targets, reduction="none")
        table, bias = head
        drawn, log_expected = candidates
        own = (states * table[targets]).sum(1) + bias[targets] - log_expected[targets]
        others = states @ table[drawn].t() + bias[drawn] - log_expected[drawn]
        others = others.masked_fill(drawn == targets.unsqueeze(1), -torch.inf)
        logits = torch.cat([own.unsqueeze(1), others], dim=1)
        return torch.logsumexp(logits, dim=1) - own


def action_weight(log_pi: Tensor, log_beta: Tensor, logged: Tensor, reading: Reading) -> Tensor:
    """pi / beta, capped, times lambda_K, at the actions that the reading says, (A,).

    Args:
        log_pi: of every item, (A, n_items).
        log_beta: of every item, (A, n_items).
        logged: the action in the log, (A,).
        reading: what is read.
    """
    if not reading.all_variables:
        log_beta = log_beta.detach()
    of_pi = of_beta = logged.unsqueeze(1)
    if reading.weight in ("two draws", "draw of pi"):
        of_pi = torch.multinomial(log_pi.detach().exp(), 1)
        of_beta = of_pi
    if reading.weight in ("two draws", "draw of beta"):
        of_beta = torch.multinomial(log_beta.detach().exp(), 1)
        of_pi = of_beta if reading.weight == "draw of beta" else of_pi
    chosen, logger = log_pi.gather(1, of_pi).squeeze(1), log_beta.gather(1, of_beta).squeeze(1)
    ratio = torch.exp(chosen - logger).clamp(max=reading.cap)
    weight = torch.ones_like(ratio) if reading.weight == "lambda" else ratio
    weight = weight * reading.k * (1 - chosen.exp()) ** (reading.k - 1)
    return weight.detach() if reading.blocked else weight


def _logits(head: tuple[Tensor, Tensor], states: Tensor) -> Tensor:
    table, bias = head
    return torch.addmm(bias, states, table.t())


def _proposal(train: SessionLog, reading: Reading) -> Tensor:
    """Probability of each item to be a candidate, (n_items,)."""
    if reading.log_uniform:
        places = torch.arange(train.n_items, dtype=torch.float32)
        return torch.log((places + 2) / (places + 1)) / math.log(train.n_items + 1)
    weights = torch.as_tensor(train.item_counts(), dtype=torch.float32) ** 0.5
    return weights / weights.sum()


def _candidates(proposal: Tensor, number: int) -> tuple[Tensor, Tensor] | None:
    """Distinct candidates, and the log of how often each item of the catalogue is expected."""
    if number == 0 or number >= len(proposal):
        return None
    drawn = torch.multinomial(proposal, number)
    return drawn, torch.log(-torch.expm1(number * torch.log1p(-proposal)))


def _returns(train: SessionLog, reading: Reading) -> FloatArray:
    """Return of each event, float32 (n_events,)."""
    rewards = train.rewards if reading.rewarded else np.ones(train.n_events, dtype=np.float32)
    log = replace(train, rewards=np.asarray(rewards), times=None)
    if reading.across_sessions:
        ends = np.array([0, train.n_events], dtype=np.int64)
        log = replace(log, offsets=ends, session_ids=train.session_ids[:1])
    returns = discounted_returns(log, discount=reading.discount)
    if reading.normalised:
        returns = (returns - returns.mean()) / max(float(returns.std()), 1e-6)
    return returns.astype(np.float32)
