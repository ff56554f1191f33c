"""What the harness asks of a model: a protocol, so that a model from elsewhere inherits nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from datasets.session_log import SessionLog

FloatMatrix = NDArray[np.float32]


@dataclass(frozen=True)
class Progress:
    """Where a fit stands; yielded at least once an epoch."""

    epoch: int
    """Epoch that runs or has just ended, from 1."""
    epoch_ended: bool
    """True once all events of the epoch are used: the harness then validates and may stop."""
    events: int
    """Targets trained on since the last yield."""
    total_events: int
    """Targets of one whole epoch."""
    loss: float | None
    """Mean training loss since the epoch began; None for a model without a loss."""
    diagnostics: Mapping[str, float] = field(default_factory=dict)
    """Further figures for the epoch's row of the learning curve, by name."""
    warming_up: bool = False
    """True while the model is trained for something else first; its weights are not used."""


class DivergedError(ArithmeticError):
    """Training left the finite numbers; the text names epoch, step and the fix."""


class Factors(NamedTuple):
    """Scores in factored form: `states @ items.T + bias`, so that ranking can go by tiles."""

    states: FloatMatrix
    """One row for each prefix, shape (n_prefixes, width)."""
    items: FloatMatrix
    """One row for each item of the catalogue, shape (n_items, width)."""
    bias: NDArray[np.float32]
    """One number for each item, shape (n_items,)."""


@runtime_checkable
class Recommender(Protocol):
    """A next-item recommender.

    `Config` is a dataclass whose fields are the model's options. A trainable model names three of
    them `epochs`, `learning_rate` and `batch_size`. The model is built as
    `Model(config, seed=1, device="cpu")` and must neither print nor time itself.

    A prefix is the first 1..n-1 events of a session of n events. `score` answers for every prefix
    of every session, in the order of the log, and a prefix's scores may depend on nothing that
    comes after it, nor on the other sessions of the call.

    A class may have a `name`, its label in tables, and a `note` that stands under every table with
    the model in it.
    """

    Config: ClassVar[type[Any]]

    def __init__(self, config: Any, *, seed: int, device: str) -> None: ...

    def fit(self, train: SessionLog) -> Iterator[Progress]:
        """Train on `train`, yielding where it stands; a model without epochs yields once."""
        ...

    def score(self, sessions: SessionLog) -> FloatMatrix:
        """Score of every item after every prefix, shape (n_prefixes, n_items); higher is better."""
        ...

    def save(self, folder: Path) -> None:
        """Write what `load` needs into the existing, empty `folder`."""
        ...

    def load(self, folder: Path) -> None:
        """Become the model that `save` wrote, ready to score."""
        ...


@runtime_checkable
class FactoredRecommender(Recommender, Protocol):
    """A recommender that also offers its scores as states and an item matrix."""

    def factors(self, sessions: SessionLog) -> Factors:
        """`score` in factored form: `states @ items.T + bias` equals it to rounding."""
        ...


def is_factored(model: object) -> bool:
    """Whether a model offers its scores in factored form; a plugin may set `factors` to None."""
    return getattr(model, "factors", None) is not None


@runtime_checkable
class StochasticPolicy(Recommender, Protocol):
    """A recommender that is also a policy: softmax of its scores over a temperature."""

    @property
    def policy_temperature(self) -> float | None:
        """T of pi(a|s) = softmax(score / T); None where the config makes the scores no logits."""
        ...


def policy_temperature(model: Recommender) -> float | None:
    """T of the softmax policy that the model is; None for one that is no stochastic policy."""
    temperature: float | None = getattr(model, "policy_temperature", None)
    return temperature
