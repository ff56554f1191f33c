"""Tuning: whom a candidate is asked for, what a budget buys, and what an interrupt leaves.

Candidates run in this process instead of in one of their own; tests/commands/test_tuning.py runs
the whole chain.
"""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.mlflow_mirror.background import Tracker
from bench.planning.plan import make_plan
from bench.running import execution
from bench.running.execution import execute
from bench.running.preparation import Prepared, prepare
from bench.running.progress import TrialProgress
from bench.running.worker import Ended, TrialTask, run_task
from bench.store.tuning_records import Tuning, read_tunings
from bench.tuning.search import tune
from datasets.errors import InputError
from models.registry import load_model

MODELS = Path(__file__).with_name("tunable_models.py")
TUNABLE = f"{MODELS}:Tunable"


class Runner:
    """Runs tasks in this process and keeps them; interrupts in the middle of one."""

    def __init__(self) -> None:
        self.tasks: list[TrialTask] = []
        self.interrupt_at: int | None = None

    def __call__(self, task: TrialTask, on_message: Callable[[Any], None]) -> Ended:
        if len(self.tasks) == self.interrupt_at:
            (task.folder / "half").touch()
            os.kill(os.getpid(), signal.SIGTERM)
        self.tasks.append(task)
        return run_task(task, on_message)


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> Runner:
    made = Runner()
    monkeypatch.setattr(execution, "run_in_process", made)
    # Three processes a trial, which say nothing here.
    monkeypatch.setattr(execution, "git_commit", lambda folder: "unknown")
    return made


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sixty sessions over a hundred items; later ones hold items of higher numbers."""
    monkeypatch.setenv("BENCH_CACHE_DIR", str(tmp_path / "cache"))
    rng = np.random.default_rng(1)
    items = [*range(100), *rng.integers(0, 100, 200)]
    items += [*rng.integers(55, 85, 30), *rng.integers(0, 30, 30)]
    rows = [f"s{event // 6},i{item:03},{event}" for event, item in enumerate(items)]
    file = tmp_path / "log.csv"
    file.write_text("\n".join(["session_id,item_id,time", *rows]) + "\n")
    return file


@pytest.fixture
def prepared(log: Path, tmp_path: Path) -> Callable[..., Prepared]:
    def make(*settings: str, models: str = TUNABLE, output: str = "out", **given: Any) -> Prepared:
        plan = {"models": models, "dataset": str(log), "output": str(tmp_path / output)}
        plan |= {"tracking_uri": "none", "device": "cpu", "tune": 6} | given
        return prepare(make_plan(plan, list(settings), None), lambda text: None)

    return make


def progress() -> TrialProgress:
    return TrialProgress(io.StringIO())


def tuned(prepared: Prepared) -> Tuning:
    (tuning,) = tune(prepared, progress()).tunings
    return tuning


def ids(tuning: Tuning) -> list[str]:
    return [candidate.id for candidate in tuning.candidates]


def test_no_test_rank_exists_before_the_choice(
    runner: Runner, prepared: Callable[..., Prepared]
) -> None:
    plan = prepared(seeds="4,5")
    test, valid = plan.split.test, plan.split.valid
    assert valid is not None
    asked = load_model(TUNABLE).model_class.asked
    asked.clear()
    chosen = tune(plan, progress())
    assert asked == set(valid.log.session_ids.astype(str))
    assert not asked & set(test.log.session_ids.astype(str))
    for task in runner.tasks:
        assert task.split.test is task.split.valid is valid
        assert task.spec.split != plan.split.fingerprint
        assert task.spec.seed == 4
    assert not (plan.output / "trials").exists()
    assert not (plan.output / "splits").exists()

    execute(chosen, Tracker("none", "", print), progress())
    assert asked >= set(test.log.session_ids.astype(str))
    assert [task.spec.seed for task in runner.tasks[-2:]] == [4, 5]
    (tuning,) = chosen.tunings
    assert tuning.winner is not None
    for task in runner.tasks[-2:]:
        assert task.spec.config == {"other": 0.0, **tuning.winner.options}
        assert task.split is plan.split


def test_the_highest_recall_on_validation_wins(
    runner: Runner, prepared: Callable[..., Prepared]
) -> None:
    plan = prepared(k="1,2")
    valid = plan.split.valid
    assert valid is not None
    tuning = tuned(plan)
    targets = valid.log.items[valid.is_target]
    n_items = plan.split.train.n_items
    for candidate in tuning.candidates:
        centre = candidate.options["centre"] * n_items
        if candidate.options["centre"] > 0.8:
            assert candidate.recall is None
            assert candidate.reason == "RuntimeError: planned divergence"
            continue
        distances = np.abs(np.arange(n_items) - centre).astype(np.float32)
        ranks = [(distances <= distances[target]).sum() for target in targets]
        assert candidate.recall == pytest.approx(np.mean([rank <= 20 for rank in ranks]))
        assert np.load(plan.output / "candidates" / candidate.id / "ranks.npy").tolist() == ranks
    recalls = [candidate.recall or 0.0 for candidate in tuning.candidates]
    assert len(set(recalls)) > 2
    assert tuning.candidates[int(np.argmax(recalls))].id == tuning.chosen
    assert tuning.candidates[0].options == {"centre": 0.5, "step": 2}, "the first is as given"
    assert len(set(ids(tuning))) == 6
    assert {candidate.options["step"] for candidate in tuning.candidates} <= {1, 2, 4, 6}
    assert read_tunings(plan.output) == [tuning]


def test_an_interrupted_search_ends_as_an_undisturbed_one(
    runner: Runner, prepared: Callable[..., Prepared]
) -> None:
    undisturbed = tuned(prepared(output="undisturbed"))
    runner.tasks.clear()
    plan = prepared()
    runner.interrupt_at = 3
    with pytest.raises(KeyboardInterrupt):
        tune(plan, progress())
    candidates = plan.output / "candidates"
    assert sorted(file.name for file in candidates.iterdir()) == sorted(ids(undisturbed)[:3])
    assert not (plan.output / "tuned.toml").exists()
    assert read_tunings(plan.output) == []

    journal = plan.output / "tuning" / "optuna.journal"
    journal.write_bytes(journal.read_bytes() + b'{"op_code": 4, "wor')  # as a kill leaves it
    runner.interrupt_at = None
    resumed = tuned(plan)
    assert len(runner.tasks) == 6
    assert ids(resumed) == ids(undisturbed)
    assert resumed.chosen == undisturbed.chosen
    recalls = [candidate.recall for candidate in undisturbed.candidates]
    assert [candidate.recall for candidate in resumed.candidates] == recalls
    assert tuned(plan) == resumed
    assert len(runner.tasks) == 6


def test_whole_candidates_outlive_the_journal(
    runner: Runner, prepared: Callable[..., Prepared]
) -> None:
    plan = prepared()
    before = tuned(plan)
    failed = sum(candidate.recall is None for candidate in before.candidates)
    journal = plan.output / "tuning" / "optuna.journal"
    journal.write_text("no journal\n")
    with pytest.raises(InputError, match=r"optuna\.journal is damaged .* remove it"):
        tune(plan, progress())
    journal.unlink()
    assert ids(tuned(plan)) == ids(before)
    assert len(runner.tasks) == 6 + failed, "only what is not whole runs again"


def test_another_budget_begins_with_the_same_candidates(
    runner: Runner, prepared: Callable[..., Prepared]
) -> None:
    small = tuned(prepared(tune=2))
    large = tuned(prepared(tune=4))
    assert ids(large)[:2] == ids(small)
    assert len(runner.tasks) == 4
    assert ids(tuned(prepared(tune=3))) == ids(large)[:3]
    assert len(runner.tasks) == 4


def test_a_time_that_is_spent_starts_no_further_candidate(
    runner: Runner, prepared: Callable[..., Prepared]
) -> None:
    tuning = tuned(prepared(tune="0.000001s"))
    assert len(tuning.candidates) == 1
    assert tuning.chosen == tuning.candidates[0].id
    assert tuning.seconds > 0


def test_fresh_runs_candidates_again(runner: Runner, prepared: Callable[..., Prepared]) -> None:
    tuned(prepared(tune=2))
    again = tuned(prepared(tune=2, fresh=True))
    assert len(runner.tasks) == 4
    assert len(again.candidates) == 2


def test_a_model_without_a_whole_candidate_fails_alone(
    runner: Runner, prepared: Callable[..., Prepared]
) -> None:
    plan = prepared(models=f"{MODELS}:Diverging,{TUNABLE}", tune=2)
    chosen = tune(plan, progress())
    failed, whole = chosen.tunings
    assert failed.chosen is None
    assert failed.failure is not None
    assert failed.failure == (
        "0 of 2 candidates of its tuning are whole, "
        "the first failed with RuntimeError: never trains"
    )
    assert whole.failure is None
    assert [spec.label for spec in chosen.trials] == ["tunable"]
    preset = make_plan({}, [], plan.output / "tuned.toml")
    assert preset.models == (TUNABLE,)


def test_options_that_are_given_are_held(runner: Runner, prepared: Callable[..., Prepared]) -> None:
    tuning = tuned(prepared("tunable.centre=0.1", tune=3))
    assert set(tuning.ranges) == {"step"}
    assert {task.spec.config["centre"] for task in runner.tasks} == {0.1}
    nothing_left = tuned(prepared("tunable.centre=0.1", "tunable.step=3000"))
    assert nothing_left.exhausted
    assert len(nothing_left.candidates) == 1


def test_a_search_ends_when_all_was_tried(
    runner: Runner, prepared: Callable[..., Prepared]
) -> None:
    tuning = tuned(prepared(models=f"{MODELS}:Few", tune=5))
    assert sorted(candidate.options["centre"] for candidate in tuning.candidates) == [0.25, 0.75]
    assert tuning.exhausted


def test_preset_repeats_the_final_trials(
    runner: Runner, prepared: Callable[..., Prepared], tmp_path: Path
) -> None:
    models = f"{TUNABLE},second={TUNABLE}"
    plan = prepared("second.other=inf", "tunable.step=1", models=models, tune=3, seeds="2,3")
    chosen = tune(plan, progress())
    preset = make_plan({"output": str(tmp_path / "again")}, [], plan.output / "tuned.toml")
    assert preset.tune is None
    repeated = prepare(preset, lambda text: None)
    assert [spec.id for spec in repeated.trials] == [spec.id for spec in chosen.trials]
    assert [spec.label for spec in repeated.trials] == ["tunable", "tunable", "second", "second"]
    assert len({spec.id for spec in chosen.trials} - {spec.id for spec in plan.trials}) > 0


@pytest.mark.parametrize(
    ("name", "reason"),
    [("Outside", r"outside\.centre is 0\.5 by default, outside"), ("Wrong", "wrong: centre is no")],
)
def test_wrong_range_is_refused_before_anything_runs(
    runner: Runner, prepared: Callable[..., Prepared], name: str, reason: str
) -> None:
    with pytest.raises(InputError, match=reason):
        tune(prepared(models=f"{TUNABLE},{MODELS}:{name}"), progress())
    assert runner.tasks == []


def test_a_journal_that_cannot_be_written_is_said(
    runner: Runner, prepared: Callable[..., Prepared]
) -> None:
    plan = prepared(tune=1)
    (plan.output / "tuning" / "optuna.journal").mkdir(parents=True)
    with pytest.raises(InputError, match=r"optuna\.journal cannot be written"):
        tune(plan, progress())


@pytest.mark.parametrize("budget", ["0", "soon"])
def test_budget_that_is_none_is_refused(budget: str) -> None:
    with pytest.raises(InputError, match="--tune must be a number of candidates or a time"):
        make_plan({"tune": budget}, [], None)


def test_tuning_asks_for_a_validation_part() -> None:
    with pytest.raises(InputError, match="--tune ranks on validation; drop --valid-share 0"):
        make_plan({"tune": "3", "valid_share": "0"}, [], None)
