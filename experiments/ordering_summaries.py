"""What the cells of `ordering` say together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from experiments.ordering_cells import LADDER

Measured = dict[str, Any]
"""What `ordering_cells.measure` found in one cell."""


def summarise(worlds: Sequence[Measured], sets: str) -> dict[str, dict[str, float | int | None]]:
    """For each criterion its mean tau and regret over the cells where it says something.

    `sets` names the truth, of `TRUTHS`. Of all policies that have the criterion, and
    `_where_estimated` of those that have estimates, `policies` of them in the mean.
    """
    found: dict[str, dict[str, float | int | None]] = {}
    for name in dict.fromkeys(name for cell in worlds for name in cell["criteria"]):
        orders = [cell["order"][sets][name] for cell in worlds if name in cell["criteria"]]
        estimated = [order["where_estimated"] for order in orders]
        regrets = _known(orders, "regret")
        found[name] = {
            "tau": _mean(_known(orders, "tau")),
            "regret": _mean(regrets),
            "worst_regret": max(regrets, default=None),
            "cells": len(regrets),
            "tau_where_estimated": _mean(_known(estimated, "tau")),
            "regret_where_estimated": _mean(_known(estimated, "regret")),
            "policies": _mean([order["of"] for order in estimated if order["tau"] is not None]),
        }
    return found


def _known(orders: Iterable[dict[str, Any]], key: str) -> list[float]:
    return [order[key] for order in orders if order[key] is not None]


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def chance_regret(worlds: Iterable[Measured], sets: str) -> float | None:
    """Mean regret of a policy drawn at random, where the truth has an order."""
    shares = []
    for cell in worlds:
        values = [
            cell[sets][name][0]
            for name, value in cell["sampled"].items()
            if value is not None and name != "logger"
        ]
        if max(values) - min(values) > 1e-9:
            shares.append(1 - np.mean(values) / max(values))
    return float(np.mean(shares)) if shares else None


def ladder(worlds: Iterable[Measured]) -> list[dict[str, Any]]:
    """True value of each rung over that of cross-entropy, mean over worlds and seeds.

    By logger and size. `rises` counts the cells in which the rung's interval lies above that of the
    rung before, `falls` those in which it lies below.
    """
    groups: dict[tuple[str, int], list[Measured]] = {}
    for cell in worlds:
        if cell["world"] != "constant":
            groups.setdefault((cell["logger"], cell["sessions"]), []).append(cell)
    found = []
    for (logger, sessions), cells in groups.items():
        rungs: dict[str, dict[str, float]] = {}
        for place, name in enumerate(LADDER):
            values = [cell["sampled"][name] for cell in cells]
            first = [cell["sampled"][LADDER[0]][0] for cell in cells]
            before = [cell["sampled"][LADDER[max(place - 1, 0)]] for cell in cells]
            rungs[name] = {
                "ratio": float(np.mean([v[0] / f for v, f in zip(values, first, strict=True)])),
                "rises": sum(v[1] > b[2] for v, b in zip(values, before, strict=True)),
                "falls": sum(v[2] < b[1] for v, b in zip(values, before, strict=True)),
            }
        found.append({"logger": logger, "sessions": sessions, "cells": len(cells), "rungs": rungs})
    return found
