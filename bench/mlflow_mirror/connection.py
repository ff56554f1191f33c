"""A tracking store's address, MLflow's settings, and the meaning of its errors."""

from __future__ import annotations

import os
import re
import sqlite3
from pathlib import Path

from datasets.errors import InputError

MAX_LENGTH = 200
_REFUSALS = {
    "BAD_REQUEST",
    "INVALID_PARAMETER_VALUE",
    "INVALID_STATE",
    "RESOURCE_ALREADY_EXISTS",
    "RESOURCE_DOES_NOT_EXIST",
}


def default_address() -> str:
    """MLFLOW_TRACKING_URI, or else MLflow's default store here, as `mlflow ui` reads it."""
    from mlflow.store.tracking import DEFAULT_TRACKING_URI
    from mlflow.tracking import get_tracking_uri

    address = get_tracking_uri()
    # The absolute form of the default is percent-encoded: MLflow would create an empty folder of
    # that name. `mlflow ui` uses the relative form.
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


def browse_hint(uri: str | None) -> str:
    """The command or address to browse the runs in the store at `uri`."""
    address = uri or os.environ.get("MLFLOW_TRACKING_URI")
    if not address:
        return "mlflow ui --host 127.0.0.1"
    if address.startswith(("http://", "https://")):
        return without_password(address)
    return f"mlflow ui --backend-store-uri {without_password(address)} --host 127.0.0.1"


def without_password(text: str) -> str:
    """`text` without the user and password of any address in it."""
    return re.sub(r"://[^/@\s]+@", "://", text)


def configure_mlflow() -> None:
    """Set MLflow's environment variables before it is imported, except those the user has set."""
    # By default MLflow waits for minutes on a server that is down.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    # Files in the current folder are not part of a model.
    os.environ.setdefault("MLFLOW_UV_AUTO_DETECT", "false")
    if "DO_NOT_TRACK" not in os.environ:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # stdout holds the table and nothing else.
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"


def is_refusal(error: Exception) -> bool:
    """Whether the store refused one run but still answers."""
    return isinstance(error, InputError) or getattr(error, "error_code", None) in _REFUSALS


def summary(error: Exception) -> str:
    """The message of one of MLflow's errors, on one line, without passwords."""
    text = " ".join(without_password(str(error)).split()) or type(error).__name__
    return text if len(text) <= MAX_LENGTH else text[:MAX_LENGTH] + "..."
