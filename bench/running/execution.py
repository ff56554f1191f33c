"""Run the trials of a prepared plan, one after another, each into its folder."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.figures.floors import FLOORS, store_floors
from bench.figures.results import event_values
from bench.mlflow_mirror.background import Tracker
from bench.mlflow_mirror.shown_run import Run
from bench.planning.seed_budget import enough_seeds
from bench.policy_value.logging_policy import LOGGING_POLICY, logging_policy, write_logging_policy
from bench.processes.signals import terminate_as_interrupt
from bench.ranking.top_lists import top_lists_file
from bench.running.preparation import Prepared
from bench.running.progress import TrialProgress
from bench.running.trial_display import TrialDisplay
from bench.running.trial_process import run_in_process
from bench.running.worker import Ended, TrialTask
from bench.stats.headline import headline_k
from bench.stats.significance import Values
from bench.store.catalogue import CATALOGUE, Catalogue, split_folder, titles_in_order
from bench.store.events import MANIFEST
from bench.store.provenance import REPOSITORY, git_commit, machine
from bench.store.trial import (
    TRIAL_RECORD,
    TRIALS,
    TrialSpec,
    is_finished,
    put_in_place,
    read_cost,
    read_ranks,
    sweep_unfinished,
    unfinished_folder,
    write_trial_record,
)
from datasets.errors import InputError
from datasets.reading.cache import cached_logs


@dataclass(frozen=True)
class TrialOutcome:
    """How one trial of a plan ended."""

    spec: TrialSpec
    folder: Path
    reason: str | None
    """Why it failed; None if it finished."""


@dataclass(frozen=True)
class Outcome:
    """All trials that ended."""

    trials: tuple[TrialOutcome, ...]
    interrupted: bool
    seeds_decided: bool
    """Whether `--seeds auto` stopped because further seeds would not change the decision."""

    @property
    def failures(self) -> dict[str, str]:
        """Reason of each failed trial, by its name."""
        return {trial.spec.name: trial.reason for trial in self.trials if trial.reason}


def execute(prepared: Prepared, tracker: Tracker, progress: TrialProgress) -> Outcome:
    """Run each trial that is not finished on disk, one after another.

    Ctrl-C, SIGTERM or a closed terminal ends the running trial and keeps the finished ones.
    """
    folder = prepared.output / TRIALS
    try:
        folder.mkdir(parents=True, exist_ok=True)
        sweep_unfinished(folder)
        _store_split(prepared)
    except OSError as error:
        raise InputError(
            f"--output {prepared.output} cannot be written ({error}); "
            "make room or choose another folder"
        ) from error
    done: list[TrialOutcome] = []
    interrupted = decided = False
    with terminate_as_interrupt():
        try:
            for specs in _rounds(prepared):
                for spec in specs:
                    done.append(_run_or_reuse(prepared, spec, tracker, progress))
                decided = prepared.plan.auto_seeds and _seeds_decide(done, prepared)
                if decided:
                    break
        except KeyboardInterrupt:
            interrupted = True
            progress.close()
    return Outcome(tuple(done), interrupted, decided)


def _rounds(prepared: Prepared) -> list[list[TrialSpec]]:
    """Rounds of trials after which a run may stop: one a seed with `--seeds auto`, else all."""
    if not prepared.plan.auto_seeds:
        return [list(prepared.trials)]
    return [[spec for spec in prepared.trials if spec.seed == s] for s in prepared.plan.seeds]


def _seeds_decide(done: Sequence[TrialOutcome], prepared: Prepared) -> bool:
    """Whether no further seed would help to decide between the finished trials."""
    plan = prepared.plan
    headline = f"Recall@{headline_k(plan.ks)}"
    values: dict[str, list[Values]] = {}
    for trial in done:
        if trial.reason is None:
            of_events = event_values(read_ranks(trial.folder), plan.ks, plan.ties)[headline]
            values.setdefault(trial.spec.label, []).append(of_events)
    return enough_seeds(values, prepared.events.sessions)


def _run_or_reuse(
    prepared: Prepared, spec: TrialSpec, tracker: Tracker, progress: TrialProgress
) -> TrialOutcome:
    folder = prepared.output / TRIALS / spec.id
    if not prepared.plan.fresh and is_finished(folder) and _has_lists(prepared, folder):
        progress.message(f"{spec.name}: reused from {folder}")
        tracker.show(folder)
        return TrialOutcome(spec, folder, None)
    return TrialOutcome(spec, folder, run_trial(prepared, spec, folder, tracker, progress).reason)


def _has_lists(prepared: Prepared, folder: Path) -> bool:
    n_first = min(prepared.plan.keep_top, prepared.split.test.log.n_items)
    return n_first == 0 or top_lists_file(folder, n_first).exists()


def run_trial(
    prepared: Prepared,
    spec: TrialSpec,
    folder: Path,
    tracker: Tracker,
    progress: TrialProgress,
    *,
    with_policy: bool = True,
) -> Ended:
    """Run a trial in its own process and put its folder in place, finished or failed.

    A failure to write becomes the trial's reason; an interrupt leaves nothing and is raised again.
    """
    building = unfinished_folder(folder)
    task = TrialTask(
        spec=spec,
        split=prepared.split,
        folder=building,
        ks=prepared.plan.ks,
        experiment=prepared.experiment,
        parameters=_parameters(prepared, spec),
        tags=_tags(prepared, spec),
        keep_top=prepared.plan.keep_top,
        with_policy=with_policy,
        hidden=_files_with_test_events(prepared),
        world=prepared.dataset.world if with_policy else None,
    )
    started = time.time()
    epochs = spec.config.get("epochs")
    n_epochs = epochs if isinstance(epochs, int) else 1
    progress.start(spec.label, spec.seed, n_epochs, prepared.split.train.n_targets)
    run = Run(spec.id, spec.name, task.parameters, task.tags, started)
    display = TrialDisplay(run, tracker, progress)
    try:
        ended = run_in_process(task, display)
        if not (building / TRIAL_RECORD).exists():
            write_trial_record(building, task.record(ended, started))
        put_in_place(building, folder)
    except OSError as error:
        shutil.rmtree(building, ignore_errors=True)
        fix = "make room or choose another --output, and run again"
        reason = f"its results cannot be written ({error}); {fix}"
        progress.finish(f"{spec.name} FAILED: {reason}")
        tracker.show(display.run.end("FAILED", reason))
        return Ended(reason)
    except BaseException as error:
        shutil.rmtree(building, ignore_errors=True)
        reason = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error)
        tracker.show(display.run.end("KILLED", reason))
        raise
    if ended.status == "failed":
        progress.finish(f"{spec.name} FAILED: {ended.reason}")
    else:
        cost = read_cost(folder)
        progress.finish(
            f"{spec.name}: {cost.epochs} epochs (best {cost.best_epoch}) in "
            f"{cost.train_seconds:.1f} s of training, {cost.events_per_second:,.0f} events/s"
        )
    tracker.show(folder)
    return ended


def _files_with_test_events(prepared: Prepared) -> tuple[Path, ...]:
    splits = split_folder(prepared.output, prepared.split.fingerprint).parent
    top_lists = (prepared.output / TRIALS).glob("*/top-*.parquet")
    sources = [prepared.plan.dataset, prepared.plan.test, prepared.dataset.source]
    files: list[Path] = []
    for source in [Path(source) for source in sources if source is not None]:
        # Only the folder's own files: results and models may lie below it.
        inside = source.iterdir() if source.is_dir() else [source]
        files += [file for file in inside if file.is_file() and file.suffix != ".py"]
    return (splits, cached_logs(), *top_lists, *files)


def _store_split(prepared: Prepared) -> None:
    """Store what trials on a split share: events, catalogue, floors and the logging policy."""
    split = prepared.split
    folder = split_folder(prepared.output, split.fingerprint)
    if all((folder / name).exists() for name in (MANIFEST, CATALOGUE, FLOORS, LOGGING_POLICY)):
        return
    building = unfinished_folder(folder)
    item_ids = split.train.item_ids
    titles = titles_in_order(item_ids, prepared.dataset.read_titles())
    Catalogue(item_ids, split.train.item_counts(), titles).save(building)
    prepared.events.save(building)
    world, logger = prepared.dataset.world, prepared.dataset.logger
    simulation = None if world is None or logger is None else (world, logger)
    store_floors(split, building, simulation)
    write_logging_policy(
        logging_policy(split, prepared.events, simulated=simulation is not None), building
    )
    put_in_place(building, folder)


def _parameters(prepared: Prepared, spec: TrialSpec) -> dict[str, Any]:
    return {
        **spec.config,
        "model": spec.reference,
        "seed": spec.seed,
        "device": spec.device,
        "patience": spec.patience,
        **data_parameters(prepared),
    }


def data_parameters(prepared: Prepared) -> dict[str, Any]:
    """What all trials of a plan share: the data set and its split."""
    plan = prepared.plan
    split = {name: value for name, value in asdict(prepared.options).items() if name != "name"}
    return {
        "dataset": plan.dataset,
        "test": plan.test,
        "reward": plan.reward,
        "split": prepared.options.name,
        **split,
    }


def _tags(prepared: Prepared, spec: TrialSpec) -> dict[str, str]:
    return {
        "git_commit": git_commit(REPOSITORY),
        "data_fingerprint": spec.split,
        "model_source": spec.source,
        **{f"version_{name}": text for name, text in prepared.versions.items()},
        **{f"machine_{name}": str(value) for name, value in machine().items()},
    }
