#!/usr/bin/env python3
"""Benchmark session-based recommenders on one log: `python run_bench.py --help`.

From Python: `from run_bench import run`. The command's stdout holds the markdown table and nothing
else. Heavy imports wait until they are needed, so that `--help` and `--list` answer at once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import VERSION
from bench.planning.parser import run_parser, with_plan_keywords
from bench.planning.plan import PLAN_OPTIONS, make_plan
from datasets.errors import InputError, nearest_hint
from reports.commands import COMMANDS, print_table

if TYPE_CHECKING:
    from reports.benchmark_run import BenchmarkResult

EXIT_FAILED_TRIAL, EXIT_WRONG_INPUT, EXIT_INTERRUPTED = 1, 2, 130


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        if not given or given[0].startswith("-"):
            return _run(given)
        return _command(given[0])(given[1:])
    except InputError as error:
        print(f"run_bench.py: error: {error}", file=sys.stderr)
        return EXIT_WRONG_INPUT
    except KeyboardInterrupt:
        print("run_bench.py: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


@with_plan_keywords
def run(
    *,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    config: str | Path | None = None,
    **given: Any,
) -> BenchmarkResult:
    """Train and compare models on one log, as the command does: `run(models=["tocr"], seeds=3)`.

    The keywords are the options of the command line; None means not given. `dataset` and `test`
    may also be pandas frames with the columns of a table of events. `options` sets options of
    models as `--set` does: {"gru4rec": {"epochs": 2}}. `config` is a TOML plan, which keywords
    override.

    A failed trial does not raise but is listed in the result's `failures`. After Ctrl-C during a
    trial the result holds the finished ones. Raises datasets.errors.InputError with the message
    of the command line.
    """
    from bench.processes.fork_server import start_fork_server

    start_fork_server()

    from reports.benchmark_run import run_given

    asked = {
        name: value
        for name, value in given.items()
        if value is not None or name not in PLAN_OPTIONS
    }
    return run_given(asked, options or {}, None if config is None else Path(config))


def _run(arguments: list[str]) -> int:
    given = dict(vars(run_parser(_COMMANDS).parse_args(arguments)))
    listed = given.pop("list", None)
    if listed is not None:
        print(_listing(listed))
        return 0
    settings, config = given.pop("set", []), given.pop("config", None)
    print(f"run_bench.py {VERSION}: loading", file=sys.stderr, flush=True)
    plan = make_plan(given, settings, config)

    from bench.processes.fork_server import start_fork_server

    start_fork_server()

    from bench.mlflow_mirror.connection import browse_hint
    from bench.running.progress import TrialProgress
    from reports.benchmark_run import run_plan

    result = run_plan(plan, TrialProgress(sys.stderr), show=print_table)
    page = "report.html, " if result.has_page else ""
    print(f"results: {result.output}/{page}table.md, table.csv and trials/", file=sys.stderr)
    if plan.tracking_uri != "none":
        print(f"browse the runs: {browse_hint(plan.tracking_uri)}", file=sys.stderr)
    if result.interrupted:
        print("interrupted: the same command goes on where this one ended", file=sys.stderr)
        return EXIT_INTERRUPTED
    return EXIT_FAILED_TRIAL if result.failures else 0


_COMMANDS = {"run": _run, **COMMANDS}
"""What the first word may be; without one of these the command is `run`."""


def _command(name: str) -> Callable[[list[str]], int]:
    if name not in _COMMANDS:
        hint = nearest_hint(name, _COMMANDS, "choose one of")
        raise InputError(f"'{name}' is no command; {hint}, or start with an option")
    return _COMMANDS[name]


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


if __name__ == "__main__":
    sys.exit(main())
