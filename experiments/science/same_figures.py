"""Does a change leave every figure as it was? Three plans in two checkouts, compared file by file.

For a change that is not meant to alter results. Both checkouts run the same plans on the same
machine; then ranks, ties, exposure, log-probabilities, true values, test events, tables (without
what is a time or a memory), exit statuses and names of files must be equal, byte by byte. The last
line is one JSON object.

    git worktree add ../before main && python experiments/science/same_figures.py --before ../before
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
EPOCHS = 2
TRAINED = ("gru4rec", "sasrec", "behaviour_cloning", "reinforce", "weighted_likelihood", "tocr")
SLOW = ("tocr_replica", "sqn")
COUNTED = ("popularity", "session_popularity", "markov", "vsknn", "stan")
VARIANTS = {
    "gru4rec-bpr=gru4rec": 'loss = "bpr-max"\nmomentum = 0.2',
    "gru4rec-official=gru4rec": 'logq_form = "official"\nembedding = "separate"\ntruncation = 1',
    "gru4rec-one-hot=gru4rec": 'embedding = "none"\nlayers = [50, 30]\nlogq = 0.0',
    "tocr-distinct=tocr": 'set_correction = "distinct"\nK = 5\ntemperature = 0.5',
    "tocr-network=tocr": 'behaviour = "network"\nnormalised = true\ncell = "gru"',
    "tocr-kl=tocr": "kl = 0.1\nwarm_start = 1\nbehaviour_negatives = 0\n"
    "zero_reward_in_state = false",
    "tocr-baseline=tocr": 'baseline = "running"\nfull_softmax_items = 1\nnegatives = 64',
}
"""Each branch of the two models' updates, on the simulated log."""
TIMES = re.compile(r"time|seconds|memory|cost|load|\bms\b|events/s", re.IGNORECASE)
"""What a table says of a machine, not of a model."""
COMPARED = ("ranks.npy", "ties.npy", "exposure.npy", "policy.npy", "true-values.json")


def write_plans(folder: Path) -> dict[str, list[str]]:
    """Three plans as arguments of `run_bench.py`; what they read lies in `folder`."""
    draw = random.Random(20190211)
    for part, n_sessions in (("train", 600), ("test", 150)):
        with (folder / f"{part}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("session_id", "item_id", "time", "reward"))
            for session in range(n_sessions):
                item, start = draw.randrange(300), draw.randrange(10**6)
                for position in range(draw.randrange(2, 12)):
                    writer.writerow((f"{part}{session}", item, start + position, draw.randrange(2)))
                    item = (item + draw.choice((1, 1, 2, 5))) % 300
    epochs = "".join(f"\n[{name}]\nepochs = {EPOCHS}\n" for name in TRAINED)
    slow = "".join(f"\n[{name}]\nepochs = 1\n" for name in SLOW)
    every = json.dumps([*COUNTED, *TRAINED, *SLOW])
    (folder / "embedded.toml").write_text(f"models = {every}\n{epochs}{slow}", encoding="utf-8")
    variants = "".join(
        f'\n["{label.split("=")[0]}"]\nepochs = {EPOCHS}\n{options}\n'
        for label, options in VARIANTS.items()
    )
    (folder / "simulated.toml").write_text(
        f"models = {json.dumps([*TRAINED, *VARIANTS])}\nk = [5, 20]\n{epochs}{variants}",
        encoding="utf-8",
    )
    world = "simulated:world=drift,logger=popularity,sessions=1500"
    fixed = ["--dataset", f"{folder}/train.csv", "--test", f"{folder}/test.csv"]
    return {
        "embedded": ["--config", f"{folder}/embedded.toml"],
        "simulated": ["--config", f"{folder}/simulated.toml", "--dataset", world],
        "fixed": ["--config", f"{folder}/embedded.toml", *fixed],
    }


def run(checkout: Path, arguments: list[str], output: Path) -> int:
    """Exit status of one plan in one checkout; a folder with a finished table is not made again."""
    status = output / "exit-status"
    if not status.exists():
        command = [sys.executable, "run_bench.py", *arguments, "--output", str(output)]
        done = subprocess.run(
            [*command, "--tracking-uri", "none", "--no-page"],
            cwd=checkout,
            # Sums over several threads are rounded by how the work was split.
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            check=False,
            stdout=subprocess.DEVNULL,
        )
        output.mkdir(parents=True, exist_ok=True)
        status.write_text(str(done.returncode), encoding="utf-8")
    return int(status.read_text(encoding="utf-8"))


def figures(output: Path) -> dict[str, bytes]:
    """Everything that must be equal, by a name that holds no hash of a model's source."""
    found: dict[str, bytes] = {}
    for trial in sorted((output / "trials").iterdir()):
        name = re.sub(r"-[0-9a-f]{16}$", "", trial.name)
        found[f"{name}: files"] = "\n".join(sorted(path.name for path in trial.iterdir())).encode()
        kept = [trial / each for each in COMPARED if (trial / each).exists()]
        found |= {f"{name}/{file.name}": file.read_bytes() for file in kept}
    for file in sorted((output / "splits").rglob("*")):
        if file.suffix in (".npy", ".npz", ".json"):
            found[str(file.relative_to(output))] = file.read_bytes()
    with (output / "table.csv").open(encoding="utf-8", newline="") as table:
        rows = [
            {name: value for name, value in row.items() if name and not TIMES.search(name)}
            for row in csv.DictReader(table)
        ]
    found["table.csv"] = json.dumps(rows, indent=1).encode()
    found["files"] = "\n".join(sorted(path.name for path in output.iterdir())).encode()
    return found


def main() -> None:
    """Run, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, required=True, help="the other checkout")
    parser.add_argument("--plans", default="embedded,simulated,fixed", help="some of these")
    parser.add_argument("--keep", type=Path, help="folder of the other checkout's results")
    options = parser.parse_args()
    differences: list[str] = []
    n_compared = 0
    with tempfile.TemporaryDirectory() as scratch:
        plans = write_plans(Path(scratch))
        for name in options.plans.split(","):
            old, new = (options.keep or Path(scratch)) / name, Path(scratch) / f"{name}-after"
            statuses = run(options.before, plans[name], old), run(REPOSITORY, plans[name], new)
            before, after = figures(old), figures(new)
            before["exit status"], after["exit status"] = (str(each).encode() for each in statuses)
            n_compared += len(before)
            wrong = [key for key in sorted({*before, *after}) if before.get(key) != after.get(key)]
            differences += [f"{name}: {key}" for key in wrong]
            print(f"{name}: {len(before)} compared, {len(wrong)} different", flush=True)
    for difference in differences:
        print(difference)
    print(json.dumps({"compared": n_compared, "different": len(differences)}))
    sys.exit(1 if differences else 0)


if __name__ == "__main__":
    main()
