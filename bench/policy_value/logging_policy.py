"""The logging policy of a split: the propensities of its test events.

They are logged, or else estimated once for all models and stored beside the test events.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from bench.policy_value.calibration import CalibrationBin
from bench.policy_value.estimated_propensities import PropensityReport, estimated_propensities
from bench.policy_value.reward_model import item_reward_model
from bench.store.events import TestEvents
from bench.store.files import reading_arrays
from datasets.errors import InputError
from datasets.splitting.splits import Split

LOGGING_POLICY = "behaviour.npz"
Source = Literal["logged", "simulated", "estimated"]


@dataclass(frozen=True, eq=False)
class LoggingPolicy:
    """The logging policy on the test events in their order; shapes are (n_events,)."""

    source: Source
    """Values computed from estimated propensities are diagnostics, not measurements."""
    log_propensities: NDArray[np.float64]
    """log beta(a|s) of the logged item, finite."""
    logged_reward_model: NDArray[np.float64]
    """q(a) of the logged item by the item reward model; of missed events the catalogue's mean."""
    report: PropensityReport | None = None
    """Quality of the estimate, if it is one."""

    @property
    def is_estimate(self) -> bool:
        """Whether the propensities are estimated, not known."""
        return self.source == "estimated"


def logging_policy(split: Split, events: TestEvents, *, simulated: bool) -> LoggingPolicy:
    """The logging policy of `events`, which are those of the split's test.

    `simulated`: whether the propensities, if any, come from the world that simulated the log.
    """
    rewards = item_reward_model(split.train)
    targets = np.asarray(events.targets)
    logged_reward_model = np.where(targets >= 0, rewards[targets], rewards.mean())
    if events.propensities is not None:
        log_propensities = np.log(np.asarray(events.propensities, dtype=np.float64))
        source: Source = "simulated" if simulated else "logged"
        return LoggingPolicy(source, log_propensities, logged_reward_model)
    log_propensities, report = estimated_propensities(split.train, split.valid, split.test)
    return LoggingPolicy("estimated", log_propensities, logged_reward_model, report)


def write_logging_policy(logger: LoggingPolicy, folder: Path) -> None:
    """Write `behaviour.npz` into the existing `folder`."""
    report = None if logger.report is None else asdict(logger.report)
    np.savez_compressed(
        folder / LOGGING_POLICY,
        allow_pickle=False,
        log_propensities=logger.log_propensities,
        logged_rewards=logger.logged_reward_model,
        facts=np.array(json.dumps({"source": logger.source, "report": report})),
    )


def read_logging_policy(folder: Path, n_events: int) -> LoggingPolicy | None:
    """What `write_logging_policy` wrote for `n_events` events, if anything.

    Raises InputError if it is damaged or belongs to other events.
    """
    file = folder / LOGGING_POLICY
    fix = "delete it and run the benchmark's own command again"
    if not file.exists():
        return None
    with reading_arrays(file, fix) as columns:
        facts = json.loads(str(columns["facts"]))
        log_propensities = columns["log_propensities"]
        logged_reward_model = columns["logged_rewards"]
        if facts["source"] not in get_args(Source):
            raise ValueError(f"its source is {facts['source']}")
        report = None if facts["report"] is None else _report(facts["report"])
    for column in (log_propensities, logged_reward_model):
        if column.shape != (n_events,):
            raise InputError(
                f"{file} has a column of shape {column.shape} for {n_events} test events; {fix}"
            )
    return LoggingPolicy(facts["source"], log_propensities, logged_reward_model, report)


def _report(fields: dict[str, Any]) -> PropensityReport:
    bins = tuple(CalibrationBin(*values) for values in fields.pop("calibration"))
    smallest = tuple((level, value) for level, value in fields.pop("smallest"))
    return PropensityReport(calibration=bins, smallest=smallest, **fields)
