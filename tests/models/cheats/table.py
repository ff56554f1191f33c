"""What becomes of each model of the zoo in a run of the command line, as a table.

python -m tests.models.cheats.table > docs/cheats.md
"""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.store.trial import TRIALS, read_trial_record
from tests.models.cheats import (
    broken,
    company,
    honest,
    look_ahead,
    memory,
    outside,
    rounding,
    writing,
)

REPOSITORY = Path(__file__).parents[3]
KINDS = (look_ahead, rounding, writing, memory, company, outside, broken)
INTRODUCTION = """# Models that cheat

A model is code of anybody's, and it is given whole sessions to score. Each of these models tries to
gain by that, or is broken. One command line runs them on a small table
(`python -m tests.models.cheats.table` writes this page); the honest model beside them ranks by
support in training and has Recall@20 {recall:.4f}. A model that is not refused must not have more.

| model | what it does | what happens |
|---|---|---|
"""
LIMITS = """
What stands against them, in every trial:

- Before the model has met a test target it is asked about copies of up to 64 test sessions, the
  longest always among them, that are true until a cut and go on with random items, in another order
  and among other sessions. Ranks found later must be those that the copies gave, up to rounding
  (`models/checks/future_hidden.py`), and the random items must rank as chance ranks them, with a
  probability of a false alarm below 3e-9.
- The last event of each session is in no prefix, so the log that is scored holds another in its
  place.
- No array of a log can be made writable, and checksums of all logs are compared at the end.
- Python's own `open` of the table, the cached log, stored test events and other trials' lists is
  refused in a trial's process, and so are another name for them and a search of memory by `gc`.
- Log-probabilities, which policy values are computed from, are held to the same answers.

What remains: a look at the next item at fewer than about two places in a hundred can escape the
sample, as can one that only orders equal scores. Code that breaks out of this (a program that it
starts, a library of its own, `os.open` relative to a folder's descriptor, copies of top lists in
MLflow, the stack frames of its caller) finds what the process of its user may read. Read the source
of a model whose figures you publish.
"""


@dataclass(frozen=True)
class Case:
    """What became of one model."""

    model: Any
    reason: str | None
    """Why it was refused; None where it was ranked."""
    recall: float
    """Recall@20; NaN where it was refused."""


def zoo() -> list[Any]:
    """All models but the honest one."""
    return [
        model
        for kind in KINDS
        for _, model in inspect.getmembers(kind, inspect.isclass)
        if issubclass(model, honest.Honest) and model.__module__ == kind.__name__
    ]


def arguments(models: list[Any]) -> list[str]:
    """The command line that runs `models` on the table `log.csv`."""
    references = [f"{model.__module__}:{model.__name__}" for model in models]
    table = ["--dataset", "log.csv", "--split", "session-holdout", "--test-share", "0.3"]
    return [*table, "--models", ",".join(references), "--tracking-uri", "none"]


def write_log(file: Path) -> None:
    """120 sessions of 2 to 30 events and 12 of 260, of 300 items with popular ones among them."""
    rng = np.random.default_rng(4)
    lengths = rng.permutation([*rng.integers(2, 31, 120), *[260] * 12])
    popularity = rng.permutation(1 / np.arange(1, 301))
    lines, time = ["session_id,item_id,time"], 0
    for session, length in enumerate(lengths.tolist()):
        items = rng.choice(300, length, p=popularity / popularity.sum())
        for item in items.tolist():
            time += int(rng.integers(1, 7))
            lines.append(f"{session},i{item},{time}")
    file.write_text("\n".join(lines) + "\n")


def cases(folder: Path, models: list[Any]) -> dict[str, Case]:
    """Read what became of `models` in a run whose output lies in `folder`, by name."""
    records = [read_trial_record(trial) for trial in (folder / TRIALS).iterdir()]
    by_name = {record.model: record for record in records}
    found = {}
    for model in models:
        record = by_name[model.__name__]
        recall = record.metrics.get("Recall@20", float("nan"))
        found[model.__name__] = Case(model, record.reason, recall)
    return found


def main() -> None:
    models = [honest.Honest, *zoo()]
    with tempfile.TemporaryDirectory() as folder:
        write_log(Path(folder) / "log.csv")
        command = [
            sys.executable,
            str(REPOSITORY / "run_bench.py"),
            *arguments(models),
            "--no-page",
        ]
        variables = {**os.environ, "BENCH_CACHE_DIR": str(Path(folder) / "cache")}
        subprocess.run(command, cwd=folder, env=variables, stdout=subprocess.DEVNULL, check=False)
        found = cases(Path(folder) / "results", models)
    own = found.pop("Honest")
    print(INTRODUCTION.format(recall=own.recall), end="")
    for name, case in found.items():
        what = f"ranked: Recall@20 {case.recall:.4f}"
        if case.reason is not None:
            reason = case.reason.partition(f"{name}: ")[2] or case.reason
            what = f"refused: {reason.replace(folder, '').replace('|', '')}"
        print(f"| `{name}` | {inspect.getdoc(case.model)} | {what} |")
    print(LIMITS, end="")


if __name__ == "__main__":
    main()
