"""Run a plan from data to report and return its results."""

from __future__ import annotations

import html
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.figures.benchmark import Benchmark, gather
from bench.mlflow_mirror.background import Tracker
from bench.mlflow_mirror.shown_run import RunStatus, benchmark_run
from bench.planning.plan import Plan, make_plan
from bench.running.execution import Outcome, TrialOutcome, execute
from bench.running.preparation import Prepared, prepare
from bench.running.progress import TrialProgress
from bench.running.recording import benchmark_parameters, record_benchmark
from bench.store.benchmark_record import write_benchmark_record
from bench.store.trial import read_cost
from datasets.dataset import Dataset
from datasets.errors import InputError
from datasets.frame import load_event_frame
from reports.page.tables import PageCell, result_table
from reports.report import report_markdown, report_paths, write_tables
from reports.tables.benchmark_table import rows_and_columns
from reports.tables.formats import figure_columns
from reports.tables.table_footer import decisions, method_lines

TRACKING_TIMEOUT = 120.0
_DATA = ("dataset", "test")


@dataclass(frozen=True, eq=False, repr=False)
class BenchmarkResult:
    """Results of a run; a notebook displays the table, `print` shows `table.md`."""

    benchmark: Benchmark
    """All figures, computed from the trials' ranks."""
    outcome: Outcome
    """How each trial ended."""
    output: Path
    """Folder of all results."""
    has_page: bool
    """Whether the run wrote `report.html`."""

    @property
    def failures(self) -> Mapping[str, str]:
        """Reason for each failed trial and each model whose tuning failed, by name."""
        return self.benchmark.record.failures

    @property
    def interrupted(self) -> bool:
        """Whether the run was interrupted; the result holds the trials finished by then."""
        return self.outcome.interrupted

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per model, best first, with the columns and precision of `table.csv`."""
        rows, columns = rows_and_columns(self.benchmark)
        figures = figure_columns(rows, columns).items()
        numbers = {name: np.array(column, dtype=np.float64) for name, column in figures}
        return pd.DataFrame({"model": [row.label for row in rows], **numbers})

    @cached_property
    def comparisons(self) -> pd.DataFrame:
        """One row per pair of models and metric, on the same test events.

        `difference` is `model` minus `other`; `low` and `high` bound the interval of the corrected
        permutation test; `adjusted_p` is Holm-adjusted; `better` names the significantly better
        model, None if the difference is not significant.
        """
        rows = [
            {
                "model": each.first,
                "other": each.second,
                "metric": each.metric,
                "difference": each.value,
                "low": each.low,
                "high": each.high,
                "p": each.p,
                "adjusted_p": each.adjusted_p,
                "better": (each.first if each.value > 0 else each.second) if each.decided else None,
            }
            for each in self.benchmark.differences
        ]
        return pd.DataFrame(rows, columns=_COMPARISON_COLUMNS)

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row per trial; `seconds` is training time, `reason` why a trial failed."""
        rows = [_trial_row(trial) for trial in self.outcome.trials]
        return pd.DataFrame(rows, columns=_TRIAL_COLUMNS)

    def report(self) -> Path:
        """Write `report.html` and its plots to the output folder; returns the page's path."""
        from reports.page.page import PAGE, write_page

        write_page([self.benchmark], self.output)
        return self.output / PAGE

    def __repr__(self) -> str:
        return report_markdown([self.benchmark])

    def _repr_html_(self) -> str:
        table = result_table(self.benchmark)
        heading = "".join(f"<th>{html.escape(name)}</th>" for name in table.columns)
        rows = "".join(
            f"<tr>{''.join(f'<td>{_cell_html(cell)}</td>' for cell in row)}</tr>"
            for row in table.rows
        )
        remarks = [html.escape(line) for line in decisions(self.benchmark, str)]
        remarks += [
            f"<b>{html.escape(name)}</b> failed: {html.escape(reason)}"
            for name, reason in self.failures.items()
        ]
        if self.interrupted:
            remarks.append("interrupted: the same call goes on where this one ended")
        below = "".join(f"<p>{remark}</p>" for remark in remarks)
        method = "".join(
            f"<li>{html.escape(line)}</li>" for line in method_lines(self.benchmark, str)
        )
        return (
            f"<table><thead><tr>{heading}</tr></thead><tbody>{rows}</tbody></table>{below}"
            f"<details><summary>how to read the table</summary><ul>{method}</ul></details>"
        )


_COMPARISON_COLUMNS = (
    "model", "other", "metric", "difference", "low", "high", "p", "adjusted_p", "better",
)  # fmt: skip
_TRIAL_COLUMNS = ("model", "seed", "status", "seconds", "epochs", "best_epoch", "reason", "folder")


def run_given(
    given: Mapping[str, Any],
    options: Mapping[str, Mapping[str, Any]],
    config: Path | None,
) -> BenchmarkResult:
    """Run with the plan's options by name, where `dataset` and `test` may be pandas frames.

    Raises InputError for wrong options or input, and if results cannot be written.
    """
    frames = {name: given[name] for name in _DATA if isinstance(given.get(name), pd.DataFrame)}
    for name in _DATA:
        if name not in frames and not isinstance(given.get(name, ""), str | os.PathLike):
            kind = type(given[name]).__name__
            raise InputError(f"{name} is of type {kind}; give a name, a path or a pandas DataFrame")
    plan = make_plan({**given, **dict.fromkeys(frames, "frame")}, (), config, options)
    progress = TrialProgress(sys.stderr)
    loaded = {
        name: load_event_frame(frame, reward=plan.reward, notify=progress.message)
        for name, frame in frames.items()
    }
    sources: dict[str, Any] = {name: str(dataset.source) for name, dataset in loaded.items()}
    return run_plan(replace(plan, **sources), progress, loaded=loaded)


def run_plan(
    plan: Plan,
    progress: TrialProgress,
    *,
    show: Callable[[str], None] = lambda table: None,
    loaded: Mapping[str, Dataset] | None = None,
) -> BenchmarkResult:
    """Load, tune if the plan asks for it, train, evaluate and write all files.

    Args:
        plan: what to run.
        progress: displays progress.
        show: is given the table as markdown before any file is written.
        loaded: data sets already in memory, by option name: `dataset`, `test`.

    Raises:
        InputError: for wrong input, and if results cannot be written.
    """
    prepared = prepare(plan, progress.message, loaded)
    if plan.tune is not None:
        from bench.tuning.search import tune

        prepared = tune(prepared, progress)
    return _run_trials(prepared, progress, show)


def _run_trials(
    prepared: Prepared, progress: TrialProgress, show: Callable[[str], None]
) -> BenchmarkResult:
    uri = prepared.plan.tracking_uri
    with Tracker(uri, prepared.experiment, progress.message) as tracker:
        labels = list(dict.fromkeys(trial.label for trial in prepared.trials))
        run = benchmark_run(prepared.id, labels, benchmark_parameters(prepared))
        tracker.show(run)
        outcome = execute(prepared, tracker, progress)
        record = record_benchmark(prepared, outcome)
        benchmarks = [gather([(prepared.output, record)])]
        # First what a full disk cannot take away.
        show(report_markdown(benchmarks))
        write_benchmark_record(prepared.output, record)
        write_tables(benchmarks, prepared.output)
        page = prepared.plan.page and _make_page(benchmarks, prepared.output, progress.message)
        ended: RunStatus = "FAILED" if record.failures else "FINISHED"
        if outcome.interrupted:
            ended = "KILLED"
        paths = report_paths(prepared.output, record, page=page)
        tracker.show(run.end(ended, files=paths))
        tracker.close(TRACKING_TIMEOUT)
    return BenchmarkResult(benchmarks[0], outcome, prepared.output, page)


def _make_page(benchmarks: Sequence[Benchmark], folder: Path, warn: Callable[[str], None]) -> bool:
    """Write the page and return whether that worked; a failure is reported, not raised."""
    warn("drawing plots and report.html")
    try:
        from reports.page.page import write_page

        write_page(benchmarks, folder)
    except Exception as error:
        warn(
            f"report.html was not made ({type(error).__name__}: {error}); the tables are whole, "
            f"and `run_bench.py report {folder}` makes it again"
        )
        return False
    return True


def _trial_row(trial: TrialOutcome) -> dict[str, Any]:
    cost = read_cost(trial.folder) if trial.reason is None else None
    return {
        "model": trial.spec.label,
        "seed": trial.spec.seed,
        "status": "finished" if trial.reason is None else "failed",
        "seconds": cost and cost.train_seconds,
        "epochs": cost and cost.epochs,
        "best_epoch": cost and cost.best_epoch,
        "reason": trial.reason,
        "folder": trial.folder,
    }


def _cell_html(cell: PageCell) -> str:
    text = html.escape(cell.text)
    text = f"<b>{text}</b>" if cell.best else text
    return f"{text}<br><small>{html.escape(cell.detail)}</small>" if cell.detail else text
