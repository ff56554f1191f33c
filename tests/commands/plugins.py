"""Models of third parties, good and bad, as a user would bring them."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from datasets.session_log import SessionLog
from models.recommender import FloatMatrix, Progress

print("I talk while I am imported")


@dataclass(frozen=True)
class Config:
    """No options but the number of epochs."""

    epochs: int = 2


class Plugin:
    """Scores every item alike, and learns nothing."""

    Config = Config
    name: ClassVar[str] = "plugin"

    def __init__(self, config: Config, *, seed: int, device: str) -> None:
        self.config, self.seed = config, seed

    def fit(self, train: SessionLog) -> Iterator[Progress]:
        for epoch in range(1, self.config.epochs + 1):
            self.in_epoch(epoch)
            yield Progress(epoch, True, train.n_targets, train.n_targets, loss=1.0)

    def in_epoch(self, epoch: int) -> None:
        """What goes wrong, in the models that go wrong."""

    def score(self, sessions: SessionLog) -> FloatMatrix:
        return np.zeros((sessions.n_targets, sessions.n_items), dtype=np.float32)

    def save(self, folder: Path) -> None:
        (folder / "nothing").touch()

    def load(self, folder: Path) -> None:
        assert (folder / "nothing").exists()


class Failing(Plugin):
    name = "failing"

    def in_epoch(self, epoch: int) -> None:
        if epoch == 2:
            raise RuntimeError("planned failure in epoch 2")


class Stalling(Plugin):
    """Waits in its second epoch for a file `go` in the current folder."""

    name = "stalling"

    def in_epoch(self, epoch: int) -> None:
        while epoch == 2 and not Path("go").exists():
            time.sleep(0.02)


class Dying(Plugin):
    name = "dying"

    def in_epoch(self, epoch: int) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class LosesItsFolder(Plugin):
    """Takes away the folder into which its trial is written, as a full disk would."""

    name = "loses-its-folder"

    def save(self, folder: Path) -> None:
        shutil.rmtree(folder.parent)

    def load(self, folder: Path) -> None:
        pass


class NotANumber(Plugin):
    name = "nan"

    def score(self, sessions: SessionLog) -> FloatMatrix:
        return np.full((sessions.n_targets, sessions.n_items), np.nan, dtype=np.float32)


class Talking(Plugin):
    name = "talking"

    def in_epoch(self, epoch: int) -> None:
        print("I talk to stdout")


class Peeking(Plugin):
    """Knows the next item."""

    name = "peeking"

    def score(self, sessions: SessionLog) -> FloatMatrix:
        targets = sessions.items[sessions.position_in_session > 0]
        scores = np.zeros((len(targets), sessions.n_items), dtype=np.float32)
        scores[np.arange(len(targets)), targets] = 1
        return scores


class Uniform(Plugin):
    """Random scores, drawn from seed, session and position."""

    name = "uniform"

    def score(self, sessions: SessionLog) -> FloatMatrix:
        places = np.flatnonzero(sessions.position_in_session > 0)
        rows = []
        for event in places:
            session = int(sessions.session_ids[sessions.session_of_event[event]])
            position = int(sessions.position_in_session[event])
            rng = np.random.default_rng([self.seed, session, position])
            rows.append(rng.random(sessions.n_items, dtype=np.float32))
        return np.array(rows)


class LastButOne(Plugin):
    """Gives the last but one item of the prefix 1, all others 0."""

    name = "last-but-one"

    def score(self, sessions: SessionLog) -> FloatMatrix:
        places = np.flatnonzero(sessions.position_in_session > 0)
        scores = np.zeros((len(places), sessions.n_items), dtype=np.float32)
        for row, event in enumerate(places):
            if sessions.position_in_session[event] >= 2:
                scores[row, sessions.items[event - 2]] = 1
        return scores
