"""A study: models under one plan and one tuning budget on several data sets, in one report.

There are two plans, for small logs and large ones. Each data set is a run of `run_bench.py` with a
folder of its own, and the same command again resumes it: finished trials and candidates are not run
again. A data set that fails or is absent is reported, and the others still run. `--quick` does the
same with three models, three candidates, one seed and one epoch, to see that all of it
works.

    python experiments/science/study.py --data LOGS --output results-study

`LOGS` holds the logs as folders or tables of the names below.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
CONFIGS = REPOSITORY / "experiments" / "configs"
SMALL = CONFIGS / "study_small.toml"
LARGE = CONFIGS / "study_large.toml"
QUICK = (
    "--models", "markov,gru4rec,tocr", "--seeds", "1", "--tune", "3",
    "--set", "gru4rec.epochs=1", "--set", "tocr.epochs=1",
)  # fmt: skip
EXIT_FAILED_TRIAL = 1


@dataclass(frozen=True)
class StudyLog:
    """A data set of the study: its name, its plan, and the options that name its files."""

    name: str
    plan: Path
    files: tuple[tuple[str, str], ...]
    """Option and path below the folder of logs; no path for what comes with the code."""


LOGS = (
    StudyLog("ml-latest-small", SMALL, ()),
    StudyLog("ml-100k", SMALL, (("--dataset", "ml-100k"),)),
    StudyLog("yoochoose-part", SMALL, (("--dataset", "yoochoose-part/sessions.csv.gz"),)),
    *(
        StudyLog(
            name, LARGE, (("--dataset", f"{name}/train.csv.gz"), ("--test", f"{name}/test.csv.gz"))
        )
        for name in ("retailrocket", "diginetica", "nowplaying")
    ),
)


def command(log: StudyLog, data: Path, output: Path, more: Sequence[str]) -> list[str]:
    """The run of one data set; `output` is the study's folder."""
    files = [part for option, path in log.files for part in (option, str(data / path))]
    run = [sys.executable, str(REPOSITORY / "run_bench.py"), "--config", str(log.plan)]
    return [*run, *files, "--output", str(output / log.name), *more]


def main() -> int:
    """Run the study from the command line; returns 1 where a data set failed."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the logs")
    parser.add_argument("--output", type=Path, required=True, help="folder of all results")
    parser.add_argument(
        "--datasets", default=",".join(log.name for log in LOGS), help="which, in their order"
    )
    parser.add_argument("--quick", action="store_true", help="three models, three candidates")
    parser.add_argument("--tracking-uri", default="none", help="MLflow's address (none)")
    options = parser.parse_args()
    more = [*(QUICK if options.quick else ()), "--tracking-uri", options.tracking_uri]
    wanted = options.datasets.split(",")
    if unknown := set(wanted) - {log.name for log in LOGS}:
        parser.error(f"--datasets {', '.join(sorted(unknown))}: the study has none of that name")
    finished: list[Path] = []
    failed: list[str] = []
    for log in LOGS:
        if log.name not in wanted:
            continue
        print(f"== {log.name}", file=sys.stderr, flush=True)
        status = subprocess.run(
            command(log, options.data, options.output, more), stdout=subprocess.DEVNULL
        ).returncode
        # A run whose trials failed in part has a table all the same.
        if status in (0, EXIT_FAILED_TRIAL):
            finished.append(options.output / log.name)
        if status != 0:
            failed.append(f"{log.name} (status {status})")
    if failed:
        print(f"not whole: {', '.join(failed)}; the same command goes on", file=sys.stderr)
    if finished:
        report = [sys.executable, str(REPOSITORY / "run_bench.py"), "report"]
        report += [*map(str, finished), "--output", str(options.output)]
        subprocess.run(report, check=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
