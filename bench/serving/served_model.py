"""What MLflow loads and serves: a trial's model.

The MLflow model contains this file and all that it imports from the repository.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException

from bench.serving.recommendation import TrainedModel, load_trained, read_finished, recommend
from bench.store.catalogue import Catalogue
from bench.store.trial import WEIGHTS
from datasets.errors import InputError
from models.registry import load_model

SESSION, COUNT = "session", "count"
DEFAULT_COUNT = 20
PLUGIN = "plugin"
"""Folder with the file of a model that was named by `path/to/file.py:Class`."""


class ServedModel:
    """Recommends after each session of a table."""

    def __init__(self, trained: TrainedModel) -> None:
        self._trained = trained

    def predict(
        self, model_input: pd.DataFrame, params: Mapping[str, Any] | None = None
    ) -> pd.DataFrame:
        """Recommend after each row's `session`, a list of item ids, oldest first.

        Returns a row for each session: `item_ids`, `scores` and, if the data set has them,
        `titles`, best first, `count` (in `params`) of them, and `unknown_items`, which training
        never saw. Raises MlflowException, status 400 of a server, if it saw none of a session.
        """
        count = int((params or {}).get(COUNT, DEFAULT_COUNT))
        return pd.DataFrame([self._row(session, count) for session in model_input[SESSION]])

    def _row(self, session: Sequence[str], count: int) -> dict[str, list[Any]]:
        item_ids = [str(item_id) for item_id in session]
        try:
            found = recommend(self._trained, item_ids, count)
        except InputError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from error
        row: dict[str, list[Any]] = {"item_ids": [item.item_id for item in found]}
        if self._trained.catalogue.titles is not None:
            row["titles"] = [item.title for item in found]
        row["scores"] = [item.score for item in found]
        row["unknown_items"] = self._trained.unknown(item_ids)
        return row


def _load_pyfunc(data_path: str) -> ServedModel:
    """MLflow's entry point: the model in the folder of data of an MLflow model."""
    data = Path(data_path)
    record = read_finished(data)
    reference = str(record.parameters["model"])
    file, separator, class_name = reference.rpartition(":")
    if separator and file.endswith(".py"):
        reference = f"{data / PLUGIN / Path(file).name}:{class_name}"
    return ServedModel(
        load_trained(record, load_model(reference), data / WEIGHTS, Catalogue.load(data))
    )
