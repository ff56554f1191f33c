#!/usr/bin/env python3
"""Benchmark session-based recommenders on one log: `python run_bench.py --help`.

stdout holds the markdown table and nothing else. Heavy imports wait until they are needed, so that
`--help` and `--list` answer at once.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path

from bench import VERSION
from datasets.errors import InputError

EXIT_FAILED_TRIAL, EXIT_WRONG_INPUT, EXIT_INTERRUPTED = 1, 2, 130
TRACKING_TIMEOUT = 30.0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    try:
        return _run(_parser().parse_args(arguments))
    except InputError as error:
        print(f"run_bench.py: error: {error}", file=sys.stderr)
        return EXIT_WRONG_INPUT
    except KeyboardInterrupt:
        print("run_bench.py: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


def _run(options: argparse.Namespace) -> int:
    given = dict(vars(options))
    listed = given.pop("list", None)
    if listed is not None:
        print(_listing(listed))
        return 0
    settings, config = given.pop("set", []), given.pop("config", None)
    print(f"run_bench.py {VERSION}: loading", file=sys.stderr, flush=True)

    from bench.plan import make_plan

    plan = make_plan(given, settings, config)

    from bench.fork_server import start_fork_server

    start_fork_server()

    from bench.comparison import compare
    from bench.execution import execute, summaries
    from bench.preparation import prepare
    from bench.progress import TrialProgress
    from bench.tracking import browse_hint, make_tracker
    from reports.benchmark_table import benchmark_csv, benchmark_markdown
    from reports.files import write_whole

    progress = TrialProgress(sys.stderr)
    prepared = prepare(plan, progress.message)
    if plan.tune is not None:
        from bench.tuning import tune

        prepared = tune(prepared, progress)
    with make_tracker(plan.tracking_uri, prepared.experiment, progress.message) as tracker:
        outcome = execute(prepared, tracker, progress)
        untuned = {each.label: each.failure for each in prepared.tunings if each.failure}
        failures = untuned | outcome.failures
        rows = summaries(prepared, outcome)
        values = {row.label: row.event_values for row in rows}
        differences = compare(values, prepared.events.sessions)
        table = benchmark_markdown(prepared, rows, failures, differences)
        with contextlib.suppress(BrokenPipeError):  # the files hold the table all the same
            sys.stdout.write(table)
            sys.stdout.flush()
        write_whole(prepared.output / "table.md", table)
        write_whole(prepared.output / "table.csv", benchmark_csv(prepared, rows))
        whole = [trial.spec.id for trial in outcome.trials if trial.reason is None]
        tracker.log_table(whole, prepared.output / "table.md")
        tracker.close(TRACKING_TIMEOUT)
    print(f"results: {prepared.output}/table.md, table.csv and trials/", file=sys.stderr)
    if plan.tracking_uri != "none":
        print(f"browse the runs: {browse_hint(plan.tracking_uri)}", file=sys.stderr)
    if outcome.interrupted:
        print("interrupted: the same command goes on where this one ended", file=sys.stderr)
        return EXIT_INTERRUPTED
    return EXIT_FAILED_TRIAL if failures else 0


def _listing(name: str) -> str:
    """All models and data sets, or the options of one model."""
    from datasets.registry import list_datasets
    from models.registry import list_models, list_options

    if not name:
        sections = [("models", list_models()), ("data sets", list_datasets())]
        width = max(len(key) for _, entries in sections for key in entries)
        lines = []
        for title, entries in sections:
            lines += [f"{title}:", *(f"  {key:<{width}}  {text}" for key, text in entries.items())]
        return "\n".join(lines)
    options = list_options(name)
    if not options:
        return f"{name} has no options"
    return "\n".join(
        f"{name}.{option.name} = {option.default}  ({option.type})"
        + (f"  tuned in {option.range}" if option.range else "")
        + f"\n    {option.description}"
        for option in options
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="run_bench.py",
        description="Train session-based recommenders on one log and compare them: a markdown "
        "table on stdout, trial folders on disk, runs in MLflow.",
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    run = parser.add_argument_group("what to run")
    run.add_argument(
        "--models",
        metavar="A,B",
        help="built-in names, package.module:Class or path/to/file.py:Class (default tocr,gru4rec)",
    )
    run.add_argument("--seeds", metavar="N|A,B", help="number of seeds, or their names (default 1)")
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


if __name__ == "__main__":
    sys.exit(main())
