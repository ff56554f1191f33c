"""Models whose score on validation is known from their options, for the tests of tuning."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np

from datasets.session_log import SessionLog
from models.common.options.search_ranges import Choices, Range
from models.recommender import FloatMatrix, Progress


@dataclass(frozen=True)
class Config:
    centre: Annotated[float, Range(0, 1)] = 0.5
    """Place in the catalogue whose surroundings are scored highest; above 0.8 the fit diverges."""
    step: Annotated[int, Range(1, 6)] = 2
    """Without effect; an odd one above 1 is refused."""
    other: float = 0.0
    """Without effect and without a range."""

    def __post_init__(self) -> None:
        if self.step > 1 and self.step % 2:
            raise ValueError("step must be even")


class Tunable:
    """Ranks items by how near their code is to the centre; remembers whom it was asked for."""

    Config: ClassVar[type] = Config
    name: ClassVar[str] = "tunable"
    asked: ClassVar[set[str]] = set()

    def __init__(self, config: Config, *, seed: int, device: str) -> None:
        self.config = config

    def fit(self, train: SessionLog) -> Iterator[Progress]:
        if self.config.centre > 0.8:
            raise RuntimeError("planned divergence")
        yield Progress(1, True, train.n_targets, train.n_targets, loss=1.0)

    def score(self, sessions: SessionLog) -> FloatMatrix:
        self.asked.update(sessions.session_ids.astype(str).tolist())
        distances = np.abs(np.arange(sessions.n_items) - self.config.centre * sessions.n_items)
        return np.tile(-distances.astype(np.float32), (sessions.n_targets, 1))

    def save(self, folder: Path) -> None:
        (folder / "nothing").touch()

    def load(self, folder: Path) -> None:
        assert (folder / "nothing").exists()


class Diverging(Tunable):
    name = "diverging"

    def fit(self, train: SessionLog) -> Iterator[Progress]:
        raise RuntimeError("never trains")


@dataclass(frozen=True)
class FewConfig:
    centre: Annotated[float, Choices((0.25, 0.75))] = 0.25


class Few(Tunable):
    """Has two sets of options."""

    Config = FewConfig
    name = "few"


@dataclass(frozen=True)
class OutsideConfig:
    centre: Annotated[float, Range(0, 0.25)] = 0.5


class Outside(Tunable):
    Config = OutsideConfig
    name = "outside"


@dataclass(frozen=True)
class WrongConfig:
    centre: Annotated[str, Range(0, 1)] = "0"


class Wrong(Tunable):
    Config = WrongConfig
    name = "wrong"
