"""Results of tuning: the candidates of each model and the chosen one, stored as JSON."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.store.files import reading, write_whole
from bench.store.trial import json_numbers

TUNING_FORMAT = 1
FOLDER = "tuning"


@dataclass(frozen=True)
class Candidate:
    """One set of options of a model, fitted on training and ranked on validation."""

    id: str
    """Name of its folder in `candidates/`."""
    options: Mapping[str, Any]
    """Values of the options that were searched."""
    recall: float | None
    """Validation Recall@20 of its best epoch; None if it failed."""
    seconds: float
    """Run time of its process."""
    epochs: int
    """Epochs that ran; 0 if it failed."""
    reason: str | None = None

    @property
    def score(self) -> float:
        """Its recall, or 0 if it failed."""
        return 0.0 if self.recall is None else self.recall


@dataclass(frozen=True)
class Tuning:
    """The candidates of one model, in the order in which they ran."""

    label: str
    budget: str
    """As given: "20" candidates or "30m"."""
    seed: int
    split: str
    """Fingerprint of the training and validation parts."""
    ranges: Mapping[str, str]
    """Search range of each option; empty where the model declares none."""
    candidates: tuple[Candidate, ...]
    chosen: str | None
    """Id of the candidate with the highest recall, the first of equals; None if all failed."""
    exhausted: bool = False
    """Whether it ran out of untried options before its budget."""

    @property
    def seconds(self) -> float:
        """Seconds of all candidates."""
        return sum(candidate.seconds for candidate in self.candidates)

    @property
    def winner(self) -> Candidate | None:
        """The chosen candidate."""
        return next((each for each in self.candidates if each.id == self.chosen), None)

    @property
    def failure(self) -> str | None:
        """Why the model has no options to run with; None if it has."""
        if self.chosen is not None:
            return None
        n, reason = len(self.candidates), self.candidates[0].reason
        return f"0 of {n} candidates of its tuning are whole, the first failed with {reason}"


def choose(candidates: Sequence[Candidate]) -> str | None:
    """Id of the candidate with the highest recall, the first of equals; None if all failed."""
    finished = [candidate for candidate in candidates if candidate.recall is not None]
    return max(finished, key=lambda candidate: candidate.score).id if finished else None


def expected_best(scores: Sequence[float]) -> NDArray[np.float64]:
    """Expected best score of b of the n candidates, drawn without replacement, for b = 1 to n.

    With v_1 <= ... <= v_n it is sum_i v_i (F_b(i) - F_b(i - 1)), F_b(i) = C(i, b) / C(n, b), (n,).
    Dodge et al., Show Your Work: Improved Reporting of Experimental Results, EMNLP 2019, draw with
    replacement, (i / n) ** b; Tang et al., Showing Your Work Doesn't Always Work, ACL 2020, show
    why not to.
    """
    ordered = np.sort(np.asarray(scores, dtype=np.float64))
    n = len(ordered)
    places = np.arange(1, n + 1)
    below = np.ones(n)
    expected = np.empty(n)
    for b in range(1, n + 1):
        below = below * np.maximum(places - b + 1, 0) / (n - b + 1)
        expected[b - 1] = ordered @ np.diff(below, prepend=0.0)
    return expected


def write_tuning(output: Path, tuning: Tuning) -> None:
    """Write `output/tuning/<label>.json` atomically; raises OSError or InputError if it cannot."""
    content = {
        "format_version": TUNING_FORMAT,
        **asdict(tuning),
        "seconds": tuning.seconds,
        "expected_best": expected_best([each.score for each in tuning.candidates]).tolist(),
    }
    for candidate in content["candidates"]:
        candidate["options"] = json_numbers(candidate["options"])
    file = output / FOLDER / f"{_file_name(tuning.label)}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, json.dumps(content, indent=2, allow_nan=False) + "\n")


def read_tunings(output: Path) -> list[Tuning]:
    """All that `write_tuning` wrote into `output`, by file name; raises InputError if damaged."""
    return [_read(file) for file in sorted((output / FOLDER).glob("*.json"))]


def _read(file: Path) -> Tuning:
    with reading(file, "remove it and run with --tune again"):
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["format_version"] != TUNING_FORMAT:
            raise ValueError(
                f"it has format_version {content['format_version']}, this code reads "
                f"{TUNING_FORMAT}"
            )
        candidates = []
        for candidate in content["candidates"]:
            options = {name: _from_json(value) for name, value in candidate["options"].items()}
            candidates.append(Candidate(**candidate | {"options": options}))
        names = {field.name for field in dataclasses.fields(Tuning)} - {"candidates"}
        return Tuning(candidates=tuple(candidates), **{name: content[name] for name in names})


def _file_name(label: str) -> str:
    """`label`, or if that is no valid file name, a similar one with a hash."""
    readable = re.sub(r"[^A-Za-z0-9._-]+|^\.", "-", label)
    if readable == label:
        return label
    return f"{readable}-{hashlib.sha256(label.encode()).hexdigest()[:8]}"


def _from_json(value: Any) -> Any:
    """Undo what JSON did to tuples, and `json_numbers` to infinity."""
    if isinstance(value, list):
        return tuple(value)
    return float(value) if value in ("inf", "-inf") else value
