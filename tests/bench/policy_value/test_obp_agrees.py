"""Our estimates against those of Open Bandit Pipeline, stored with where they come from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.policy_value.off_policy_evaluation import evaluate
from bench.policy_value.value_estimators import (
    clipped_ips,
    direct_method,
    doubly_robust,
    ips,
    self_normalised_doubly_robust,
    snips,
    switch_doubly_robust,
)
from tests.bench.policy_value.obp_figures import CAP, made_up, open_bandit

STORED: dict[str, Any] = json.loads(
    Path(__file__).with_name("obp_figures.json").read_text(encoding="utf-8")
)


def test_on_made_up_rounds() -> None:
    columns = made_up().columns()
    weights = np.exp(columns.log_policy - columns.log_propensities)
    guesses, logged = columns.policy_reward_model, columns.logged_reward_model
    assert guesses is not None and logged is not None
    rewards, residuals, ones = columns.rewards, columns.rewards - logged, np.ones(len(weights))
    ours = {
        "ips": ips(weights, rewards),
        "clipped_ips": clipped_ips(weights, rewards, CAP),
        "snips": snips(weights, rewards, ones),
        "dm": direct_method(guesses),
        "dr": doubly_robust(weights, residuals, guesses),
        "sndr": self_normalised_doubly_robust(weights, residuals, guesses, ones),
        "switch_dr": switch_doubly_robust(weights, residuals, guesses, CAP),
    }
    assert STORED["provenance"]["obp"] == "0.5.7"
    values = {name: sum(ratio.value for ratio in ratios) for name, ratios in ours.items()}
    assert values == pytest.approx(STORED["figures"]["made_up"], rel=1e-12)


def test_on_open_bandit(data_dir: Path) -> None:
    for name, rounds in open_bandit(data_dir / "open-bandit").items():
        estimates = evaluate(rounds.columns(), cap=CAP, resamples=50).estimates
        theirs = STORED["figures"][name]
        assert {each: estimates[each].value for each in theirs} == pytest.approx(theirs, rel=1e-9)
