"""Addresses of MLflow's stores: which one if nobody says, and whether it can be opened at all."""

from __future__ import annotations

import os
import re
import sqlite3
from pathlib import Path


def default_address() -> str:
    """What MLFLOW_TRACKING_URI says, else MLflow's own store here, as `mlflow ui` reads it."""
    from mlflow.store.tracking import DEFAULT_TRACKING_URI
    from mlflow.tracking import get_tracking_uri

    address = get_tracking_uri()
    # The absolute form of the default is percent-encoded, and in a folder with a space in its name
    # MLflow would leave an empty folder of the encoded name; `mlflow ui` uses the relative form.
    if address.startswith("sqlite:") and not os.environ.get("MLFLOW_TRACKING_URI"):
        return DEFAULT_TRACKING_URI
    return address


def check_sqlite(address: str) -> None:
    """Fail at once on a database that cannot be opened: MLflow itself tries for 100 seconds."""
    path = Path(address.removeprefix("sqlite:///"))
    if address.startswith("sqlite:///") and "?" not in address and path.parent.is_dir():
        connection = sqlite3.connect(path)
        try:
            connection.execute("PRAGMA schema_version")
        finally:
            connection.close()


def without_password(text: str) -> str:
    """`text` with the user and password of every address in it taken out."""
    return re.sub(r"://[^/@\s]+@", "://", text)
