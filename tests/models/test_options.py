"""No option of a model is without effect on what it learns."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
import torch

from models.gru4rec import Gru4Rec, Gru4RecConfig
from models.tocr import Tocr, TocrConfig
from tests.models.logs import random_log, trained, weights

LOG = random_log(20, n_items=30, longest=12, seed=6)
BASE = {"epochs": 1, "truncation": 4, "negatives": 10}

CHANGES: dict[type, list[tuple[dict[str, Any], dict[str, Any]]]] = {
    Gru4Rec: [
        ({"layers": (8,)}, {name: value})
        for name, value in {
            "epochs": 2, "learning_rate": 0.05, "batch_size": 8, "truncation": 2, "layers": (8, 8),
            "embedding": "none", "loss": "bpr-max", "negatives": 11, "negative_alpha": 0.9,
            "logq": 0.5, "logq_form": "official", "dropout_embedding": 0.1, "dropout_hidden": 0.1,
            "momentum": 0.3,
        }.items()
    ]
    + [
        ({"layers": (8,), "embedding": "separate"}, {"embedding_width": 7}),
        ({"layers": (8,), "loss": "bpr-max"}, {"elu": 0.1}),
        ({"layers": (8,), "loss": "bpr-max"}, {"bpreg": 0.3}),
    ],
    Tocr: [
        ({"width": 8}, {name: value})
        for name, value in {
            "epochs": 2, "learning_rate": 0.05, "batch_size": 8, "truncation": 2, "width": 7,
            "cell": "gru", "zero_reward_in_state": False, "K": 3, "cap": 0.5, "off_policy": False,
            "set_correction": "distinct", "reward_weighted": False, "baseline": "mean",
            "discount": 0.5, "temperature": 2.0,
            "full_softmax_items": 20, "dropout_embedding": 0.1, "dropout_hidden": 0.1,
            "momentum": 0.3, "normalised": True, "kl": 0.5, "behaviour": "network",
        }.items()
    ]
    + [
        ({"width": 8, "epochs": 2}, {"warm_start": 1}),
        ({"width": 8, "baseline": "mean"}, {"baseline": "running"}),
        ({"width": 8, "full_softmax_items": 20}, {"negatives": 11}),
        ({"width": 8, "full_softmax_items": 20}, {"negative_alpha": 0.9}),
        ({"width": 8, "full_softmax_items": 20}, {"behaviour_negatives": 3}),
        (
            {"width": 8, "full_softmax_items": 20, "behaviour_negatives": 3},
            {"behaviour_alpha": 0.2},
        ),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("model_class", "base", "change"),
    [(model, base, change) for model, changes in CHANGES.items() for base, change in changes],
    ids=lambda value: value.__name__ if isinstance(value, type) else "-".join(value),
)
def test_another_value_gives_other_weights(
    model_class: Any, base: dict[str, Any], change: dict[str, Any]
) -> None:
    before, after = (
        weights(trained(model_class, model_class.Config(**(BASE | base | options)), LOG)[0])
        for options in ({}, change)
    )
    same_shapes = {n: v.shape for n, v in before.items()} == {n: v.shape for n, v in after.items()}
    assert not same_shapes or not all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(("config", "model_class"), [(Gru4RecConfig, Gru4Rec), (TocrConfig, Tocr)])
def test_no_option_is_left_out_above(config: Any, model_class: type) -> None:
    changed = {name for _, change in CHANGES[model_class] for name in change}
    # A horizon needs a log with times; its effect is tested with the returns.
    assert {field.name for field in fields(config)} - changed <= {"horizon"}
