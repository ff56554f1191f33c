"""Which epoch's weights a fit keeps, and when it stops."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.running.stopwatch import Stopwatch
from bench.running.training import Fit, fit_model
from datasets.session_log import SessionLog
from datasets.splitting.splits import Split, SplitOptions, make_split
from models.recommender import FloatMatrix, Progress
from tests.models.logs import make_log

SPLIT = make_split(make_log([range(25)] * 50), SplitOptions("session-holdout"), source="log")


@dataclass(frozen=True)
class NoOptions:
    """None."""


class Scripted:
    """Right in epochs marked "+" and "w", wrong in those of "-" and "W"; "w" and "W" warm up."""

    Config = NoOptions

    def __init__(self, script: str) -> None:
        self.script = script
        self.epoch = 0

    def fit(self, train: SessionLog) -> Iterator[Progress]:
        for epoch, letter in enumerate(self.script, start=1):
            self.epoch = epoch
            warming_up = letter.lower() == "w"
            yield Progress(epoch, True, 1, 1, loss=1.0, warming_up=warming_up)

    def score(self, sessions: SessionLog) -> FloatMatrix:
        right = self.script[self.epoch - 1] in "w+"
        scores = np.zeros((sessions.n_targets, sessions.n_items), dtype=np.float32)
        targets = sessions.items[sessions.position_in_session > 0]
        scores[np.arange(len(targets)), targets] = 1.0 if right else -1.0
        return scores

    def save(self, folder: Path) -> None:
        (folder / "epoch").write_text(str(self.epoch))

    def load(self, folder: Path) -> None:
        self.epoch = int((folder / "epoch").read_text())


def fitted(script: str, tmp_path: Path, *, split: Split = SPLIT, patience: int = 2) -> Fit:
    model: Any = Scripted(script)
    return fit_model(
        model,
        split,
        label="scripted",
        patience=patience,
        weights=tmp_path / "weights",
        watch=Stopwatch(),
        report=lambda message: None,
    )


@pytest.mark.parametrize(
    ("script", "best", "epochs"),
    [
        ("--+--+", 3, 5),
        ("-+----", 2, 4),
        ("ww-----", 3, 5),
        ("WWWWW-+", 7, 7),
        ("ww--+--+", 5, 7),
    ],
)
def test_epochs_of_a_warm_up_are_shown_and_never_kept(
    script: str, best: int, epochs: int, tmp_path: Path
) -> None:
    fit = fitted(script, tmp_path)
    assert (fit.best_epoch, len(fit.curve)) == (best, epochs)
    assert (tmp_path / "weights" / "epoch").read_text() == str(best)


def test_a_fit_that_only_warms_up_has_nothing_to_keep(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="without yielding the end of an epoch to keep"):
        fitted("ww", tmp_path)
