"""A trained policy at each test event, for off-policy evaluation; stored with its trial."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.stats.significance import Values
from bench.store.files import reading
from datasets.errors import InputError

POLICY = "policy.npy"


@dataclass(frozen=True, eq=False)
class PolicyColumns:
    """A policy on the test events in their order; all shapes are (n_events,)."""

    log_policy: Values
    """log pi(a|s) of the logged item; -inf if missed."""
    reward_model: Values
    """sum over a of pi(a|s) q(a), with q the item reward model; the mean of it if missed."""
    log_own_propensities: Values | None = None
    """The model's estimate of log beta of the logged item, if the log has propensities to compare
    it with; NaN if missed."""


def write_policy(folder: Path, columns: PolicyColumns) -> None:
    """Write `policy.npy`, float64 (n_events, 2), or (n_events, 3) with the model's own log beta."""
    found = [columns.log_policy, columns.reward_model]
    if columns.log_own_propensities is not None:
        found.append(columns.log_own_propensities)
    np.save(folder / POLICY, np.stack(found, 1), allow_pickle=False)


def read_policy(folder: Path, n_events: int) -> PolicyColumns | None:
    """What `write_policy` wrote for `n_events` test events, if anything.

    Raises InputError if it is damaged or belongs to other events.
    """
    file = folder / POLICY
    fix = "remove its folder and run again"
    if not file.exists():
        return None
    with reading(file, fix):
        found = np.load(file, allow_pickle=False)
    if found.ndim != 2 or len(found) != n_events or found.shape[1] not in (2, 3):
        raise InputError(
            f"{file} has the shape {found.shape}, not a row for each of {n_events} events and two "
            f"or three columns; {fix}"
        )
    return PolicyColumns(found[:, 0], found[:, 1], found[:, 2] if found.shape[1] == 3 else None)
