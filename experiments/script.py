"""What several scripts do alike: speak to stderr, load a split, and measure a model on it."""

from __future__ import annotations

import sys
from typing import cast

from bench.ranking.rank_targets import rank_targets
from bench.stats.metrics import recall_at, reciprocal_rank_at
from datasets.registry import load_dataset
from datasets.splitting.splits import Split, SplitOptions, make_split
from models.recommender import Recommender

K = 20


def tell(line: str) -> None:
    """A line for stderr."""
    print(line, file=sys.stderr, flush=True)


def load_split(dataset: str, split: str) -> Split:
    """A data set, by name or path, split by the rule `split` without a validation part."""
    log = load_dataset(dataset, notify=tell).log
    return make_split(log, SplitOptions(split, valid_share=0), source=dataset)


def recall_and_mrr(model: object, split: Split) -> dict[str, float]:
    """Recall and MRR at `K`, means over all test events."""
    ranks = rank_targets(cast(Recommender, model), split.test, model_name=type(model).__name__)
    return {
        f"Recall@{K}": float(recall_at(ranks.ranks, K).mean()),
        f"MRR@{K}": float(reciprocal_rank_at(ranks.ranks, K).mean()),
    }
