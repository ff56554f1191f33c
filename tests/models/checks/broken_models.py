"""Models with one fault each, and sound ones of the plainest kind."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from datasets.session_log import SessionLog
from models.recommender import Factors, FloatMatrix, Progress


@dataclass(frozen=True)
class NoOptions:
    pass


@dataclass(frozen=True)
class EpochOptions:
    epochs: int = 3
    learning_rate: float = 0.1
    batch_size: int = 4


class LastItem:
    """Sound: an item scores by its support, plus its distance from the prefix's last item."""

    Config: Any = NoOptions

    def __init__(self, config: Any, *, seed: int, device: str) -> None:
        self.config = config
        self.seed = seed
        self.support = np.zeros(0, dtype=np.float32)

    def fit(self, train: SessionLog) -> Iterator[Progress]:
        self.support = train.item_counts().astype(np.float32)
        yield Progress(1, True, train.n_targets, train.n_targets, loss=None)

    def score(self, sessions: SessionLog) -> FloatMatrix:
        last = sessions.items[self.prefix_ends(sessions)]
        return self.support + np.abs(last[:, None] - np.arange(sessions.n_items)) / np.float32(7)

    def save(self, folder: Path) -> None:
        np.save(folder / "support.npy", self.support)

    def load(self, folder: Path) -> None:
        self.support = np.load(folder / "support.npy")

    @staticmethod
    def prefix_ends(sessions: SessionLog) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The last event of each prefix."""
        return np.flatnonzero(sessions.position_in_session > 0) - 1


class Constant(LastItem):
    """Sound: knows nothing and says so."""

    def score(self, sessions: SessionLog) -> FloatMatrix:
        return np.full((sessions.n_targets, sessions.n_items), 0.5, dtype=np.float32)


class SeededRandom(LastItem):
    """Sound: its random scores depend on seed, session and position alone."""

    def score(self, sessions: SessionLog) -> FloatMatrix:
        ends = self.prefix_ends(sessions)
        rows = [
            np.random.default_rng((self.draw_seed, zlib.crc32(name.encode()), position))
            .random(sessions.n_items)
            .astype(np.float32)
            for name, position in zip(
                sessions.session_ids[sessions.session_of_event[ends]].tolist(),
                sessions.position_in_session[ends].tolist(),
                strict=True,
            )
        ]
        return np.array(rows)

    def fit(self, train: SessionLog) -> Iterator[Progress]:
        self.draw_seed = self.seed
        yield from super().fit(train)

    def save(self, folder: Path) -> None:
        np.save(folder / "seed.npy", self.draw_seed)

    def load(self, folder: Path) -> None:
        self.draw_seed = int(np.load(folder / "seed.npy"))


class UnseededRandom(LastItem):
    def score(self, sessions: SessionLog) -> FloatMatrix:
        return np.random.default_rng().random(super().score(sessions).shape, dtype=np.float32)


class SeesTarget(LastItem):
    def score(self, sessions: SessionLog) -> FloatMatrix:
        scores = super().score(sessions)
        scores[np.arange(len(scores)), sessions.items[self.prefix_ends(sessions) + 1]] += 1
        return scores


class SeesNextReward(LastItem):
    def score(self, sessions: SessionLog) -> FloatMatrix:
        next_reward = sessions.rewards[self.prefix_ends(sessions) + 1]
        return super().score(sessions) + next_reward[:, None]


class SeesNextTime(LastItem):
    def score(self, sessions: SessionLog) -> FloatMatrix:
        assert sessions.times is not None
        ends = self.prefix_ends(sessions)
        gap = (sessions.times[ends + 1] - sessions.times[ends]).astype(np.float32)
        return super().score(sessions) + gap[:, None]


class SeesLength(LastItem):
    def score(self, sessions: SessionLog) -> FloatMatrix:
        lengths = sessions.lengths[sessions.session_of_event[self.prefix_ends(sessions)]]
        return super().score(sessions) * (1 + lengths[:, None]).astype(np.float32)


class SeesTargetInFactors(LastItem):
    """Leaks in the factored form, which is what ranking uses."""

    def score(self, sessions: SessionLog) -> FloatMatrix:
        states, items, bias = self.factors(sessions)
        return states @ items.T + bias

    def factors(self, sessions: SessionLog) -> Factors:
        eye = np.eye(sessions.n_items, dtype=np.float32)
        targets = sessions.items[self.prefix_ends(sessions) + 1]
        return Factors(eye[targets], eye, self.support)


class NormalisesOverBatch(LastItem):
    def score(self, sessions: SessionLog) -> FloatMatrix:
        scores = super().score(sessions)
        return scores - scores.mean(axis=0) * np.float32(0.1)


class PadsIntoScores(LastItem):
    """Divides by the longest session of the call."""

    def score(self, sessions: SessionLog) -> FloatMatrix:
        return super().score(sessions) / np.float32(sessions.lengths.max())


class NeverResets(LastItem):
    """A state that runs on from one session to the next."""

    def score(self, sessions: SessionLog) -> FloatMatrix:
        state = np.cumsum(sessions.items).astype(np.float32)[self.prefix_ends(sessions)]
        return super().score(sessions) + state[:, None]


class CarriesOver(LastItem):
    """A state that runs on from one call to the next."""

    calls = 0

    def score(self, sessions: SessionLog) -> FloatMatrix:
        self.calls += 1
        return super().score(sessions) + np.float32(self.calls)


class NotANumber(LastItem):
    def score(self, sessions: SessionLog) -> FloatMatrix:
        scores = super().score(sessions)
        scores[-1, 0] = np.nan
        return scores


class OneRowTooMany(LastItem):
    """Scores the whole session as a prefix too."""

    def score(self, sessions: SessionLog) -> FloatMatrix:
        return np.ones((sessions.n_events, sessions.n_items), dtype=np.float32)


class ForgetsOnLoad(LastItem):
    def load(self, folder: Path) -> None:
        self.support = np.zeros_like(np.load(folder / "support.npy"))


class ScoresByItsSeed(LastItem):
    """Draws at scoring from what it does not save."""

    def score(self, sessions: SessionLog) -> FloatMatrix:
        return super().score(sessions) + np.float32(self.seed)


class OtherFactors(LastItem):
    def factors(self, sessions: SessionLog) -> Factors:
        zeros = np.zeros((sessions.n_targets, 2), dtype=np.float32)
        return Factors(zeros, np.ones((sessions.n_items, 2), dtype=np.float32), self.support)


class TrainsAtRandom(LastItem):
    def fit(self, train: SessionLog) -> Iterator[Progress]:
        yield from super().fit(train)
        self.support += np.random.default_rng().random(train.n_items, dtype=np.float32)


class TrainsByWhatItScored(LastItem):
    """Scoring between epochs leaves a trace in training."""

    Config = EpochOptions
    calls = 0

    def fit(self, train: SessionLog) -> Iterator[Progress]:
        self.support = np.zeros(train.n_items, dtype=np.float32)
        for epoch in range(1, self.config.epochs + 1):
            self.support += np.float32(1 + self.calls)
            yield Progress(epoch, True, train.n_targets, train.n_targets, loss=1.0)

    def score(self, sessions: SessionLog) -> FloatMatrix:
        self.calls += 1
        return super().score(sessions)


class Writes(LastItem):
    def fit(self, train: SessionLog) -> Iterator[Progress]:
        train.rewards[0] = 1 - train.rewards[0]
        yield from super().fit(train)


class Prints(LastItem):
    def fit(self, train: SessionLog) -> Iterator[Progress]:
        print("epoch 1: loss 0.1")
        yield from super().fit(train)


class NeverEndsAnEpoch(LastItem):
    def fit(self, train: SessionLog) -> Iterator[Progress]:
        for progress in super().fit(train):
            yield Progress(1, False, progress.events, progress.total_events, loss=None)


class NoIterator(LastItem):
    def fit(self, train: SessionLog) -> Any:
        return list(super().fit(train))


class UnnamedOptions(LastItem):
    """Trains by epochs whose number cannot be set."""

    def fit(self, train: SessionLog) -> Iterator[Progress]:
        yield from super().fit(train)
        yield Progress(2, True, train.n_targets, train.n_targets, loss=None)


class IgnoresEpochs(LastItem):
    Config = EpochOptions

    def fit(self, train: SessionLog) -> Iterator[Progress]:
        yield from super().fit(train)
        for epoch in range(2, 100):
            yield Progress(epoch, True, train.n_targets, train.n_targets, loss=None)


class CountsWrong(LastItem):
    """Yields the events so far instead of those since the last yield."""

    def fit(self, train: SessionLog) -> Iterator[Progress]:
        for progress in super().fit(train):
            yield Progress(1, False, train.n_targets // 2, train.n_targets, loss=None)
            yield progress


class LossNotANumber(LastItem):
    def fit(self, train: SessionLog) -> Iterator[Progress]:
        for progress in super().fit(train):
            yield Progress(1, True, progress.events, progress.total_events, loss=float("nan"))


class PlainConfig(LastItem):
    class Config:
        pass


class NoLoad(LastItem):
    load = None  # type: ignore[assignment]
