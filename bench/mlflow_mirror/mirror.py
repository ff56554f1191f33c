"""Makes MLflow show runs as they are, while trials train and afterwards from their folders.

MLflow takes seconds to import and may block, so a benchmark runs this in another process. Only
`MlflowClient` is used, since the fluent API has global state. A run is found again by its tag
`trial_id` or `benchmark_id`. By the tags of the process that wrote it, a run is ended that a killed
process left RUNNING.
"""

from __future__ import annotations

import json
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.mlflow_mirror.connection import (
    check_sqlite,
    configure_mlflow,
    default_address,
    is_refusal,
    summary,
    without_password,
)
from bench.mlflow_mirror.shown_run import (
    BENCHMARK_TAG,
    MAX_PARAMETER_LENGTH,
    MAX_TAG_LENGTH,
    PARAMETERS_FILE,
    TRIAL_TAG,
    Run,
    benchmark_run,
    curve_points,
    final_points,
    milliseconds,
    parameter_texts,
    shortened,
    tracked_tags,
    trial_run,
)
from bench.processes.process_identity import has_ended, own_process_tags
from bench.store.trial import TRACEBACK, TRIALS, WEIGHTS
from datasets.errors import InputError

if TYPE_CHECKING:
    from mlflow.entities import Metric
    from mlflow.entities import Run as MlflowRun
    from mlflow.tracking import MlflowClient

    from bench.store.benchmark_record import BenchmarkRecord

EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}
"""Makes the UI open on training runs instead of asking for the experiment's kind."""
PARENT_TAG = "mlflow.parentRunId"
"""Groups the trials of a benchmark under its run in the UI."""
PARAMETERS_PER_CALL = 100
METRICS_PER_CALL = 1000


@dataclass
class _Shown:
    """What MLflow shows of a run."""

    run_id: str
    has_parameters: bool = False
    ended: bool = False
    last_epoch: int = 0


class Mirror:
    """One experiment of a tracking store; every method blocks until MLflow has answered.

    `uri` None means MLFLOW_TRACKING_URI, or else MLflow's default in this folder. A deleted
    experiment of the same name is restored with a warning, since MLflow reserves its name.
    """

    def __init__(self, uri: str | None, experiment: str, warn: Callable[[str], None]) -> None:
        # Users cannot fix what MLflow's own code is warned about.
        warnings.filterwarnings("ignore", module=r"(mlflow|sqlalchemy|alembic|pydantic)\b")
        from mlflow.tracking import MlflowClient

        self.address = uri or default_address()
        check_sqlite(self.address)
        self._warn = warn
        self._takes_files = True
        self._client = MlflowClient(tracking_uri=self.address)
        self._experiment_id = _open_experiment(self._client, experiment, warn)
        self._shown: dict[str, _Shown] = {}
        self._parent: dict[str, str] = {}
        """Tag for the trials of the benchmark that was shown last."""
        for run in self._search("attributes.status = 'RUNNING'"):
            if has_ended(run.data.tags):
                self._client.set_terminated(run.info.run_id, "KILLED")

    def show(self, source: Run | Path) -> None:
        """Make MLflow show a run, or that of an ended trial's folder; idempotent.

        Creates the run if there is none and adds the points that its curve lacks. The status comes
        after all figures and files; only a finished trial's model, which may be large, follows.
        """
        run = trial_run(source) if isinstance(source, Path) else source
        shown = self._shown.get(run.id)
        if shown is None or (shown.ended and run.status == "RUNNING"):
            shown = self._shown[run.id] = self._find(run) or self._create(run)
        if run.id_tag == BENCHMARK_TAG:
            self._parent = {PARENT_TAG: shown.run_id}
        if not shown.has_parameters:
            self._log_parameters(shown.run_id, run)
            shown.has_parameters = True
        if not shown.ended:
            epochs = [epoch for epoch in run.curve if epoch.number > shown.last_epoch]
            self._log_metrics(shown.run_id, curve_points(epochs))
            if epochs:
                shown.last_epoch = epochs[-1].number
            if run.status != "RUNNING":
                self._end(shown, run)
        if run.model is not None and self._takes_files and (run.model / WEIGHTS).is_dir():
            self._log_model(shown.run_id, run.model)

    def end_open_runs(self) -> None:
        """End all open runs as KILLED."""
        for shown in self._shown.values():
            try:
                if not shown.ended:
                    self._terminate(shown, "KILLED", time.time())
            except Exception as error:
                # A run that the user has deleted must not keep the others open.
                if not is_refusal(error):
                    raise

    def _find(self, run: Run) -> _Shown | None:
        """The run that an earlier command created for the same benchmark or ended trial.

        A benchmark resumes its run. A trial that is trained again gets another one.
        """
        is_trial = run.id_tag == TRIAL_TAG
        if is_trial and run.status == "RUNNING":
            return None
        condition = f"tags.{run.id_tag} = '{run.id}'"
        if is_trial:
            condition += f" and attributes.status = '{run.status}'"
        found = self._search(condition)
        if not found:
            return None
        run_id = str(found[0].info.run_id)
        if not is_trial:
            self._client.update_run(run_id, status="RUNNING")
        for key, value in (self._parent if is_trial else own_process_tags()).items():
            self._client.set_tag(run_id, key, value)
        return _Shown(run_id, has_parameters=True, ended=is_trial)

    def _search(self, condition: str) -> list[MlflowRun]:
        """Runs of the experiment, the newest first."""
        return list(self._client.search_runs([self._experiment_id], condition))

    def _create(self, run: Run) -> _Shown:
        parent = self._parent if run.id_tag == TRIAL_TAG else {}
        created = self._client.create_run(
            self._experiment_id,
            start_time=milliseconds(run.started),
            tags=tracked_tags({**run.tags, **own_process_tags(), run.id_tag: run.id, **parent}),
            run_name=run.name,
        )
        return _Shown(created.info.run_id)

    def _log_parameters(self, run_id: str, run: Run) -> None:
        from mlflow.entities import Param

        texts = parameter_texts(run.parameters)
        logged = [
            Param(name, shortened(text, MAX_PARAMETER_LENGTH, PARAMETERS_FILE))
            for name, text in texts.items()
        ]
        for start in range(0, len(logged), PARAMETERS_PER_CALL):
            self._client.log_batch(run_id, params=logged[start : start + PARAMETERS_PER_CALL])
        if any(len(text) > MAX_PARAMETER_LENGTH for text in texts.values()):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, PARAMETERS_FILE)
                path.write_text(json.dumps(dict(run.parameters), indent=2), encoding="utf-8")
                self._upload(run_id, [path])

    def _log_metrics(self, run_id: str, metrics: Sequence[Metric]) -> None:
        for start in range(0, len(metrics), METRICS_PER_CALL):
            self._client.log_batch(run_id, metrics=metrics[start : start + METRICS_PER_CALL])

    def _end(self, shown: _Shown, run: Run) -> None:
        self._log_metrics(shown.run_id, final_points(run))
        self._upload(shown.run_id, run.files)
        if run.reason:
            reason = shortened(run.reason, MAX_TAG_LENGTH, TRACEBACK)
            self._client.set_tag(shown.run_id, "reason", reason)
        self._terminate(shown, run.status, run.ended)

    def _terminate(self, shown: _Shown, status: str, ended: float) -> None:
        self._client.set_terminated(shown.run_id, status, end_time=milliseconds(ended))
        shown.ended = True

    def _upload(self, run_id: str, paths: Sequence[Path]) -> None:
        """Upload the paths that exist; a store that rejects files may still take figures."""
        try:
            for path in paths:
                if path.is_dir():
                    self._client.log_artifacts(run_id, str(path), path.name)
                elif path.exists():
                    self._client.log_artifact(run_id, str(path))
        except Exception as error:
            self._warn_of_files("files", error)

    def _log_model(self, run_id: str, folder: Path) -> None:
        """Log the trial's model unless the run has one."""
        outputs = self._client.get_run(run_id).outputs
        if outputs is not None and outputs.model_outputs:
            return
        from bench.mlflow_mirror.model import log_model

        try:
            log_model(self._client, self._experiment_id, run_id, folder)
        except InputError as error:
            self._warn(f"MLflow gets no model of {folder.name}: {error}.")
        except Exception as error:
            self._warn_of_files("models", error)

    def _warn_of_files(self, what: str, error: Exception) -> None:
        """Warn once: a store that rejected a file is not sent models."""
        if self._takes_files:
            self._warn(f"MLflow does not take {what} ({summary(error)}); figures go on.")
        self._takes_files = False


def _open_experiment(client: MlflowClient, name: str, warn: Callable[[str], None]) -> str:
    """Id of the experiment, created if there is none."""
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            return str(client.create_experiment(name, tags=EXPERIMENT_TAGS))
        except MlflowException:
            # Another benchmark may have created it in the meantime.
            experiment = client.get_experiment_by_name(name)
            if experiment is None:
                raise
    if experiment.lifecycle_stage == "deleted":
        client.restore_experiment(experiment.experiment_id)
        warn(f"The MLflow experiment '{name}' had been deleted and is now restored.")
    return str(experiment.experiment_id)


def sync_mlflow(
    folder: Path,
    record: BenchmarkRecord,
    uri: str | None,
    paths: Sequence[Path],
    notify: Callable[[str], None],
) -> int:
    """Make the store at `uri` (None as in `Mirror`) show the benchmark in `folder`.

    `paths` are the report's files and folders. Returns the number of trials. Raises InputError if a
    trial is missing or damaged, or the store cannot be used.
    """
    trials = [folder / TRIALS / trial for ids in record.trials.values() for trial in ids]
    benchmark = benchmark_run(record.id, tuple(record.trials), record.parameters)
    configure_mlflow()
    try:
        mirror = Mirror(uri, record.experiment, notify)
        mirror.show(benchmark)
        for trial in trials:
            mirror.show(trial)
        mirror.show(benchmark.end("FAILED" if record.failures else "FINISHED", files=paths))
    except InputError:
        raise
    except Exception as error:  # whatever MLflow raises for a store that it cannot reach
        raise InputError(
            f"MLflow at {without_password(uri or 'its default store')} cannot be used "
            f"({summary(error)}); correct --tracking-uri or start the server, and run the same "
            "command again"
        ) from error
    return len(trials)
