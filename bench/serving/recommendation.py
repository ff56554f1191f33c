"""What a trained model recommends after the items of a session that a person names."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from bench.planning.model_options import build_config
from bench.ranking.score_blocks import last_scores
from bench.store.catalogue import Catalogue, split_folder
from bench.store.provenance import source_fingerprint, source_roots
from bench.store.trial import TRIAL_RECORD, WEIGHTS, TrialRecord, read_trial_record
from datasets.errors import InputError
from datasets.session_log import FloatArray, SessionLog
from models.recommender import Recommender
from models.registry import LoadedModel, load_model


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A trial's model with its weights, and the catalogue that it scores."""

    label: str
    model: Recommender
    catalogue: Catalogue

    @cached_property
    def code_of_item(self) -> dict[str, int]:
        """Code of each item id."""
        return {item_id: code for code, item_id in enumerate(self.catalogue.item_ids.tolist())}

    def unknown(self, item_ids: Sequence[str]) -> list[str]:
        """Those of `item_ids` that training never saw, in their order."""
        return [item_id for item_id in item_ids if item_id not in self.code_of_item]


@dataclass(frozen=True)
class Recommendation:
    """One item of a list of recommendations."""

    rank: int
    item_id: str
    title: str
    """Empty if the data set has none."""
    score: float
    """Has no unit; comparable within one list only."""


def load_trial(folder: Path, notify: Callable[[str], None]) -> TrainedModel:
    """The model of a finished trial's folder, on the CPU.

    `notify` is called if the model's source has changed since the trial. Raises InputError if the
    folder is no finished trial's, or the model, catalogue or weights cannot be loaded.
    """
    record = read_finished(folder)
    loaded = load_model(str(record.parameters["model"]))
    if source_has_changed(record, loaded):
        notify(
            f"{folder}: the source of {record.model} has changed since this trial; "
            "run the benchmark's own command again for a trial of the present one"
        )
    catalogue = Catalogue.load(folder_of_split(folder, record))
    return load_trained(record, loaded, folder / WEIGHTS, catalogue)


def read_finished(folder: Path) -> TrialRecord:
    """Record of a finished trial; raises `InputError` where `folder` holds none."""
    if not (folder / TRIAL_RECORD).is_file():
        raise InputError(
            f"{folder} is no trial's folder, as it has no {TRIAL_RECORD}; "
            "give one that stands in the trials/ of an --output folder"
        )
    record = read_trial_record(folder)
    if record.status != "finished":
        raise InputError(
            f"{folder} holds a failed trial ({record.reason}); run it again or give another"
        )
    return record


def folder_of_split(trial: Path, record: TrialRecord) -> Path:
    """The folder of a trial's split, beside the folder of all trials."""
    output = trial.resolve().parent.parent
    return split_folder(output, record.tags.get("data_fingerprint", ""))


def source_has_changed(record: TrialRecord, loaded: LoadedModel) -> bool:
    """Whether the model's source has changed since the trial."""
    now = source_fingerprint(loaded.file, source_roots(loaded))
    return now != record.tags.get("model_source")


def load_trained(
    record: TrialRecord, loaded: LoadedModel, weights: Path, catalogue: Catalogue
) -> TrainedModel:
    """The model of `record` with its `weights`, on the CPU.

    Raises InputError if the options do not fit the model, or it cannot load the weights.
    """
    config_class = loaded.model_class.Config
    options = {
        field.name: record.parameters[field.name]
        for field in dataclasses.fields(config_class)
        if field.name in record.parameters
    }
    config = build_config(config_class, record.model, options)
    model: Recommender = loaded.model_class(config, seed=record.seed, device="cpu")
    try:
        model.load(weights)
    except Exception as error:  # whatever a model, or the format of its files, raises
        raise InputError(
            f"{weights}: {record.model} cannot load its weights ({type(error).__name__}: "
            f"{str(error).partition(chr(10))[0]}); run the benchmark's own command with --fresh"
        ) from error
    return TrainedModel(record.model, model, catalogue)


def recommend(trained: TrainedModel, item_ids: Sequence[str], count: int) -> list[Recommendation]:
    """The `count` items that score highest after the session `item_ids`, oldest first.

    Items that training never saw are dropped from the session, as from test sessions. Each event
    has reward 1, since a model may ignore events without a reward, and no time, which no built-in
    model scores by. All items of the catalogue may be recommended, also those of the session. Of
    items that tie, those of lower codes come first, as in the benchmark's exposure. Raises
    InputError if `count` is not positive, or the session has no item that training saw.
    """
    if count < 1:
        raise InputError(f"--count must be at least 1, not {count}")
    codes = [
        trained.code_of_item[item_id] for item_id in item_ids if item_id in trained.code_of_item
    ]
    if not codes:
        raise InputError(_nothing_known(trained.catalogue, item_ids))
    scores = _scores_after(trained, codes)
    least = np.partition(scores, -count)[-count] if count < len(scores) else scores.min()
    candidates = np.flatnonzero(scores >= least)
    best = candidates[np.argsort(-scores[candidates], kind="stable")][:count]
    titles = trained.catalogue.titles
    return [
        Recommendation(
            rank,
            str(trained.catalogue.item_ids[code]),
            "" if titles is None else str(titles[code]),
            float(scores[code]),
        )
        for rank, code in enumerate(best.tolist(), start=1)
    ]


def _scores_after(trained: TrainedModel, codes: Sequence[int]) -> FloatArray:
    """Score of each item after the events `codes`, (n_items,)."""
    # Only prefixes with a next event are scored: it may be any item.
    items = np.array([*codes, codes[-1]], dtype=np.int32)
    session = SessionLog(
        items=items,
        rewards=np.ones(len(items), dtype=np.float32),
        offsets=np.array([0, len(items)], dtype=np.int64),
        item_ids=trained.catalogue.item_ids,
        session_ids=np.array(["0"]),
    )
    scores: FloatArray = last_scores(trained.model, session)[0]
    if scores.shape != (len(trained.catalogue),) or np.isnan(scores).any():
        raise InputError(
            f"{trained.label} does not give each of the {len(trained.catalogue):,} items of the "
            "catalogue a number as its score; run the benchmark's own command with --fresh"
        )
    return scores


def _nothing_known(catalogue: Catalogue, item_ids: Sequence[str]) -> str:
    if not item_ids:
        return "the session is empty; give at least one item id"
    common = np.argsort(-catalogue.support, kind="stable")[:3]
    examples = [str(catalogue.item_ids[code]) for code in common]
    if catalogue.titles is not None:
        titles = catalogue.titles[common].tolist()
        pairs = zip(examples, titles, strict=True)
        examples = [f"{item_id} ({title})" if title else item_id for item_id, title in pairs]
    return (
        f"the session has no item of the catalogue's {len(catalogue):,} "
        f"({', '.join(item_ids[:5])}{', ...' if len(item_ids) > 5 else ''} unknown); "
        f"give ids such as {', '.join(examples)}"
    )
