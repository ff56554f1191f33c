"""Readings of the published replication: what each switch does, and a small run."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from datasets.session_log import SessionLog
from experiments.published.replica_network import Reading, ReplicaNetwork, action_weight
from experiments.published.replica_readings import PRINTED, PUBLISHED, comparison, rnn_of
from tests.experiments.conftest import printed

PI, BETA = (torch.tensor(row, dtype=torch.float64) for row in ([0.7, 0.2, 0.1], [0.2, 0.2, 0.6]))
DRAWS = 60_000


def weights(reading: Reading, *, logged: int = 0) -> torch.Tensor:
    torch.manual_seed(1)
    rows = [of.log().expand(DRAWS, -1) for of in (PI, BETA)]
    return action_weight(*rows, torch.full((DRAWS,), logged), replace(reading, k=1))


@pytest.mark.parametrize(
    ("weight", "mean"),
    [
        ("two draws", 3 * (0.49 + 0.04 + 0.01)),
        ("draw of pi", 0.49 / 0.2 + 0.04 / 0.2 + 0.01 / 0.6),
        ("draw of beta", 1.0),
        ("logged", 0.7 / 0.2),
    ],
)
def test_the_mean_weight_follows_from_where_it_is_drawn(weight: str, mean: float) -> None:
    found = weights(Reading(weight=weight))  # type: ignore[arg-type]
    assert float(found.mean()) == pytest.approx(mean, abs=4 * float(found.std()) / DRAWS**0.5)
    other = weights(Reading(weight=weight), logged=2)  # type: ignore[arg-type]
    assert torch.equal(found, other) == (weight != "logged"), "it must know the logged action"


def test_cap_and_lambda() -> None:
    rows = [of.log().unsqueeze(0) for of in (PI, BETA)]
    reading = Reading(weight="logged", k=2, cap=2.0)
    found = action_weight(*rows, torch.tensor([0]), reading)
    assert float(found) == pytest.approx(2.0 * 2 * 0.3), "the cap comes before lambda"
    found = action_weight(*rows, torch.tensor([2]), replace(reading, weight="lambda"))
    assert float(found) == pytest.approx(2 * 0.9)


@pytest.mark.parametrize(
    ("switches", "reaches_policy", "reaches_behaviour"),
    [({}, True, True), ({"all_variables": False}, True, False), ({"blocked": True}, False, False)],
)
def test_where_the_weight_sends_a_gradient(
    switches: dict[str, bool], reaches_policy: bool, reaches_behaviour: bool
) -> None:
    rows = [of.log().unsqueeze(0).requires_grad_() for of in (PI, BETA)]
    weight = action_weight(*rows, torch.tensor([0]), Reading(**switches))  # type: ignore[arg-type]
    if weight.requires_grad:
        weight.sum().backward()
    assert [row.grad is not None for row in rows] == [reaches_policy, reaches_behaviour]


def test_readings_of_the_reward() -> None:
    log = SessionLog(
        items=np.array([0, 1, 0, 1], dtype=np.int32),
        rewards=np.array([0, 1, 0, 1], dtype=np.float32),
        offsets=np.array([0, 2, 4]),
        item_ids=np.array(["a", "b"]),
        session_ids=np.array(["s", "t"]),
    )

    def returns(**switches: bool) -> list[float]:
        return ReplicaNetwork(Reading(discount=0.5, **switches), log, 1).returns.tolist()  # type: ignore[arg-type]

    assert returns() == [1.875, 1.75, 1.5, 1]
    assert returns(across_sessions=False) == [1.5, 1, 1.5, 1]
    assert returns(across_sessions=False, rewarded=True) == [0.5, 1, 0.5, 1]
    assert returns(across_sessions=False, normalised=True) == [1, -1, 1, -1]


def test_the_rnn_of_a_reading_differs_in_its_loss_alone() -> None:
    reading = replace(PRINTED, truncation=16, k=1, rewarded=True)
    rnn = rnn_of(reading)
    assert (rnn.weight, rnn.truncation) == ("none", 16)
    assert rnn == rnn_of(replace(reading, cap=1.0, blocked=True, discount=0.0))


def test_near_is_within_five_percent_of_both_published_ratios() -> None:
    rnn = dict.fromkeys(PUBLISHED, 0.1)
    found = {metric: 0.1 * ratio for metric, ratio in PUBLISHED.items()}
    assert comparison("same", found, rnn)["near"] == [True, True]
    assert comparison("better", rnn, rnn)["near"] == [True, False]
    diverged = dict.fromkeys(PUBLISHED, math.nan)
    assert comparison("diverged", diverged, rnn)["near"] == [False, False]


def test_a_small_run_prints_every_reading_asked_for(small_table: Path) -> None:
    asked = ["as printed", "batch's mean weight", "full softmax"]
    lines, figures = printed(
        "published/replica_readings.py", "--dataset", str(small_table),
        "--split", "session-holdout", "--epochs", "1", "--only", *asked,
    )  # fmt: skip
    rows = figures["rows"]
    assert [row["reading"] for row in rows] == asked
    assert all(0 < row["found"]["effective"] <= 1 for row in rows)
    assert all(0 <= row["found"]["MRR@20"] <= row["found"]["Recall@20"] <= 1 for row in rows)
    assert rows[0]["rnn"] == rows[1]["rnn"] != rows[2]["found"]
    assert sum(line.startswith("| ") for line in lines) == 1 + len(asked)
