"""A trial: one model, one seed, one split; its specification, its name and its folder."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import psutil

from bench.store.cost import Cost
from bench.store.curve import CURVE
from bench.store.files import read_versioned, reading, replacing
from bench.store.ranks import Ranks
from datasets.errors import InputError

TRIAL_FORMAT = 2
TRIALS = "trials"
"""Folder with a folder for each trial, in the output folder."""
TRIAL_RECORD = "trial.json"
COST = "cost.json"
WEIGHTS = "weights"
TRACEBACK = "traceback.txt"
_RANK_FILES = ("ranks.npy", "ties.npy", "exposure.npy")

Status = Literal["finished", "failed"]


@dataclass(frozen=True)
class TrialSpec:
    """Everything that determines a trial's ranks; an equal specification is not run again."""

    label: str
    """Name of the model in tables."""
    reference: str
    """A built-in name, or the reference of a plugin."""
    source: str
    """See `provenance.source_fingerprint`."""
    config: Mapping[str, Any]
    seed: int
    device: str
    """Kind of device, "cpu" or "cuda"."""
    split: str
    """Fingerprint of the split."""
    patience: int

    @property
    def name(self) -> str:
        """How the trial is shown."""
        return f"{self.label} seed {self.seed}"

    @property
    def id(self) -> str:
        """Name of the trial's folder: readable, and different for every specification."""
        # The path of a plugin's file changes no result.
        determining = {key: value for key, value in asdict(self).items() if key != "reference"}
        text = json.dumps(determining, sort_keys=True, default=str)
        readable = re.sub(r"[^A-Za-z0-9.-]+", "-", self.label)
        return f"{readable}-seed{self.seed}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


@dataclass(frozen=True)
class TrialRecord:
    """What `trial.json` holds."""

    id: str
    model: str
    seed: int
    status: Status
    reason: str | None
    """Why it failed."""
    started: float
    """Seconds since 1970."""
    ended: float
    experiment: str
    parameters: Mapping[str, Any]
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    """Conservative ties, all K of the plan that ran it, with the ends of 95 % intervals."""
    ks: Sequence[int] = ()
    """Cut-offs of the rows of `exposure.npy`."""
    stochastic: bool | None = None
    """Whether the model is a stochastic policy, with a `policy.npy`; None if unknown."""
    format_version: int = TRIAL_FORMAT

    @property
    def name(self) -> str:
        """How the trial is shown."""
        return f"{self.model} seed {self.seed}"


def is_finished(folder: Path) -> bool:
    """Whether a folder holds a complete finished trial that this code can read."""
    try:
        finished = read_trial_record(folder).status == "finished"
    except InputError:
        return False
    return finished and all((folder / name).exists() for name in (*_RANK_FILES, CURVE, COST))


def read_trial_record(folder: Path) -> TrialRecord:
    """Read `trial.json`; raises InputError where it is missing, damaged or of another version."""
    fix = "remove its folder and run again"
    return read_versioned(
        folder / TRIAL_RECORD,
        TRIAL_FORMAT,
        lambda content: TrialRecord(**content),
        absent=fix,
        other_version="use another --output folder or remove this one",
        damaged=fix,
    )


def read_ranks(folder: Path) -> Ranks:
    """Ranks, ties and exposure of a finished trial."""
    exposure = np.load(folder / "exposure.npy", allow_pickle=False)
    return Ranks(
        ranks=np.load(folder / "ranks.npy", allow_pickle=False),
        ties=np.load(folder / "ties.npy", allow_pickle=False),
        exposure=dict(zip(read_trial_record(folder).ks, exposure, strict=True)),
    )


def read_cost(folder: Path) -> Cost:
    """Cost of a finished trial; raises InputError if `cost.json` is damaged."""
    file = folder / COST
    with reading(file, "remove its folder and run again"):
        return Cost(**json.loads(file.read_text(encoding="utf-8")))


def write_ranks(folder: Path, ranks: Ranks) -> None:
    """Write ranks, ties and exposure, the latter with a row for each K, ascending."""
    np.save(folder / "ranks.npy", ranks.ranks)
    np.save(folder / "ties.npy", ranks.ties)
    np.save(folder / "exposure.npy", np.array([ranks.exposure[k] for k in sorted(ranks.exposure)]))


def write_trial_record(folder: Path, record: TrialRecord) -> None:
    """Write `trial.json`, last of all files: a folder that has it is complete."""
    content = asdict(record)
    content["parameters"] = json_numbers(record.parameters)
    text = json.dumps(content, indent=2, default=str) + "\n"
    with replacing(folder / TRIAL_RECORD) as file:
        file.write(text.encode())


def json_numbers(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options with the numbers that JSON lacks as text: TOCR's cap and horizon may be infinite."""
    return {
        name: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in options.items()
    }


def unfinished_folder(folder: Path) -> Path:
    """A new, empty folder beside `folder`, under a temporary name, in which it is built."""
    building = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    return building


def put_in_place(building: Path, folder: Path) -> None:
    """Rename a built folder to its final name and remove the one it replaces."""
    older = building.with_name(f".{folder.name}.older.{os.getpid()}.partial")
    if folder.exists():
        folder.rename(older)
    building.rename(folder)
    shutil.rmtree(older, ignore_errors=True)


def sweep_unfinished(trials: Path) -> None:
    """Remove unfinished folders of processes that no longer exist."""
    for building in trials.glob(".*.partial"):
        process = building.name.split(".")[-2]
        if process.isdigit() and not psutil.pid_exists(int(process)):
            shutil.rmtree(building, ignore_errors=True)
