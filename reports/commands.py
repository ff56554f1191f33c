"""Commands on results that are there: `report`, `verify`, `sync-mlflow` and `recommend`.

Each takes its arguments and returns its exit status; heavy imports wait until they are needed.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import sys
from pathlib import Path

from datasets.errors import InputError


def report(arguments: list[str]) -> int:
    """`report`: make all tables, plots and the page again from output folders."""
    parser = _parser("report", report.__doc__)
    parser.add_argument("folders", metavar="DIR", nargs="+", type=Path, help="of --output")
    parser.add_argument(
        "--output", metavar="DIR", type=Path, help="where to write (default: the one folder)"
    )
    parser.add_argument(
        "--no-page", dest="page", action="store_false", help="tables alone, without report.html"
    )
    options = parser.parse_args(arguments)
    if options.output is None and len(options.folders) > 1:
        raise InputError("report on several folders needs a folder to write to; add --output DIR")

    from bench.figures.benchmark import read_benchmarks
    from reports.page.page import write_page
    from reports.report import report_markdown, write_tables

    output = options.output or options.folders[0]
    benchmarks = read_benchmarks(options.folders)
    output.mkdir(parents=True, exist_ok=True)
    print_table(report_markdown(benchmarks))
    write_tables(benchmarks, output)
    if options.page:
        write_page(benchmarks, output)
    return 0


def verify(arguments: list[str]) -> int:
    """`verify`: compute every figure again from ranks, and name each that differs."""
    parser = _parser("verify", verify.__doc__)
    parser.add_argument("folder", metavar="DIR", type=Path, help="of --output")
    folder = parser.parse_args(arguments).folder

    from reports.verification import compare_with_ranks

    n_figures, wrong = compare_with_ranks(folder)
    for sentence in wrong:
        print(sentence)
    print(f"{folder}: {n_figures:,} figures, {len(wrong)} of them not what the ranks give")
    return 1 if wrong else 0


def sync_mlflow(arguments: list[str]) -> int:
    """`sync-mlflow`: send what a tracking server lacks of an output folder."""
    parser = _parser("sync-mlflow", sync_mlflow.__doc__)
    parser.add_argument("folder", metavar="DIR", type=Path, help="of --output")
    parser.add_argument("--tracking-uri", metavar="URI", help="MLflow's address")
    options = parser.parse_args(arguments)

    from bench.mlflow_mirror.connection import browse_hint
    from bench.mlflow_mirror.mirror import sync_mlflow as fill
    from bench.store.benchmark_record import read_benchmark_record
    from reports.report import report_paths

    record = read_benchmark_record(options.folder)
    n_trials = fill(
        options.folder,
        record,
        options.tracking_uri,
        report_paths(options.folder, record),
        lambda line: print(line, file=sys.stderr),
    )
    print(f"{n_trials} trials stand in MLflow: {browse_hint(options.tracking_uri)}")
    return 0


def recommend(arguments: list[str]) -> int:
    """`recommend`: print the items that a trained model recommends after those of a session."""
    parser = _parser("recommend", recommend.__doc__)
    parser.add_argument(
        "--trial", metavar="DIR", type=Path, required=True, help="a folder in results/trials"
    )
    parser.add_argument(
        "--session",
        metavar="A,B,C",
        required=True,
        help="ids of the items that the session holds so far, oldest first",
    )
    parser.add_argument("--count", metavar="N", default="20", help="length of the list (20)")
    options = parser.parse_args(arguments)

    from bench.planning.model_options import convert
    from bench.serving import recommendation
    from reports.tables.recommendations import recommendations_markdown

    try:
        count = convert(options.count, int)
    except ValueError as error:
        raise InputError(f"--count {error}") from error
    # As in a CSV file, quotes hold an id together that has a comma.
    fields = next(csv.reader([options.session], skipinitialspace=True), [])
    session = [field.strip() for field in fields if field.strip()]
    trained = recommendation.load_trial(options.trial, lambda line: print(line, file=sys.stderr))
    if unknown := trained.unknown(session):
        print(f"left out, as training never saw it: {', '.join(unknown)}", file=sys.stderr)
    print(recommendations_markdown(recommendation.recommend(trained, session, count)), end="")
    return 0


COMMANDS = {
    "report": report,
    "verify": verify,
    "sync-mlflow": sync_mlflow,
    "recommend": recommend,
}


def print_table(table: str) -> None:
    """Print a table to stdout; a reader that closes the pipe early is no error."""
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(table)
        sys.stdout.flush()


def _parser(name: str, purpose: str | None) -> argparse.ArgumentParser:
    description = (purpose or "").partition(": ")[2]
    return argparse.ArgumentParser(
        prog=f"run_bench.py {name}", description=description, allow_abbrev=False
    )
