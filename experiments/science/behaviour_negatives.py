"""What fewer negatives of TOCR's behaviour head save, and what they cost.

One TOCR for each choice of them, alike in everything else, trained on the same split and seed.
Printed: the behaviour head's loss over the whole catalogue on held-out sessions (-log beta of what
was logged), the policy's Recall@20 and MRR@20 there, and events a second. The last line is one JSON
object with all of it, and the loss of the smoothed item frequencies, which a behaviour head must
beat.

    python experiments/science/behaviour_negatives.py --dataset path/to/train.csv.gz
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from pathlib import Path

import numpy as np
from tabulate import tabulate

# Of this repository, Python would search the script's own folder alone.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from datasets.splitting.splits import Split
from experiments.script import load_split, recall_and_mrr, tell
from models.tocr import Tocr, TocrConfig


def unigram_loss(split: Split) -> float:
    """-log of the add-one smoothed training frequency of each held-out action, its mean."""
    counts = split.train.item_counts() + 1
    position = split.test.log.position_in_session
    return float(-np.log(counts / counts.sum())[split.test.log.items[position > 0]].mean())


def measure(split: Split, config: TocrConfig, seed: int) -> dict[str, float]:
    """Train one TOCR to its end."""
    model = Tocr(config, seed=seed, device="cpu")
    start = time.perf_counter()
    events = sum(progress.events for progress in model.fit(split.train))
    seconds = time.perf_counter() - start
    return {
        "behaviour loss": float(-model.log_propensities(split.test.log).mean()),
        **recall_and_mrr(model, split),
        "events/s": events / seconds,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="ml-latest-small", help="name or table")
    parser.add_argument(
        "--draws",
        nargs="+",
        default=["0", "1024:0.5", "1024:0.75", "512:0.75", "512:1"],
        help="number:alpha of the behaviour's own negatives; 0: it shares the policy's",
    )
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    split = load_split(options.dataset, "session-holdout")
    plain = TocrConfig(epochs=options.epochs, full_softmax_items=1)
    rows = {}
    for draws in options.draws:
        number, _, alpha = draws.partition(":")
        config = dataclasses.replace(plain, behaviour_negatives=int(number))
        if alpha:
            config = dataclasses.replace(config, behaviour_alpha=float(alpha))
        rows[draws] = measure(split, config, options.seed)
        tell(f"{draws}: behaviour loss {rows[draws]['behaviour loss']:.4f}")
    table = [(draws, *row.values()) for draws, row in rows.items()]
    names = ("behaviour negatives", *next(iter(rows.values())))
    print(tabulate(table, names, floatfmt=("", ".4f", ".4f", ".4f", ",.0f"), tablefmt="github"))
    print(json.dumps({"behaviour_negatives": rows, "unigram_loss": unigram_loss(split)}))


if __name__ == "__main__":
    main()
