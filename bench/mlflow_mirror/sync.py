"""Fill an MLflow tracking store from an output folder: for a store that was down, or a new one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.mlflow_mirror.address import without_password
from bench.mlflow_mirror.errors import summary
from bench.mlflow_mirror.store import MlflowStore
from bench.mlflow_mirror.tracking import quieten_mlflow
from bench.store.benchmark_record import BenchmarkRecord, benchmark_name
from bench.store.trial import TRIALS
from datasets.errors import InputError


def sync_mlflow(
    folder: Path,
    record: BenchmarkRecord,
    uri: str | None,
    paths: Sequence[Path],
    notify: Callable[[str], None],
) -> int:
    """Send what the store at `uri` lacks of the trials in `folder`, and the report to its run.

    `uri` None means what MLFLOW_TRACKING_URI says, else MLflow's own default here. `paths` are the
    report's files and folders. Returns the number of trials. Raises InputError where a trial
    is missing or damaged, or the store cannot be used.
    """
    trials = [folder / TRIALS / trial for ids in record.trials.values() for trial in ids]
    quieten_mlflow()
    try:
        store = MlflowStore(uri, record.experiment, notify)
        store.start_benchmark(
            record.id, benchmark_name(tuple(record.trials)), record.parameters, time.time()
        )
        for trial in trials:
            store.mirror_trial(trial)
        store.end_benchmark("FAILED" if record.failures else "FINISHED", paths, time.time())
    except InputError:
        raise
    except Exception as error:  # whatever MLflow raises for a store that it cannot reach
        raise InputError(
            f"MLflow at {without_password(uri or 'its default store')} cannot be used "
            f"({summary(error)}); correct --tracking-uri or start the server, and run the same "
            "command again"
        ) from error
    return len(trials)
