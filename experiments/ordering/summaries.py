"""What the cells of `ordering` say together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Measured = dict[str, Any]
"""What `ordering_cells.measure` found in one cell, of one training."""
NAMED = ("world", "logger", "correlation", "sessions", "seed")
"""What trainings of one log have in common."""
STEPS = (
    ("reinforce", "behaviour_cloning"),
    ("off-policy", "reinforce"),
    ("capped", "off-policy"),
    ("tocr", "capped"),
    ("distinct", "capped"),
    ("distinct", "tocr"),
    ("distinct", "reinforce"),
    ("distinct", "gru4rec on clicks"),
)
"""Objectives that are compared, from cross-entropy to TOCR one change at a time: weigh by return,
by pi / beta, cap the ratio, correct for a page with duplicates dropped or of distinct items; then
the last against what it competes with."""


@dataclass(frozen=True)
class Trained:
    """True value of a model over the trainings of one log."""

    mean: float
    low: float
    """Of the worst training."""
    high: float
    """Of the best training."""


def by_log(measured: Iterable[Measured]) -> dict[tuple[Any, ...], list[Measured]]:
    """The trainings of each log, by what `NAMED` names."""
    logs: dict[tuple[Any, ...], list[Measured]] = {}
    for cell in measured:
        logs.setdefault(tuple(cell[name] for name in NAMED), []).append(cell)
    return logs


def trained(trainings: Sequence[Measured], truth: str, model: str) -> Trained:
    """True value of `model` over the trainings of one log."""
    values = [cell["values"][truth][model] for cell in trainings]
    return Trained(float(np.mean(values)), min(values), max(values))


def summarise(measured: Sequence[Measured], truth: str) -> dict[str, dict[str, float | int | None]]:
    """For each criterion its mean tau and regret over the trainings where it says something.

    `truth` is one of `TRUTHS`. Of all policies that have the criterion, and `_where_estimated` of
    those that have estimates, `policies` of them in the mean.
    """
    found: dict[str, dict[str, float | int | None]] = {}
    for name in dict.fromkeys(name for cell in measured for name in cell["criteria"]):
        orders = [cell["order"][truth][name] for cell in measured if name in cell["criteria"]]
        estimated = [order["where_estimated"] for order in orders]
        regrets = _known(orders, "regret")
        found[name] = {
            "tau": _mean(_known(orders, "tau")),
            "regret": _mean(regrets),
            "worst_regret": max(regrets, default=None),
            "trainings": len(regrets),
            "tau_where_estimated": _mean(_known(estimated, "tau")),
            "regret_where_estimated": _mean(_known(estimated, "regret")),
            "policies": _mean([order["of"] for order in estimated if order["tau"] is not None]),
        }
    return found


def _known(orders: Iterable[dict[str, Any]], key: str) -> list[float]:
    return [order[key] for order in orders if order[key] is not None]


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def chance_regret(measured: Iterable[Measured], truth: str) -> float | None:
    """Mean regret of a policy drawn at random, where the truth has an order."""
    shares = []
    for cell in measured:
        policies = cell["values"]["one draw"]
        values = [cell["values"][truth][name] for name in policies if name != "logger"]
        if max(values) - min(values) > 1e-9:
            shares.append(1 - np.mean(values) / max(values))
    return float(np.mean(shares)) if shares else None


def steps(measured: Iterable[Measured], truth: str) -> list[dict[str, Any]]:
    """What each pair of `STEPS` differs by in true value, over logs of one kind, and over all.

    `gain` is the mean over logs of the ratio of mean values, less 1. `rises` counts the logs in
    which every training lies above every training of the objective before, `falls` those in which
    every one lies below.
    """
    groups: dict[tuple[Any, ...], list[list[Measured]]] = {}
    for trainings in by_log(measured).values():
        of = trainings[0]
        key = (of["logger"], of["correlation"], of["sessions"])
        groups.setdefault(key, []).append(trainings)
    if len(groups) > 1:
        groups["all", None, None] = [log for logs in groups.values() for log in logs]
    found = []
    for (logger, correlation, sessions), logs in groups.items():
        changes: dict[str, dict[str, float]] = {}
        for model, before in STEPS:
            pairs = [(trained(log, truth, model), trained(log, truth, before)) for log in logs]
            changes[f"{model} over {before}"] = {
                "gain": float(np.mean([new.mean / old.mean - 1 for new, old in pairs])),
                "rises": sum(new.low > old.high for new, old in pairs),
                "falls": sum(new.high < old.low for new, old in pairs),
            }
        found.append(
            {
                "logger": logger,
                "correlation": correlation,
                "sessions": sessions,
                "logs": len(logs),
                "steps": changes,
            }
        )
    return found
