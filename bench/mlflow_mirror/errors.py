"""What an error of MLflow's means, and what a person is told of it."""

from __future__ import annotations

from bench.mlflow_mirror.address import without_password
from datasets.errors import InputError

MAX_LENGTH = 200
_REFUSALS = {
    "BAD_REQUEST",
    "INVALID_PARAMETER_VALUE",
    "INVALID_STATE",
    "RESOURCE_ALREADY_EXISTS",
    "RESOURCE_DOES_NOT_EXIST",
}


def is_refusal(error: Exception) -> bool:
    """Whether one trial was refused while the store itself answers, so that others may go on."""
    return isinstance(error, InputError) or getattr(error, "error_code", None) in _REFUSALS


def summary(error: Exception) -> str:
    """What an error of MLflow's says, on one line, without passwords."""
    text = " ".join(without_password(str(error)).split()) or type(error).__name__
    return text if len(text) <= MAX_LENGTH else text[:MAX_LENGTH] + "..."


def first_line(error: Exception) -> str:
    """The first line of what an error says."""
    return (str(error).splitlines() or [type(error).__name__])[0][:MAX_LENGTH]
