"""The options of a run as argparse and Python keywords; imports nothing heavy, for `--help`."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, TypeVar

from bench import VERSION
from bench.planning.plan import PLAN_OPTIONS, RUN

Call = TypeVar("Call", bound=Callable[..., Any])


def run_parser(commands: Collection[str]) -> argparse.ArgumentParser:
    """The parser of a run; the help also names the other `commands`."""
    parser = argparse.ArgumentParser(
        prog="run_bench.py",
        description="Train session-based recommenders on one log and compare them: a markdown "
        "table on stdout, trial folders on disk, runs in MLflow.",
        epilog=f"commands: {', '.join(commands)}; without one: run. run_bench.py COMMAND --help",
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    headings = dict.fromkeys(option.declared.group for option in PLAN_OPTIONS.values())
    groups = {heading: parser.add_argument_group(heading) for heading in headings}
    for option in PLAN_OPTIONS.values():
        group = groups[option.declared.group]
        if option.kind is bool:
            action = "store_false" if option.default else "store_true"
            group.add_argument(option.flag, dest=option.name, action=action, help=option.help)
        else:
            group.add_argument(option.flag, metavar=option.metavar, help=option.help)
    run = groups[RUN]
    run.add_argument("--config", metavar="FILE", type=Path, help="plan as TOML")
    run.add_argument(
        "--set",
        metavar="MODEL.OPTION=VALUE",
        action="append",
        help="an option of a model; repeatable",
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


def with_plan_keywords(call: Call) -> Call:
    """Put the plan's options into the signature and docstring of `call(**given)`."""
    keyword = inspect.Parameter.KEYWORD_ONLY
    own = list(inspect.signature(call).parameters.values())[:-1]
    of_plan = [
        inspect.Parameter(option.name, keyword, default=option.default)
        for option in PLAN_OPTIONS.values()
    ]
    call.__signature__ = inspect.Signature([*of_plan, *own])  # type: ignore[attr-defined]
    lines = [
        f"    {option.name}: {'False: ' * option.flag.startswith('--no-')}{option.help}"
        for option in PLAN_OPTIONS.values()
    ]
    call.__doc__ = "\n".join([inspect.cleandoc(call.__doc__ or ""), "", "The plan:", *lines])
    return call
