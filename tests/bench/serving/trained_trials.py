"""Trials of tiny models, written as the benchmark writes them but in this process."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from bench.planning.model_options import build_config
from bench.store.catalogue import Catalogue, titles_in_order
from bench.store.curve import write_curve
from bench.store.provenance import source_fingerprint, source_roots
from bench.store.trial import WEIGHTS, TrialRecord, write_trial_record
from datasets.session_log import SessionLog
from models.registry import load_model
from tests.bench.mlflow_mirror.mlflow_stores import STARTED

FINGERPRINT = "0123456789abcdef-and-more"
TITLES = {"A": "Alien (1979)", "B": "Brazil | a film (1985)", "X": "X (2022)"}

PLUGIN = '''
from dataclasses import dataclass
import numpy as np
from models.recommender import Progress

@dataclass(frozen=True)
class Config:
    sign: float = 1.0

class Longest:
    """Scores of all items alike, but the last item's is the length of the prefix."""

    Config = Config

    def __init__(self, config, *, seed, device):
        self.config = config

    def fit(self, train):
        yield Progress(1, True, train.n_targets, train.n_targets, loss=None)

    def score(self, sessions):
        at = np.flatnonzero(sessions.position_in_session > 0)
        scores = np.zeros((len(at), sessions.n_items), dtype=np.float32)
        scores[np.arange(len(at)), sessions.items[at - 1]] = sessions.position_in_session[at]
        return self.config.sign * scores

    def save(self, folder):
        (folder / "nothing").touch()

    def load(self, folder):
        assert (folder / "nothing").exists()
'''


def small_log() -> SessionLog:
    """Sixty sessions ABC and XBD; the catalogue is A, B, C, D, X."""
    item_ids = np.array(["A", "B", "C", "D", "X"])
    return SessionLog(
        items=np.tile([0, 1, 2, 4, 1, 3], 30).astype(np.int32),
        rewards=np.ones(180, dtype=np.float32),
        offsets=np.arange(0, 181, 3),
        item_ids=item_ids,
        session_ids=np.arange(60).astype(str),
        times=np.arange(180),
    )


def trained_trial(
    output: Path, reference: str, *, titles: dict[str, str] | None = None, **options: Any
) -> Path:
    """Folder of a trial, in an --output folder with the catalogue of its split."""
    loaded, log = load_model(reference), small_log()
    config = build_config(loaded.model_class.Config, loaded.label, options)
    model = loaded.model_class(config, seed=3, device="cpu")
    for _ in model.fit(log):
        pass
    folder = output / "trials" / f"{loaded.label}-seed3-abc"
    (folder / WEIGHTS).mkdir(parents=True)
    model.save(folder / WEIGHTS)
    write_curve(folder, [{"epoch": 1, "train_seconds": 1.0, "loss": 0.5}])
    write_trial_record(
        folder,
        TrialRecord(
            id=folder.name,
            model=loaded.label,
            seed=3,
            status="finished",
            reason=None,
            started=STARTED,
            ended=STARTED + 60,
            experiment="log temporal",
            parameters={**dataclasses.asdict(config), "model": loaded.reference, "seed": 3},
            tags={
                "data_fingerprint": FINGERPRINT,
                "model_source": source_fingerprint(loaded.file, source_roots(loaded)),
            },
            metrics={"Recall@20": 0.25},
        ),
    )
    split = output / "splits" / FINGERPRINT[:16]
    split.mkdir(parents=True, exist_ok=True)
    titles_of_items = titles_in_order(log.item_ids, titles or {})
    Catalogue(log.item_ids, log.item_counts(), titles_of_items).save(split)
    return folder
