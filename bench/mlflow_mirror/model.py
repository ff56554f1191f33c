"""A finished trial as a model that MLflow loads and serves without this repository.

It has no pickles: only `trial.json`, catalogue, weights, and the source of the model, of
`bench.serving.served_model`, and of what these import from this repository.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, metadata, packages_distributions, version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bench.serving import served_model
from bench.serving.recommendation import folder_of_split, read_finished, source_has_changed
from bench.serving.served_model import COUNT, DEFAULT_COUNT, PLUGIN, SESSION
from bench.store.catalogue import CATALOGUE, Catalogue
from bench.store.provenance import (
    REPOSITORY,
    imported_packages,
    module_files,
    source_files,
    source_roots,
)
from bench.store.trial import TRIAL_RECORD, WEIGHTS
from datasets.errors import InputError
from models.registry import LoadedModel, load_model

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature

MAX_WEIGHTS_BYTES = 500_000_000
"""Larger weights are not sent, as the connection to a store may be slow."""


def log_model(client: MlflowClient, experiment_id: str, run_id: str, trial: Path) -> None:
    """Log the finished trial in the folder `trial` as the model of a run.

    The link from run to model is written last, so that a linked model is complete. Raises as
    `write_model` and MLflow do.
    """
    from mlflow.entities import LoggedModelOutput, LoggedModelStatus
    from mlflow.models import Model

    with tempfile.TemporaryDirectory() as work:
        folder = Path(work, "model")
        write_model(trial, folder)
        record = read_finished(trial)
        logged = client.create_logged_model(
            experiment_id,
            # MLflow rejects some characters that a label may have.
            name=re.sub(r"[^\w-]+", "-", record.model),
            source_run_id=run_id,
            tags={"trial_id": record.id},
        )
        try:
            model = Model.load(str(folder))
            model.run_id, model.artifact_path = run_id, logged.artifact_location
            model.model_id = model.model_uuid = logged.model_id
            model.save(str(folder / "MLmodel"))
            client.log_model_artifacts(logged.model_id, str(folder))
            client.finalize_logged_model(logged.model_id, LoggedModelStatus.READY)
        except Exception:
            with suppress(Exception):  # the first error is the one to report
                client.delete_logged_model(logged.model_id)
            raise
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])


def write_model(trial: Path, folder: Path) -> None:
    """Write the finished trial in the folder `trial` as an MLflow model into the new `folder`.

    Raises InputError if the trial is incomplete, the model's source has changed since, or its
    weights exceed `MAX_WEIGHTS_BYTES`.
    """
    import mlflow.pyfunc

    record = read_finished(trial)
    loaded = load_model(str(record.parameters["model"]))
    if source_has_changed(record, loaded):
        raise InputError(
            f"the source of {record.model} has changed since the trial {record.id}; "
            "run the benchmark's own command again for a trial of the present one"
        )
    size = sum(file.stat().st_size for file in (trial / WEIGHTS).rglob("*"))
    if size > MAX_WEIGHTS_BYTES:
        raise InputError(
            f"the weights of {record.id} have {size / 1e6:,.0f} MB and MLflow is sent "
            f"{MAX_WEIGHTS_BYTES / 1e6:,.0f} at most; use `run_bench.py recommend` instead"
        )
    split = folder_of_split(trial, record)
    catalogue = Catalogue.load(split)
    sources = _sources(loaded)
    with tempfile.TemporaryDirectory() as work:
        data, code = Path(work, "data"), Path(work, "code")
        data.mkdir()
        # MLflow follows the links, so that weights are copied once.
        for part in (trial / TRIAL_RECORD, trial / WEIGHTS, split / CATALOGUE):
            (data / part.name).symlink_to(part.resolve())
        if _is_file(loaded):
            (data / PLUGIN).mkdir()
            shutil.copyfile(loaded.file, data / PLUGIN / loaded.file.name)
        for name, file in sources.items():
            (code / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, code / name)
        mlflow.pyfunc.save_model(
            str(folder),
            loader_module=served_model.__name__,
            data_path=str(data),
            code_paths=[str(path) for path in sorted(code.iterdir())],
            pip_requirements=_requirements([*sources.values(), loaded.file]),
            signature=_signature(catalogue),
            input_example=(_example(catalogue), {COUNT: 5}),
        )


def _is_file(loaded: LoadedModel) -> bool:
    """Whether the model was given as `path/to/file.py:Class`."""
    return loaded.reference.rpartition(":")[0].endswith(".py")


def _sources(loaded: LoadedModel) -> dict[str, Path]:
    """Files that the served model imports from this repository and its own package, by name."""
    roots = [REPOSITORY / "bench", *source_roots(loaded)]
    server = REPOSITORY / "bench" / "serving" / "served_model.py"
    if _is_file(loaded):
        # The file itself goes into its own folder, where its name cannot shadow a module.
        sources = source_files([server, loaded.file], roots)
        return {name: file for name, file in sources.items() if file != loaded.file.resolve()}
    module = loaded.reference.partition(":")[0]
    return source_files([server, loaded.file, *module_files(module, roots)], roots)


def _requirements(files: Iterable[Path]) -> list[str]:
    """The packages that the files import, at the versions installed here."""
    own = {"bench", "models", "datasets"}
    packages: dict[str, str] = {}
    for module in imported_packages(files) - own - sys.stdlib_module_names:
        for package in _packages_of(module):
            # Package indexes do not know the local part of a version, as in 2.6.0+cpu.
            packages[package] = version(package).partition("+")[0]
    return [f"{name}=={packages[name]}" for name in sorted(packages)]


def _packages_of(module: str) -> Sequence[str]:
    """Installed packages that have a top-level module of this name."""
    try:
        return [metadata(module)["Name"]]
    except PackageNotFoundError:
        # Slow, since it reads the file lists of all packages.
        return packages_distributions().get(module, [])


def _signature(catalogue: Catalogue) -> ModelSignature:
    from mlflow.models import ModelSignature
    from mlflow.types.schema import Array, ColSpec, DataType, ParamSchema, ParamSpec, Schema

    texts, numbers = Array(DataType.string), Array(DataType.double)
    unknown = ColSpec(texts, "unknown_items")
    titles = [] if catalogue.titles is None else [ColSpec(texts, "titles")]
    return ModelSignature(
        inputs=Schema([ColSpec(texts, SESSION)]),
        outputs=Schema([ColSpec(texts, "item_ids"), *titles, ColSpec(numbers, "scores"), unknown]),
        params=ParamSchema([ParamSpec(COUNT, DataType.long, DEFAULT_COUNT)]),
    )


def _example(catalogue: Catalogue) -> pd.DataFrame:
    """A session of the three most popular items."""
    codes = np.argsort(-catalogue.support, kind="stable")[:3]
    return pd.DataFrame({SESSION: [catalogue.item_ids[codes].tolist()]})
