"""Every built-in model passes the conformance suite, under all options that change its course."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.conformance import check_recommender, synthetic_log
from models.gru4rec import Gru4Rec, Gru4RecConfig
from models.popularity import Popularity
from models.recommender import FactoredRecommender, Recommender
from models.tocr import Tocr, TocrConfig


def gru4rec(**options: Any) -> Gru4RecConfig:
    return Gru4RecConfig(**({"layers": (12,), "embedding_width": 8, "negatives": 30} | options))


@pytest.mark.parametrize(
    ("model_class", "config"),
    [
        (Popularity, None),
        (Gru4Rec, None),
        (Gru4Rec, gru4rec(embedding="constrained", truncation=1, momentum=0.2)),
        (Gru4Rec, gru4rec(embedding="separate", loss="bpr-max", truncation=4)),
        (Gru4Rec, gru4rec(embedding="none", logq_form="official", truncation=4)),
        (Gru4Rec, gru4rec(embedding="none", loss="bpr-max", truncation=1, layers=(10, 6))),
        (Gru4Rec, gru4rec(embedding="constrained", layers=(10, 12), negatives=0)),
        (Tocr, None),
        (Tocr, TocrConfig(width=12, cell="cfn", zero_reward_in_state=True, truncation=1)),
        (Tocr, TocrConfig(width=12, cell="gru", zero_reward_in_state=False, momentum=0.2)),
        (Tocr, TocrConfig(width=12, cell="gru", zero_reward_in_state=True, horizon=100.0)),
        (Tocr, TocrConfig(width=12, full_softmax_items=1, negatives=30, truncation=4)),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_built_in_models_keep_the_protocol(model_class: type[Recommender], config: Any) -> None:
    check_recommender(model_class, config)


def test_trained_models_offer_factors() -> None:
    assert isinstance(Gru4Rec(Gru4RecConfig(), seed=1, device="cpu"), FactoredRecommender)
    assert isinstance(Tocr(TocrConfig(), seed=1, device="cpu"), FactoredRecommender)
    assert not hasattr(Popularity, "factors")


@pytest.mark.parametrize("model_class", [Popularity, Gru4Rec, Tocr])
def test_a_log_that_refuses_writes_serves(model_class: Any) -> None:
    log = synthetic_log(seed=3, n_sessions=20)
    config = model_class.Config() if model_class is Popularity else model_class.Config(epochs=1)
    model = model_class(config, seed=1, device="cpu")
    assert list(model.fit(log))[-1].epoch_ended
    assert np.isfinite(model.score(log)).all()
