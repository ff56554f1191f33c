"""Tune each model's options on validation, with the same budget for every model.

A candidate is a trial whose split has the validation part as its test, so that its process holds no
test event.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from bench.mlflow_mirror.background import NO_TRACKING, Tracker
from bench.planning.budget import Budget
from bench.planning.model_options import build_config
from bench.planning.presets import write_preset
from bench.processes.signals import terminate_as_interrupt
from bench.running.execution import run_trial
from bench.running.preparation import Prepared, given_options
from bench.running.progress import TrialProgress
from bench.stats.headline import HEADLINE_K
from bench.store.curve import VALIDATION_RECALL
from bench.store.events import events_from
from bench.store.trial import (
    WEIGHTS,
    TrialSpec,
    is_finished,
    read_cost,
    read_trial_record,
    sweep_unfinished,
)
from bench.store.tuning_records import FOLDER, Candidate, Tuning, choose, write_tuning
from bench.tuning.study import Study
from datasets.errors import InputError
from datasets.splitting.splits import Split
from models.common.options.search_ranges import SearchRange, search_ranges
from models.registry import load_model

CANDIDATES = "candidates"
JOURNAL = "optuna.journal"
PRESET = "tuned.toml"
MOST_DRAWS = 50
"""Draws for one candidate: a draw may repeat an earlier one or be refused by the config."""


def tune(prepared: Prepared, progress: TrialProgress) -> Prepared:
    """Choose each model's options on validation and return the plan with them.

    Options that the plan sets are fixed; of the others, those that declare a range are searched,
    starting from their given values. A model all of whose candidates failed has no trials left.
    Candidates of earlier runs of the plan are reused, failed ones too, as they count towards the
    budget. Writes `tuning/<label>.json` for each model and `tuned.toml`. Raises InputError if
    something cannot be read or written, or for a wrong range.
    """
    budget = prepared.plan.tune
    assert budget is not None
    on_validation = _on_validation(prepared)
    first_specs = {spec.label: spec for spec in reversed(prepared.trials)}
    ranges = {
        spec.label: _searched(prepared, spec) for spec in reversed(first_specs.values())
    }  # all checked before any runs
    tunings = []
    with terminate_as_interrupt():
        try:
            sweep_unfinished(prepared.output / CANDIDATES)
            for label, searched in ranges.items():
                search = _Search(on_validation, first_specs[label], searched, progress)
                tuning = search.run(budget)
                write_tuning(prepared.output, tuning)
                tunings.append(tuning)
                progress.message(_sentence(tuning))
        except OSError as error:
            raise InputError(
                f"--output {prepared.output} cannot be written ({error}); "
                "make room or choose another folder"
            ) from error
        except KeyboardInterrupt:
            progress.close()
            raise
    tuned = _with_winners(prepared, tunings)
    if tuned.trials:
        _write_preset(tuned)
        progress.message(f"tuned options: {prepared.output / PRESET}, for --config")
    return tuned


class _Search:
    """The search for one model's options."""

    def __init__(
        self,
        prepared: Prepared,
        given: TrialSpec,
        ranges: Mapping[str, SearchRange],
        progress: TrialProgress,
    ) -> None:
        self._prepared, self._progress, self._ranges = prepared, progress, ranges
        self._given = replace(given, split=prepared.split.fingerprint)
        self._config_class = load_model(given.reference).model_class.Config
        self._tracker = Tracker(NO_TRACKING, prepared.experiment, progress.message)
        self._done: list[Candidate] = []
        key = replace(
            self._given,
            config={**given.config, "ranges": {name: str(span) for name, span in ranges.items()}},
        )
        journal = prepared.output / FOLDER / JOURNAL
        self._study = Study(journal, key.id, ranges, fresh=prepared.plan.fresh)

    def run(self, budget: Budget) -> Tuning:
        """Run candidates until the budget is spent or nothing is left to try."""
        exhausted = False
        while not budget.is_spent(len(self._done), sum(each.seconds for each in self._done)):
            number = len(self._done)
            if number < len(self._study.candidates):
                self._done.append(self._study.candidates[number])
                continue
            spec = self._next(number)
            if spec is None:
                exhausted = True
                break
            self._announce(number, budget, spec)
            self._study.add(self._run_or_reuse(spec))
        return Tuning(
            label=self._given.label,
            budget=budget.text,
            seed=self._given.seed,
            split=self._given.split,
            ranges={name: str(span) for name, span in self._ranges.items()},
            candidates=tuple(self._done),
            chosen=choose(self._done),
            exhausted=exhausted,
        )

    def _next(self, number: int) -> TrialSpec | None:
        """The next candidate's trial; None where no new one was drawn."""
        if number == 0:
            return self._given
        tried = {candidate.id for candidate in self._done}
        for attempt in range(MOST_DRAWS if self._ranges else 0):
            drawn = self._study.draw(self._done, f"{self._given.label}/{number}/{attempt}")
            try:
                config = build_config(
                    self._config_class, self._given.label, {**self._given.config, **drawn}
                )
            except InputError:
                continue  # a combination that the config refuses
            spec = replace(self._given, config=asdict(config))
            if spec.id not in tried:
                return spec
        return None

    def _run_or_reuse(self, spec: TrialSpec) -> Candidate:
        folder = self._prepared.output / CANDIDATES / spec.id
        started = time.monotonic()
        reason = None
        if self._prepared.plan.fresh or not is_finished(folder):
            reason = run_trial(
                self._prepared, spec, folder, self._tracker, self._progress, with_policy=False
            ).reason
            shutil.rmtree(folder / WEIGHTS, ignore_errors=True)  # no candidate is served
        seconds = time.monotonic() - started
        options = {name: spec.config[name] for name in self._ranges}
        if reason is not None:
            return Candidate(spec.id, options, None, seconds, 0, reason)
        record = read_trial_record(folder)
        return Candidate(
            id=spec.id,
            options=options,
            recall=record.metrics[VALIDATION_RECALL],
            seconds=max(record.ended - record.started, 0.0),
            epochs=read_cost(folder).epochs,
        )

    def _announce(self, number: int, budget: Budget, spec: TrialSpec) -> None:
        of = "" if budget.candidates is None else f" of {budget.candidates}"
        options = "options as given"
        if number > 0:
            options = ", ".join(f"{name} {spec.config[name]}" for name in self._ranges)
        self._progress.message(f"{spec.label}: candidate {number + 1}{of}: {options}")


def validation_split(split: Split) -> Split:
    """`split` with its validation part, which it must have, in place of the test."""
    assert split.valid is not None
    digest = hashlib.sha256(b"ranked on validation")
    for part in (split.train, split.valid):
        digest.update(part.fingerprint().encode())
    return replace(split, test=split.valid, counts={}, fingerprint=digest.hexdigest())


def _on_validation(prepared: Prepared) -> Prepared:
    """The plan of candidates: validation for the test, and only the headline's cut-off."""
    split = validation_split(prepared.split)
    return replace(
        prepared,
        plan=replace(prepared.plan, k=(HEADLINE_K,), keep_top=0),
        split=split,
        events=events_from(split.test),
        trials=(),
    )


def _searched(prepared: Prepared, spec: TrialSpec) -> dict[str, SearchRange]:
    """Ranges of the options that the plan does not set; raises InputError for a wrong one."""
    fixed = given_options(prepared.plan, spec.label, spec.reference)
    try:
        ranges = search_ranges(load_model(spec.reference).model_class.Config)
    except ValueError as error:
        raise InputError(f"{spec.label}: {error}; fix the range beside the option") from error
    open_ranges = {name: span for name, span in ranges.items() if name not in fixed}
    for name, span in open_ranges.items():
        if spec.config[name] not in span:
            raise InputError(
                f"{spec.label}.{name} is {spec.config[name]} by default, outside its range {span}; "
                "fix the range"
            )
    return open_ranges


def _with_winners(prepared: Prepared, tunings: list[Tuning]) -> Prepared:
    winners: dict[str, Mapping[str, Any]] = {
        tuning.label: tuning.winner.options for tuning in tunings if tuning.winner is not None
    }
    trials = tuple(
        replace(spec, config={**spec.config, **winners[spec.label]})
        for spec in prepared.trials
        if spec.label in winners
    )
    return replace(prepared, trials=trials, tunings=tuple(tunings))


def _write_preset(tuned: Prepared) -> None:
    """Write the chosen and given options of the models that have trials."""
    options: dict[str, dict[str, Any]] = {}
    for spec in tuned.trials:
        (tuning,) = [each for each in tuned.tunings if each.label == spec.label]
        named = {*given_options(tuned.plan, spec.label, spec.reference), *tuning.ranges}
        options[spec.label] = {name: value for name, value in spec.config.items() if name in named}
    labels = [tuning.label for tuning in tuned.tunings]
    models = tuple(
        reference
        for reference, label in zip(tuned.plan.models, labels, strict=True)
        if label in options
    )
    comment = (
        f"Chosen by validation {VALIDATION_RECALL} on {tuned.dataset.name}, split "
        f"{tuned.options.name}, --tune {tuned.tunings[0].budget}, candidates trained with seed "
        f"{tuned.tunings[0].seed}."
    )
    write_preset(tuned.output / PRESET, replace(tuned.plan, models=models), options, comment)


def _sentence(tuning: Tuning) -> str:
    if tuning.failure is not None:
        return f"{tuning.label}: {tuning.failure}"
    number = [candidate.id for candidate in tuning.candidates].index(str(tuning.chosen)) + 1
    winner = tuning.candidates[number - 1]
    return (
        f"{tuning.label}: candidate {number} of {len(tuning.candidates)} chosen, valid "
        f"{VALIDATION_RECALL} {winner.recall:.4f}, {tuning.seconds:.0f} s in all"
    )
