"""GRU4Rec held against the figures that its authors' own code reaches on the same files.

Each log is a run of `run_bench.py` at the authors' settings, in a folder of its own, so that the
same command again trains only what is missing. A log that is absent is named and left out. The page
is made from the folders of all logs in `--output`, those of earlier calls included. The last line
printed is one JSON object; the exit status is 1 if a trial failed or a mean over seeds falls short
of the authors' figure by more than the tolerance, and 2 if nothing could be compared.

    BENCH_DATA_DIR=path/to/logs python experiments/published/parity.py --logs retailrocket
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

# Of this repository, Python would search the script's own folder alone.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.store.benchmark_record import BenchmarkRecord, read_benchmark_record
from bench.store.trial import TRIALS, is_finished, read_trial_record
from datasets.errors import InputError
from experiments.published.parity_page import page_markdown, results_table

REPOSITORY = Path(__file__).resolve().parents[2]
RECORDED = REPOSITORY / "experiments" / "published" / "gru4rec_authors.toml"
CONFIGS = REPOSITORY / "experiments" / "configs"
PAGE = REPOSITORY / "docs" / "parity.md"
METRICS = {"recall": "Recall@20", "mrr": "MRR@20"}
"""Names in the recorded figures, and those of a trial."""
TOLERANCE = 0.02
"""Relative, of both metrics."""
EXIT_SHORT, EXIT_NOTHING = 1, 2


@dataclass(frozen=True)
class RecordedLog:
    """One log of the recorded figures, by the names that the TOML file has."""

    name: str
    plan: str
    dataset: str
    figures: Sequence[Mapping[str, Any]]
    """Each with `setting`, a label of the plan, and the authors' `recall` and `mrr`; `counting`
    where the model only counts."""
    test: str | None = None
    predicted_events: int | None = None


def read_recorded(file: Path) -> list[RecordedLog]:
    """The logs of a file like `gru4rec_authors.toml`."""
    return [RecordedLog(**log) for log in tomllib.loads(file.read_text(encoding="utf-8"))["logs"]]


def run_log(log: RecordedLog, data: Path, output: Path, seeds: int) -> int:
    """Train what a log's folder in `output` lacks; returns the exit status of the run."""
    command = [
        sys.executable,
        str(REPOSITORY / "run_bench.py"),
        "--config",
        str(CONFIGS / log.plan),
    ]
    command += ["--dataset", str(data / log.dataset), "--seeds", str(seeds)]
    if log.test is not None:
        command += ["--test", str(data / log.test)]
    command += ["--tracking-uri", "none", "--no-page", "--output", str(output / log.name)]
    return subprocess.run(command, stdout=subprocess.DEVNULL).returncode


def compare(log: RecordedLog, folder: Path) -> list[dict[str, Any]]:
    """A row for each setting of a log, from the trials in its folder.

    Raises InputError if the test events are not those of the recorded figures, or a setting has no
    finished trial.
    """
    record = read_benchmark_record(folder)
    predicted = record.counts["test_events"]
    if log.predicted_events not in (None, predicted):
        raise InputError(
            f"{log.name} has {predicted:,} test events where the recorded figures have "
            f"{log.predicted_events:,}; use the files that they were measured on"
        )
    return [_row(log, figures, record, folder) for figures in log.figures]


def _row(
    log: RecordedLog, figures: Mapping[str, Any], record: BenchmarkRecord, folder: Path
) -> dict[str, Any]:
    setting = figures["setting"]
    trials = [folder / TRIALS / trial for trial in record.trials.get(setting, ())]
    if not trials or not all(is_finished(trial) for trial in trials):
        raise InputError(f"{folder} has no finished trial of {setting}; run its log again")
    records = [read_trial_record(trial) for trial in trials]
    row: dict[str, Any] = {
        "log": log.name,
        "setting": setting,
        "counting": figures.get("counting", False),
        "predicted_events": record.counts["test_events"],
        "epochs": records[0].parameters.get("epochs"),
        "seeds": [trial.seed for trial in records],
        "commits": sorted({trial.tags["git_commit"] for trial in records}),
        "versions": dict(record.versions),
    }
    for name, metric in METRICS.items():
        values = np.array([trial.metrics[metric] for trial in records])
        row[name] = {
            "authors": figures[name],
            "by_seed": values.tolist(),
            "mean": float(values.mean()),
            "sd": float(values.std(ddof=1)) if len(values) > 1 else None,
            "difference": float(values.mean() / figures[name] - 1),
        }
    row["short"] = any(row[name]["difference"] < -TOLERANCE for name in METRICS)
    return row


def paired_differences(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Of each setting of a log to its first one, over the seeds that both have; counts left out."""
    found = []
    first: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        base = row if row["counting"] else first.setdefault(row["log"], row)
        if base is row or base["seeds"] != row["seeds"]:
            continue
        pair: dict[str, Any] = {"log": row["log"], "settings": [row["setting"], base["setting"]]}
        for name in METRICS:
            values = np.subtract(row[name]["by_seed"], base[name]["by_seed"])
            pair[name] = {
                "authors": row[name]["authors"] - base[name]["authors"],
                "by_seed": values.tolist(),
                "mean": float(values.mean()),
                "sd": float(values.std(ddof=1)) if len(values) > 1 else None,
            }
        found.append(pair)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, compare and write the page; returns the exit status."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    data = os.environ.get("BENCH_DATA_DIR")
    parser.add_argument(
        "--data", type=Path, default=data, help="folder of the logs (default: BENCH_DATA_DIR)"
    )
    parser.add_argument("--logs", help="which, with commas between (default: all)")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each setting (3)")
    parser.add_argument("--output", type=Path, default=Path("results/parity"))
    parser.add_argument("--recorded", type=Path, default=RECORDED, help="the authors' figures")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page to write")
    options = parser.parse_args(arguments)
    if options.data is None:
        parser.error("no folder of logs; set BENCH_DATA_DIR or add --data DIR")
    logs = read_recorded(options.recorded)
    known = [log.name for log in logs]
    wanted = known if options.logs is None else options.logs.split(",")
    if unknown := set(wanted) - set(known):
        parser.error(f"--logs: unknown log {', '.join(sorted(unknown))}; choose of {known}")
    skipped, failed = [], []
    for log in logs:
        if log.name not in wanted:
            continue
        files = [options.data / path for path in (log.dataset, log.test) if path is not None]
        if absent := [str(file) for file in files if not file.exists()]:
            print(f"{log.name}: skipped, as {' and '.join(absent)} cannot be found")
            skipped.append(log.name)
        elif status := run_log(log, options.data, options.output, options.seeds):
            print(f"{log.name}: run_bench.py ended with status {status}; the same command goes on")
            failed.append(log.name)
    rows = []
    for log in logs:
        folder = options.output / log.name
        if not (folder / "benchmark.json").exists():
            continue
        try:
            rows += compare(log, folder)
        except InputError as error:
            print(f"{log.name}: {error}")
            failed += [log.name] * (log.name not in failed)
    pairs = paired_differences(rows)
    short = [f"{row['log']} {row['setting']}" for row in rows if row["short"]]
    if rows:
        measured = {row["log"] for row in rows}
        missing = [name for name in known if name not in measured]
        options.page.write_text(page_markdown(rows, pairs, missing, TOLERANCE), encoding="utf-8")
        print(results_table(rows))
    figures = {"rows": rows, "paired": pairs, "skipped": skipped, "failed": failed, "short": short}
    print(json.dumps(figures))
    if short or failed:
        return EXIT_SHORT
    return 0 if rows else EXIT_NOTHING


if __name__ == "__main__":
    sys.exit(main())
