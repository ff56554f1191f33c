"""The counting models reach, to the fourth digit, figures that were worked out apart from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.ranking.rank_targets import rank_targets
from bench.stats.metrics import recall_at, reciprocal_rank_at
from datasets.registry import load_event_table
from datasets.splitting.splits import Split
from models.markov import Markov
from models.popularity import Popularity
from models.session_popularity import SessionPopularity
from tests.models.logs import fixed_split, trained


@pytest.fixture(scope="module")
def retailrocket(data_dir: Path) -> Split:
    train, test = (
        load_event_table(
            data_dir / "retailrocket" / f"{part}.csv.gz", reward=None, notify=lambda text: None
        ).log
        for part in ("train", "test")
    )
    return fixed_split(train, test)


@pytest.mark.parametrize(
    ("model_class", "recall", "mrr"),
    [
        (Popularity, 0.0199, 0.0062),
        (SessionPopularity, 0.5403, 0.4590),
        (Markov, 0.5389, 0.3767),
    ],
)
def test_retailrocket(model_class: Any, recall: float, mrr: float, retailrocket: Split) -> None:
    model, _ = trained(model_class, model_class.Config(), retailrocket.train)
    ranks = rank_targets(model, retailrocket.test, model_name="model").ranks
    assert len(ranks) == 5639
    assert round(float(recall_at(ranks, 20).mean()), 4) == recall
    assert round(float(reciprocal_rank_at(ranks, 20).mean()), 4) == mrr
