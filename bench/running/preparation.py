"""Check all input before anything is trained: models, options, device, data, split."""

from __future__ import annotations

import dataclasses
import hashlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.planning.model_options import build_config
from bench.planning.plan import Plan
from bench.store.events import TestEvents, events_from
from bench.store.provenance import source_fingerprint, source_roots, versions
from bench.store.trial import TrialSpec
from bench.store.tuning_records import Tuning
from datasets.dataset import Dataset
from datasets.errors import InputError
from datasets.registry import load_dataset, load_event_table
from datasets.session_log import SessionLog
from datasets.splitting.splits import Split, SplitOptions, make_split
from models.registry import LoadedModel, list_models, load_model


@dataclass(frozen=True)
class Prepared:
    """A plan whose input is loaded and checked."""

    plan: Plan
    dataset: Dataset
    split: Split
    options: SplitOptions
    events: TestEvents
    device: str
    notes: tuple[str, ...]
    """What the reader of the table must know about models and data."""
    trials: tuple[TrialSpec, ...]
    """In the plan's order of models, the seeds of each together."""
    versions: dict[str, str]
    tunings: tuple[Tuning, ...] = ()
    """How options were chosen, one a model; empty if nothing was tuned."""

    @property
    def experiment(self) -> str:
        """Name of the MLflow experiment: one a data set and split."""
        return f"{self.dataset.name} {self.split.name}"

    @property
    def id(self) -> str:
        """Hash of the trials: the same command has the same."""
        ids = "\n".join(sorted(trial.id for trial in self.trials))
        return hashlib.sha256(ids.encode()).hexdigest()[:16]

    @property
    def output(self) -> Path:
        """Folder of all results."""
        return Path(self.plan.output)


def prepare(
    plan: Plan, notify: Callable[[str], None], loaded: Mapping[str, Dataset] | None = None
) -> Prepared:
    """Load models and data, split, and name the trials; raises InputError for any wrong input.

    `loaded` has data sets that are already in memory, by option: `dataset`, `test`.
    """
    loaded = loaded or {}
    _check_writable(Path(plan.output))
    models = [load_model(reference) for reference in plan.models]
    labels = [model.label for model in models]
    for label in labels:
        if labels.count(label) > 1:
            raise InputError(
                f"--models has two models called '{label}'; give one an alias, as in other=gru4rec"
            )
    _check_option_labels(plan, labels)
    configs = [
        build_config(
            model.model_class.Config, model.label, given_options(plan, model.label, model.reference)
        )
        for model in models
    ]
    device = _resolve_device(plan.device)
    dataset, test = loaded.get("dataset"), loaded.get("test")
    if dataset is None:
        dataset = load_dataset(plan.dataset, reward=plan.reward, notify=notify)
    if plan.test is not None and test is None:
        test = load_event_table(Path(plan.test), reward=plan.reward, notify=notify)
    options = SplitOptions(
        name=plan.split or ("fixed" if test else dataset.default_split),
        test_share=plan.test_share,
        valid_share=plan.valid_share,
        unseen_items=plan.unseen_items,
        min_session_length=plan.min_session_length,
        min_item_support=plan.min_item_support,
    )
    split = make_split(
        dataset.log,
        options,
        test_log=None if test is None else test.log,
        source=str(dataset.source),
    )
    trials = tuple(
        _spec(model, config, seed, device, split, plan.patience)
        for model, config in zip(models, configs, strict=True)
        for seed in plan.seeds
    )
    events = events_from(split.test)
    notes = dict.fromkeys(
        (
            *_model_notes(models),
            *_zero_reward_notes(dict(zip(labels, configs, strict=True)), dataset.log),
            *dataset.notes,
            *(() if test is None else test.notes),
        )
    )
    return Prepared(plan, dataset, split, options, events, device, tuple(notes), trials, versions())


def _model_notes(models: Sequence[LoadedModel]) -> list[str]:
    """Each note once, after the labels of the models that have it."""
    labels: dict[str, list[str]] = {}
    for model in models:
        if model.note:
            labels.setdefault(model.note, []).append(model.label)
    return [f"{', '.join(names)}: {note}" for note, names in labels.items()]


def _zero_reward_notes(configs: Mapping[str, Any], log: SessionLog) -> list[str]:
    """How models treat events without reward where their options leave it to the log."""
    labels = [
        label
        for label, config in configs.items()
        if getattr(config, "zero_reward_in_state", True) is None
    ]
    n_without = int((log.rewards == 0).sum())
    if not labels or not n_without:
        return []
    became = (
        "enter the user state, as the log has no propensities, so that users acted themselves"
        if log.zero_reward_is_seen
        else "do not enter the user state, as the log has propensities, so that they were shown "
        "and maybe not noticed"
    )
    return [
        f"{', '.join(labels)}: {n_without:,} events without reward {became}; "
        "zero_reward_in_state sets it"
    ]


def given_options(plan: Plan, label: str, reference: str) -> dict[str, Any]:
    """Options set for a model, which include those of `reference` if `label` is an alias."""
    return {**plan.model_options.get(reference, {}), **plan.model_options.get(label, {})}


def _spec(
    model: LoadedModel, config: Any, seed: int, device: str, split: Split, patience: int
) -> TrialSpec:
    return TrialSpec(
        label=model.label,
        reference=model.reference,
        source=source_fingerprint(model.file, source_roots(model)),
        config=dataclasses.asdict(config),
        seed=seed,
        device=device,
        split=split.fingerprint,
        patience=patience,
    )


def _check_writable(output: Path) -> None:
    """Raise InputError where `output` cannot be made or written."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output):
            pass
    except OSError as error:
        raise InputError(
            f"--output {output} cannot be written ({error.strerror}); choose another folder"
        ) from error


def _check_option_labels(plan: Plan, labels: Sequence[str]) -> None:
    """Options may be given for built-in models that do not run, as one file serves many plans."""
    for label in plan.model_options:
        if label not in labels and label not in list_models():
            raise InputError(
                f"options are set for '{label}', which is no model of this run "
                f"({', '.join(labels)}); correct the name"
            )


def _resolve_device(device: str) -> str:
    import torch

    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise InputError("--device cuda: no CUDA device is there; use --device cpu")
    return "cuda" if available and device != "cpu" else "cpu"
