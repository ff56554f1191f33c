"""Small inputs that have tripped other projects, read from the folder of known hard cases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.ranking.rank_targets import rank_targets
from datasets.reading.event_table import load_event_table
from datasets.session_log import SessionLog
from models.common.sampling.ranking_losses import ScoreColumns, cross_entropy
from models.common.sampling.sampled_softmax import (
    draw_log_weights,
    log_probability,
)
from models.gru4rec import Gru4Rec, Gru4RecConfig
from models.tocr import Tocr, TocrConfig
from tests.models.logits import full_of_logits, of_scores, sampled_of_logits
from tests.models.logs import fixed_split, make_log, trained


def log_of(file: Path) -> SessionLog:
    return load_event_table(file, reward=None, notify=lambda line: None).log


def tensors(case: Path) -> dict[str, Any]:
    return json.loads((case / "tensors.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("model_class", "config"),
    [
        (Gru4Rec, Gru4RecConfig(epochs=5)),
        (Gru4Rec, Gru4RecConfig(epochs=5, truncation=1, layers=(7, 9), embedding="separate")),
        (Tocr, TocrConfig(epochs=5)),
        (Tocr, TocrConfig(epochs=5, full_softmax_items=1, zero_reward_in_state=True)),
    ],
    ids=["gru4rec", "gru4rec-two-layers", "tocr", "tocr-sampled"],
)
def test_r026_a_session_is_scored_as_if_it_were_alone(
    cases_dir: Path, model_class: Any, config: Any
) -> None:
    case = cases_dir / "R026-state-leak"
    train = log_of(case / "train.csv")
    one, many = (
        fixed_split(train, log_of(case / f"test_{name}.csv")).test for name in ("one", "many")
    )
    assert (one.log.session_ids.tolist(), many.log.session_ids.tolist()[-1]) == (["99"], "99")
    model, _ = trained(model_class, config, fixed_split(train, log_of(case / "test_one.csv")).train)
    alone, ranks = model.score(one.log), rank_targets(model, one, model_name="model").ranks
    assert len(np.unique(alone)) > 2, "scores that say nothing"

    np.testing.assert_allclose(model.score(many.log)[-2:], alone, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(rank_targets(model, many, model_name="model").ranks[-2:], ranks)
    catalogue = one.log.item_ids[np.unique(one.log.items)]
    session, other = one.log.item_ids[one.log.items].tolist(), catalogue[::-1].tolist()
    for n_together in (1, 2, 100):
        sessions = [other] * (n_together - 1) + [session]
        together = make_log(sessions, catalogue=one.log.item_ids.tolist())
        np.testing.assert_allclose(model.score(together)[-2:], alone, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"loss": "cross-entropy", "truncation": 1, "logq": 0},
        {"loss": "cross-entropy", "truncation": 16},
        # With five items every target is drawn as its own negative, which bpreg would hold down.
        {"loss": "bpr-max", "bpreg": 0},
    ],
    ids=["authors-cross-entropy", "cross-entropy", "bpr-max"],
)
def test_r032_the_item_before_the_last_decides(cases_dir: Path, options: dict[str, Any]) -> None:
    case = cases_dir / "R032-needs-memory"
    split = fixed_split(log_of(case / "train.csv"), log_of(case / "test.csv"))
    config = Gru4RecConfig(**{"dropout_embedding": 0, "dropout_hidden": 0, **options})
    model, _ = trained(Gru4Rec, config, split.train)
    ranks = rank_targets(model, split.test, model_name="gru4rec").ranks
    np.testing.assert_array_equal(ranks, [1, 1, 1, 1])


def corrected_by_sampled_softmax(logits: Tensor, q: Tensor) -> Tensor:
    """Each item drawn once, less the constant log m of its expected number of draws."""
    m = len(q)
    return logits + draw_log_weights(torch.arange(m), m, q) + np.log(m)


def corrected_by_gru4rec(logits: Tensor, q: Tensor) -> Tensor:
    """What the softmax of cross-entropy is taken of, up to its constant."""
    columns = ScoreColumns(torch.arange(len(q)), torch.arange(len(q)), 1, len(q))
    scores = logits.unsqueeze(0).clone().requires_grad_()
    cross_entropy(*of_scores(scores), columns, q.log()).backward()
    gradient = scores.grad
    probabilities = gradient[0] + torch.tensor([1.0] + [0.0] * (len(q) - 1))
    corrected = probabilities.log()
    return corrected - corrected[0] + logits[0] - q[0].log()


@pytest.mark.parametrize("correct", [corrected_by_sampled_softmax, corrected_by_gru4rec])
def test_r091_log_q_is_taken_from_the_logit(cases_dir: Path, correct: Any) -> None:
    case = tensors(cases_dir / "R091-logq-sign")
    found = correct(torch.tensor(case["logits"]).float(), torch.tensor(case["Q"]))
    np.testing.assert_allclose(found, case["corrected"], rtol=1e-6)


def test_r091_the_whole_catalogue_once_is_the_full_softmax(cases_dir: Path) -> None:
    n = len(tensors(cases_dir / "R091-logq-sign")["logits"])
    logits = torch.randn(5, n, generator=torch.Generator().manual_seed(1))
    targets = torch.tensor([0, 1, 2, 1, 0]) % n
    uniform = torch.full((n,), 1 / n)
    weights = draw_log_weights(torch.arange(n), n, uniform)
    full = full_of_logits(logits, targets)
    found = sampled_of_logits(logits, targets, weights)
    np.testing.assert_allclose(found, full, rtol=0, atol=1e-6)
    for row, target in enumerate(targets.tolist()):
        order = [target, *(item for item in range(n) if item != target)]
        columns = ScoreColumns(torch.tensor(order), torch.tensor(order), 1, n)
        loss = cross_entropy(*of_scores(logits[row : row + 1]), columns, uniform.log())
        np.testing.assert_allclose(-loss, full[row : row + 1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("sampled", [False, True], ids=["full", "sampled"])
def test_r082_an_unlikely_item_stays_finite_under_autocast(
    cases_dir: Path, sampled: bool, dtype: torch.dtype
) -> None:
    case = tensors(cases_dir / "R082-half-precision-logprob")
    items = torch.tensor(case["logits"]).float().unsqueeze(1).requires_grad_()
    target = torch.tensor([case["target"]])
    with torch.autocast("cpu", dtype=dtype):
        state = torch.ones(1, 1)
        assert (state @ items.t()).dtype == dtype
        if sampled:
            log_pi = log_probability(state, items, target, torch.zeros(len(items)))
        else:
            log_pi = log_probability(state, items, target)
    assert log_pi.dtype == torch.float32
    assert float(log_pi.detach()) == pytest.approx(case["log_prob"], abs=1e-2)
    (-log_pi.sum()).backward()
    assert items.grad is not None
    np.testing.assert_allclose(items.grad.squeeze(1), case["grad_of_minus_log_prob"], atol=1e-6)
