"""Optuna: what to try next, and a file of what was tried.

The file is a journal of JSON lines, one a candidate, written when the candidate has ended. What
comes next depends only on earlier candidates and the model's name, so that an interrupted tuning
resumes as if it had not been interrupted.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import FrozenTrial, TrialState, create_trial

from bench.store.tuning_records import Candidate
from datasets.errors import InputError
from models.common.options.search_ranges import Choices, LogRange, SearchRange

SIGNIFICANT_DIGITS = 3
"""Of a drawn float: presets are read by people, and validation distinguishes no finer."""

Ranges = Mapping[str, SearchRange]


class _JournalFile(BaseJournalBackend):
    """Optuna's journal, a line an entry; a line truncated by a kill is ignored.

    Optuna's own file backend appends to such a line, which makes the file unreadable, and waits for
    the lock of a killed process.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        file.touch()

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """Entries from this one on."""
        *complete, _ = self._file.read_bytes().split(b"\n")
        return iter([json.loads(line) for line in complete[log_number_from:]])

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write entries after the last complete one, one process at a time."""
        lines = "".join(f"{json.dumps(entry)}\n" for entry in logs)
        with self._file.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.truncate(file.read().rfind(b"\n") + 1)
            file.seek(0, os.SEEK_END)
            file.write(lines.encode())
            file.flush()
            os.fsync(file.fileno())


class Study:
    """The candidates of one model on one split under one set of ranges, in the order tried."""

    def __init__(self, file: Path, name: str, ranges: Ranges, *, fresh: bool) -> None:
        """Open or create the study `name` in `file`; `fresh` deletes its candidates.

        Raises InputError if the file cannot be read or written.
        """
        self._file, self._distributions = file, _distributions(ranges)
        self._values = {
            option: {str(value): value for value in span.values}
            for option, span in ranges.items()
            if isinstance(span, Choices)
        }
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            storage = JournalStorage(_JournalFile(file))
            names = [study.study_name for study in storage.get_all_studies()]
            if fresh and name in names:
                optuna.delete_study(study_name=name, storage=storage)
            self._study = optuna.create_study(
                storage=storage, study_name=name, direction="maximize", load_if_exists=True
            )
            found = [self._candidate(trial) for trial in self._study.get_trials(deepcopy=False)]
        except OSError as error:
            raise _unwritable(file, error) from error
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{file} is damaged ({error}); remove it and run again, which reuses candidates/"
            ) from error
        # Two commands in one folder may both have written a candidate.
        self.candidates = list({candidate.id: candidate for candidate in found}.values())

    def add(self, candidate: Candidate) -> None:
        """Store a candidate that has ended; raises InputError if it cannot be written."""
        trial = create_trial(
            state=TrialState.FAIL if candidate.recall is None else TrialState.COMPLETE,
            value=candidate.recall,
            params=self._parameters(candidate.options),
            distributions=self._distributions,
            user_attrs={
                "candidate": candidate.id,
                "seconds": candidate.seconds,
                "epochs": candidate.epochs,
                "reason": candidate.reason,
            },
        )
        try:
            self._study.add_trial(trial)
        except OSError as error:
            raise _unwritable(self._file, error) from error
        self.candidates.append(candidate)

    def draw(self, tried: Sequence[Candidate], key: str) -> dict[str, Any]:
        """Options to try after `tried`, of which a failed one counts as 0; `key` is the seed."""
        seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big")
        study = optuna.create_study(direction="maximize", sampler=TPESampler(seed=seed))
        study.add_trials(
            [
                create_trial(
                    value=candidate.score,
                    params=self._parameters(candidate.options),
                    distributions=self._distributions,
                )
                for candidate in tried
            ]
        )
        return self._options(study.ask(self._distributions).params)

    def _candidate(self, trial: FrozenTrial) -> Candidate:
        return Candidate(
            id=trial.user_attrs["candidate"],
            options=self._options(trial.params),
            recall=None if trial.state == TrialState.FAIL else trial.value,
            seconds=trial.user_attrs["seconds"],
            epochs=trial.user_attrs["epochs"],
            reason=trial.user_attrs["reason"],
        )

    def _parameters(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Optuna stores texts and numbers, so a choice is stored as text."""
        return {
            name: str(value) if name in self._values else value for name, value in options.items()
        }

    def _options(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        # In the order of the config's fields, not Optuna's.
        return {name: self._option(name, parameters[name]) for name in self._distributions}

    def _option(self, name: str, value: Any) -> Any:
        distribution = self._distributions[name]
        if name in self._values:
            return self._values[name][value]
        if isinstance(distribution, FloatDistribution):
            rounded = float(f"{value:.{SIGNIFICANT_DIGITS}g}")
            return min(max(rounded, distribution.low), distribution.high)
        return value


def _distributions(ranges: Ranges) -> dict[str, BaseDistribution]:
    found: dict[str, BaseDistribution] = {}
    for name, span in ranges.items():
        if isinstance(span, Choices):
            found[name] = CategoricalDistribution([str(value) for value in span.values])
        elif isinstance(span.low, int) and isinstance(span.high, int):
            found[name] = IntDistribution(span.low, span.high, log=isinstance(span, LogRange))
        else:
            found[name] = FloatDistribution(span.low, span.high, log=isinstance(span, LogRange))
    return found


def _unwritable(file: Path, error: OSError) -> InputError:
    return InputError(
        f"{file} cannot be written ({error}); make room or choose another --output, and run again"
    )
