"""Files and models of MLflow's runs: they may be refused where figures are still taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.mlflow_mirror.errors import first_line
from bench.store.trial import WEIGHTS
from datasets.errors import InputError

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


class MlflowFiles:
    """Sends files to the runs of an experiment; a store that takes none costs one warning."""

    def __init__(
        self, client: MlflowClient, experiment_id: str, warn: Callable[[str], None]
    ) -> None:
        self._client = client
        self._experiment_id = experiment_id
        self._warn = warn
        self._warned = False

    def upload(self, run_id: str, paths: Sequence[Path]) -> None:
        """Upload the files and folders that exist."""
        try:
            for path in paths:
                if path.is_dir():
                    self._client.log_artifacts(run_id, str(path), path.name)
                elif path.exists():
                    self._client.log_artifact(run_id, str(path))
        except Exception as error:
            if not self._warned:
                self._warn(f"MLflow does not take files ({first_line(error)}); figures go on.")
            self._warned = True

    def has_model(self, run_id: str) -> bool:
        """Whether a model has been logged of the run."""
        outputs = self._client.get_run(run_id).outputs
        return outputs is not None and bool(outputs.model_outputs)

    def log_model(self, run_id: str, folder: Path) -> None:
        """Log the trial's model; where that cannot be, the run is whole without it."""
        if self._warned or not (folder / WEIGHTS).is_dir():
            return
        from bench.mlflow_mirror.model import log_model

        try:
            log_model(self._client, self._experiment_id, run_id, folder)
        except InputError as error:
            self._warn(f"MLflow gets no model of {folder.name}: {error}.")
        except Exception as error:
            self._warn(f"MLflow does not take models ({first_line(error)}); figures go on.")
            self._warned = True
