"""Write trials into an MLflow tracking store, one call after another.

MLflow takes seconds to import and may block, so a benchmark runs this in a process of its own.
Only `MlflowClient` is used: the fluent API would keep global state. A run holds the tag `trial_id`,
by which it is found again, and the tags of the process that wrote it, by which a run that a killed
process left RUNNING is found and mended.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.mlflow_mirror.address import check_sqlite, default_address
from bench.mlflow_mirror.errors import is_refusal
from bench.mlflow_mirror.files import MlflowFiles
from bench.mlflow_mirror.values import (
    MAX_PARAMETER_LENGTH,
    MAX_TAG_LENGTH,
    PARAMETERS_FILE,
    epoch_metrics,
    finite,
    milliseconds,
    parameter_text,
    read_curve,
    shortened,
    tracked_key,
    tracked_name,
    tracked_tags,
)
from bench.processes.endings import has_ended, own_process_tags
from bench.store.trial import TrialRecord, read_trial_record

if TYPE_CHECKING:
    from mlflow.entities import Metric

ARTIFACTS = ("trial.json", "curve.csv", "cost.json", "traceback.txt")
EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
"""Tells the UI to open on training runs instead of asking what the experiment is."""
PARENT_TAG = "mlflow.parentRunId"
"""By which the UI folds the trials of a benchmark under its run."""
BENCHMARK_TAG = "benchmark_id"
PARAMETERS_PER_CALL = 100
METRICS_PER_CALL = 1000
RUN_STATUS = {"finished": "FINISHED", "failed": "FAILED"}


class MlflowStore:
    """One experiment of a tracking store; every method blocks until MLflow has answered.

    `uri` None means what MLFLOW_TRACKING_URI says, else MLflow's own default in this folder, which
    is what `mlflow ui` reads there. A deleted experiment of the same name is restored, and said so:
    nothing is lost by it, while its name cannot be used again.
    """

    def __init__(self, uri: str | None, experiment: str, warn: Callable[[str], None]) -> None:
        # A user can fix nothing of what MLflow's own code is warned about.
        warnings.filterwarnings("ignore", module=r"(mlflow|sqlalchemy|alembic|pydantic)\b")
        from mlflow.tracking import MlflowClient

        self.address = uri or default_address()
        check_sqlite(self.address)
        self._warn = warn
        self._client = MlflowClient(tracking_uri=self.address)
        self._experiment_id = self._open_experiment(experiment)
        self._files = MlflowFiles(self._client, self._experiment_id, warn)
        self._run_ids: dict[str, str] = {}
        self._open_run_ids: set[str] = set()
        self._benchmark_run_id: str | None = None
        self._end_runs_of_dead_processes()

    def start_trial(
        self,
        trial_id: str,
        name: str,
        parameters: Mapping[str, Any],
        tags: Mapping[str, str],
        started: float,
    ) -> None:
        """Make a run, status RUNNING, from `started` (epoch seconds) on."""
        own = {**own_process_tags(), "trial_id": trial_id}
        if self._benchmark_run_id:
            own[PARENT_TAG] = self._benchmark_run_id
        run = self._client.create_run(
            self._experiment_id,
            start_time=milliseconds(started),
            tags=tracked_tags({**tags, **own}),
            run_name=name,
        )
        run_id = run.info.run_id
        self._run_ids[trial_id] = run_id
        self._open_run_ids.add(run_id)
        self._log_parameters(run_id, parameters)

    def log_epoch(
        self, trial_id: str, epoch: int, metrics: Mapping[str, float], time: float
    ) -> None:
        """Add an epoch to the curves of a trial, measured at `time` (epoch seconds)."""
        if run_id := self._run_ids.get(trial_id):
            self._log_metrics(run_id, epoch_metrics(metrics, epoch, time))

    def end_trial(
        self, trial_id: str, status: str, folder: Path | None, reason: str | None, ended: float
    ) -> None:
        """End a run; the status comes last, so that a FINISHED run has all figures and files.

        Only the model of a finished trial follows, since it may be large.
        """
        run_id = self._run_ids.get(trial_id)
        if run_id is None:
            return
        if folder is not None:
            record = read_trial_record(folder)
            ended = record.ended
            self._log_record(run_id, record, read_curve(folder))
            self._files.upload(run_id, [folder / name for name in ARTIFACTS])
        if reason:
            text = shortened(reason, MAX_TAG_LENGTH, "traceback.txt")
            self._client.set_tag(run_id, "reason", text)
        self._terminate(run_id, status, ended)
        if folder is not None and status == "FINISHED":
            self._files.log_model(run_id, folder)

    def mirror_trial(self, folder: Path) -> None:
        """Make the run of a trial folder whole, unless the experiment has it already.

        The curve holds training seconds alone, so an epoch's time is `started` plus these.
        """
        record = read_trial_record(folder)
        trial_id, status = record.id, RUN_STATUS[record.status]
        if run_id := self._find_run(trial_id, status):
            self._run_ids[trial_id] = run_id
            if self._benchmark_run_id:
                self._client.set_tag(run_id, PARENT_TAG, self._benchmark_run_id)
            if status == "FINISHED" and not self._files.has_model(run_id):
                self._files.log_model(run_id, folder)
            return
        started, ended = record.started, record.ended
        self.start_trial(trial_id, record.name, record.parameters, record.tags, started)
        metrics: list[Metric] = []
        for row in read_curve(folder):
            figures = {column: value for column, value in row.items() if column != "epoch"}
            time = min(started + row.get("train_seconds", 0.0), ended)
            metrics += epoch_metrics(figures, int(row["epoch"]), time)
        self._log_metrics(self._run_ids[trial_id], metrics)
        self.end_trial(trial_id, status, folder, record.reason, ended)

    def start_benchmark(
        self, benchmark_id: str, name: str, parameters: Mapping[str, Any], started: float
    ) -> None:
        """Open the run under which the trials from here on stand: a new one, or that of before."""
        found = self._search(f"tags.{BENCHMARK_TAG} = '{benchmark_id}'")
        if found:
            run_id = str(found[0].info.run_id)
            self._client.update_run(run_id, status="RUNNING")
            for key, value in own_process_tags().items():
                self._client.set_tag(run_id, key, value)
        else:
            tags = {**own_process_tags(), BENCHMARK_TAG: benchmark_id}
            run = self._client.create_run(
                self._experiment_id, milliseconds(started), tracked_tags(tags), name
            )
            run_id = str(run.info.run_id)
            self._log_parameters(run_id, parameters)
        self._open_run_ids.add(run_id)
        self._benchmark_run_id = run_id

    def end_benchmark(self, status: str, paths: Sequence[Path], ended: float) -> None:
        """Upload the report's files and folders to the benchmark's run, and end it."""
        if run_id := self._benchmark_run_id:
            self._files.upload(run_id, paths)
            self._terminate(run_id, status, ended)

    def end_open_runs(self, time: float) -> None:
        """End what nobody ended, as KILLED, so that no run stays RUNNING behind us."""
        for run_id in tuple(self._open_run_ids):
            try:
                self._terminate(run_id, "KILLED", time)
            except Exception as error:
                # A run that the user has deleted meanwhile must not keep the others open.
                if not is_refusal(error):
                    raise

    def _open_experiment(self, name: str) -> str:
        from mlflow.exceptions import MlflowException

        experiment = self._client.get_experiment_by_name(name)
        if experiment is None:
            try:
                return str(self._client.create_experiment(name, tags=EXPERIMENT_TAGS))
            except MlflowException:
                # Another benchmark may have made it in the meantime.
                experiment = self._client.get_experiment_by_name(name)
                if experiment is None:
                    raise
        if experiment.lifecycle_stage == "deleted":
            self._client.restore_experiment(experiment.experiment_id)
            self._warn(f"The MLflow experiment '{name}' had been deleted and is now restored.")
        return str(experiment.experiment_id)

    def _end_runs_of_dead_processes(self) -> None:
        for run in self._search("attributes.status = 'RUNNING'"):
            if has_ended(run.data.tags):
                self._client.set_terminated(run.info.run_id, "KILLED")

    def _find_run(self, trial_id: str, status: str) -> str | None:
        runs = self._search(f"attributes.status = '{status}' and tags.trial_id = '{trial_id}'")
        return str(runs[0].info.run_id) if runs else None

    def _search(self, filter_string: str) -> list[Any]:
        runs: list[Any] = []
        page_token: str | None = None
        while True:
            page = self._client.search_runs(
                [self._experiment_id], filter_string, page_token=page_token
            )
            runs += page
            page_token = page.token
            if not page_token:
                return runs

    def _log_parameters(self, run_id: str, parameters: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        texts = {tracked_key(name): parameter_text(value) for name, value in parameters.items()}
        logged = [
            Param(name, shortened(text, MAX_PARAMETER_LENGTH, PARAMETERS_FILE))
            for name, text in texts.items()
        ]
        for start in range(0, len(logged), PARAMETERS_PER_CALL):
            self._client.log_batch(run_id, params=logged[start : start + PARAMETERS_PER_CALL])
        if any(len(text) > MAX_PARAMETER_LENGTH for text in texts.values()):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, PARAMETERS_FILE)
                path.write_text(json.dumps(dict(parameters), indent=2), encoding="utf-8")
                self._files.upload(run_id, [path])

    def _log_record(
        self, run_id: str, record: TrialRecord, curve: Sequence[Mapping[str, float]]
    ) -> None:
        from mlflow.entities import Metric, RunTag

        # MLflow shows the value of the highest step: a final figure must outlast its own curve.
        step = int(curve[-1]["epoch"]) if curve else 0
        time = milliseconds(record.ended)
        metrics = [
            Metric(tracked_name(name), value, time, step)
            for name, value in finite(record.metrics).items()
        ]
        self._log_metrics(run_id, metrics)
        tags = tracked_tags(record.tags)
        if tags:
            self._client.log_batch(run_id, tags=[RunTag(*tag) for tag in tags.items()])

    def _log_metrics(self, run_id: str, metrics: Sequence[Metric]) -> None:
        for start in range(0, len(metrics), METRICS_PER_CALL):
            self._client.log_batch(run_id, metrics=metrics[start : start + METRICS_PER_CALL])

    def _terminate(self, run_id: str, status: str, time: float) -> None:
        self._client.set_terminated(run_id, status, end_time=milliseconds(time))
        self._open_run_ids.discard(run_id)
