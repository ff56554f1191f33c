"""The options of a run, as a terminal takes them; nothing heavy is imported for `--help`."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from pathlib import Path

from bench import VERSION


def run_parser(commands: Collection[str]) -> argparse.ArgumentParser:
    """The parser of a run; `commands` are those that may stand in its place."""
    parser = argparse.ArgumentParser(
        prog="run_bench.py",
        description="Train session-based recommenders on one log and compare them: a markdown "
        "table on stdout, trial folders on disk, runs in MLflow.",
        epilog=f"commands: {', '.join(commands)}; without one: run. run_bench.py COMMAND --help",
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    run = parser.add_argument_group("what to run")
    run.add_argument(
        "--models",
        metavar="A,B",
        help="built-in names, package.module:Class or path/to/file.py:Class (default tocr,gru4rec)",
    )
    run.add_argument(
        "--seeds",
        metavar="N|A,B|auto",
        help="number of seeds, or their names (default 1); auto: until they decide, 20 at most",
    )
    run.add_argument("--device", metavar="auto|cpu|cuda", help="default auto: cuda where there is")
    run.add_argument("--config", metavar="FILE", type=Path, help="plan as TOML")
    run.add_argument(
        "--set",
        metavar="MODEL.OPTION=VALUE",
        action="append",
        help="an option of a model; repeatable",
    )
    run.add_argument(
        "--tune",
        metavar="N|30m",
        help="look for each model's options on validation: N candidates, or that time, a model",
    )
    run.add_argument("--fresh", action="store_true", help="run finished trials again")
    data = parser.add_argument_group("data")
    data.add_argument(
        "--dataset", metavar="NAME|PATH", help="data set or table (default ml-latest-small)"
    )
    data.add_argument("--test", metavar="PATH", help="table of test sessions: the fixed split")
    data.add_argument(
        "--split",
        metavar="SPLIT",
        help="temporal, session-holdout, leave-one-out or fixed (default: the data set's own)",
    )
    data.add_argument("--test-share", metavar="X", help="share of sessions to test on (0.1)")
    data.add_argument(
        "--valid-share", metavar="X", help="share of training to stop by (0.1); 0: all epochs run"
    )
    data.add_argument("--min-session-length", metavar="N", help="of training sessions (1)")
    data.add_argument("--min-item-support", metavar="N", help="of items in training (1)")
    data.add_argument(
        "--reward", metavar="rating|all", help="reward 1 for ratings of 4 or more, or for all"
    )
    evaluation = parser.add_argument_group("evaluation")
    evaluation.add_argument("--k", metavar="5,10,20", help="cut-offs of the metrics (20)")
    evaluation.add_argument(
        "--ties", metavar="RULE", help="conservative (default), standard or median"
    )
    evaluation.add_argument(
        "--unseen-items",
        metavar="drop|miss",
        help="test targets that training never saw: dropped (default) or counted as misses",
    )
    results = parser.add_argument_group("results")
    results.add_argument("--output", metavar="DIR", help="folder of all results (default results)")
    results.add_argument(
        "--no-page",
        dest="page",
        action="store_false",
        help="make the tables alone, without plots and report.html",
    )
    results.add_argument(
        "--keep-top",
        metavar="N",
        help="keep each test event's first N items as Parquet in the trials' folders",
    )
    results.add_argument(
        "--tracking-uri",
        metavar="URI|none",
        help="MLflow's address (default: MLFLOW_TRACKING_URI, else MLflow's own here)",
    )
    about = parser.add_argument_group("about")
    about.add_argument(
        "--list",
        metavar="MODEL",
        nargs="?",
        const="",
        help="list models and data sets, or one model's options",
    )
    about.add_argument("--version", action="version", version=f"run_bench.py {VERSION}")
    return parser
