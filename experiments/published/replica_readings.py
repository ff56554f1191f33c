"""Which reading of the published replication gives its figures beside its own session RNN?

The write-up has Recall@20 .1994 for TOCR and .2023 for its RNN, a ratio of .986, and MRR@20 .0522
and .0712, a ratio of .733. Its code leaves open, or its author could have run otherwise than
printed, what each reading here changes. Each is trained beside the RNN of the same network, softmax
candidates, optimiser and epochs, and beside this benchmark's `gru4rec`. The last line is one JSON
object.

    python experiments/published/replica_readings.py --epochs 3

Interrupted, it prints the readings that are done.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tabulate import tabulate

# Of this repository, Python would search the script's own folder alone.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from datasets.splitting.splits import Split
from experiments.published.replica_network import Reading, ReplicaNetwork
from experiments.script import load_split, recall_and_mrr, tell
from models.gru4rec import Gru4Rec, Gru4RecConfig

PUBLISHED = {"Recall@20": 0.1994 / 0.2023, "MRR@20": 0.0522 / 0.0712}
NEAR = 0.05
"""A ratio this far from the published one, as a share of it, is near."""
PRINTED = Reading()
READINGS = {
    "as printed": PRINTED,
    "no gradient through the weight": replace(PRINTED, blocked=True),
    "policy loss kept off the behaviour head": replace(PRINTED, all_variables=False),
    "one draw of pi for both": replace(PRINTED, weight="draw of pi"),
    "one draw of beta for both": replace(PRINTED, weight="draw of beta"),
    "one draw of beta for both, no gradient": replace(PRINTED, weight="draw of beta", blocked=True),
    "batch's mean weight": replace(PRINTED, mean_weight=True),
    "batch's mean weight, no gradient": replace(PRINTED, mean_weight=True, blocked=True),
    "reward by rating": replace(PRINTED, rewarded=True),
    "normalised returns": replace(PRINTED, normalised=True),
    "returns end with the session": replace(PRINTED, across_sessions=False),
    "discount 0": replace(PRINTED, discount=0.0),
    "K = 1": replace(PRINTED, k=1),
    "cap e^3": replace(PRINTED, cap=math.e**3),
    "full softmax": replace(PRINTED, negatives=0),
    "512 candidates by support": replace(PRINTED, negatives=512, log_uniform=False),
    "batch of 512": replace(PRINTED, batch_size=512),
    "16 steps of back-propagation": replace(PRINTED, truncation=16),
    "Adam, 0.001": replace(PRINTED, learning_rate=0.001),
    "Adagrad, 0.05": replace(PRINTED, adagrad=True, learning_rate=0.05),
    "logged action (the paper)": replace(PRINTED, weight="logged", blocked=True),
    "logged action, gradient through it": replace(PRINTED, weight="logged"),
    "no gradient, reward by rating": replace(PRINTED, blocked=True, rewarded=True),
    "no gradient, normalised returns": replace(PRINTED, blocked=True, normalised=True),
    "no gradient, batch of 512": replace(PRINTED, blocked=True, batch_size=512),
    "one draw of beta, no gradient, batch of 512": replace(
        PRINTED, weight="draw of beta", blocked=True, batch_size=512
    ),
    "one draw of beta, batch's mean, no gradient": replace(
        PRINTED, weight="draw of beta", mean_weight=True, blocked=True
    ),
    "lambda alone, at the logged action": replace(PRINTED, weight="lambda", blocked=True),
}


def rnn_of(reading: Reading) -> Reading:
    """The session RNN that is trained as `reading` is: cross-entropy alone."""
    return Reading(
        weight="none",
        negatives=reading.negatives,
        log_uniform=reading.log_uniform,
        truncation=reading.truncation,
        batch_size=reading.batch_size,
        adagrad=reading.adagrad,
        learning_rate=reading.learning_rate,
    )


def measure(reading: Reading, split: Split, epochs: int, seed: int) -> dict[str, float]:
    """Quality of one reading and the effective share of its weights; NaN where it diverged."""
    network = ReplicaNetwork(reading, split.train, seed)
    try:
        share = network.fit(epochs)
    except FloatingPointError:
        return {"Recall@20": math.nan, "MRR@20": math.nan, "effective": math.nan}
    return recall_and_mrr(network, split) | {"effective": share}


def gru4rec(split: Split, epochs: int, seed: int) -> dict[str, float]:
    """Quality of this benchmark's GRU4Rec at its defaults."""
    model = Gru4Rec(Gru4RecConfig(epochs=epochs), seed=seed, device="cpu")
    for _ in model.fit(split.train):
        pass
    return recall_and_mrr(model, split)


def comparison(name: str, found: dict[str, float], rnn: dict[str, float]) -> dict[str, Any]:
    """A reading's row: its ratios to the RNN, and whether both are near the published ones."""
    ratios = {metric: found[metric] / rnn[metric] for metric in PUBLISHED}
    near = [abs(ratios[metric] / PUBLISHED[metric] - 1) <= NEAR for metric in PUBLISHED]
    return {"reading": name, "found": found, "rnn": rnn, "ratios": ratios, "near": near}


def table(rows: list[dict[str, Any]], supervised: dict[str, float]) -> str:
    """All rows as markdown; ratios near a published one are bold."""
    cells = []
    for row in rows:
        marked = [
            f"**{ratio:.3f}**" if near else f"{ratio:.3f}"
            for ratio, near in zip(row["ratios"].values(), row["near"], strict=True)
        ]
        both = [
            " / ".join(f"{of[metric]:.4f}" for metric in PUBLISHED)
            for of in (row["rnn"], row["found"])
        ]
        of_gru4rec = row["found"]["Recall@20"] / supervised["Recall@20"]
        share = row["found"]["effective"]
        cells.append((row["reading"], *both, *marked, f"{of_gru4rec:.2f}", f"{share:.2g}"))
    headers = (
        "reading", "its RNN", "TOCR", "ratio, Recall@20", "ratio, MRR@20",
        "Recall@20 of `gru4rec`'s", "effective weights",
    )  # fmt: skip
    text: str = tabulate(cells, headers, tablefmt="github", disable_numparse=True)
    return text


def main() -> None:
    """Train every reading and print the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--dataset", default="ml-latest-small", help="name or table")
    parser.add_argument("--split", default="temporal", choices=["temporal", "session-holdout"])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=READINGS, default=list(READINGS))
    options = parser.parse_args()
    split = load_split(options.dataset, options.split)
    supervised = gru4rec(split, options.epochs, options.seed)
    rnns: dict[Reading, dict[str, float]] = {}
    rows = []
    for name in options.only:
        reading = READINGS[name]
        rnn = rnn_of(reading)
        try:
            if rnn not in rnns:
                rnns[rnn] = measure(rnn, split, options.epochs, options.seed)
            found = measure(reading, split, options.epochs, options.seed)
        except KeyboardInterrupt:
            tell(f"interrupted at {name}: the table has those before it")
            break
        rows.append(comparison(name, found, rnns[rnn]))
        tell(f"{name}: {rows[-1]['ratios']}")
    both = " / ".join(f"{supervised[metric]:.4f}" for metric in PUBLISHED)
    published = " / ".join(f"{ratio:.3f}" for ratio in PUBLISHED.values())
    print(f"{options.dataset}, {options.split}, {options.epochs} epochs, seed {options.seed}.")
    print(f"Recall@20 / MRR@20; `gru4rec` {both}; published ratio {published}; bold: within 5 %.\n")
    print(table(rows, supervised))
    figures = {"gru4rec": supervised, "rows": rows, "options": vars(options)}
    figures["readings"] = {row["reading"]: asdict(READINGS[row["reading"]]) for row in rows}
    print(json.dumps(figures, default=str))


if __name__ == "__main__":
    main()
