"""All files of a report, made from benchmarks read from their folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.benchmark import Benchmark
from reports.benchmark_table import benchmark_csv, benchmark_latex, benchmark_markdown
from reports.dataset_table import dataset_markdown
from reports.files import write_whole


def write_tables(benchmarks: Sequence[Benchmark], folder: Path) -> str:
    """Write `table.md`, `table.csv` and `table.tex` into `folder`; returns the markdown.

    Several benchmarks are of different data sets: their markdown starts with models x data sets,
    and each has its CSV and LaTeX under its own name. Raises InputError where a file cannot be
    written.
    """
    texts = [benchmark_markdown(benchmark) for benchmark in benchmarks]
    markdown = texts[0]
    if len(benchmarks) > 1:
        headed = [
            f"## {benchmark.record.dataset}\n\n{text}"
            for benchmark, text in zip(benchmarks, texts, strict=True)
        ]
        markdown = "\n".join([dataset_markdown(benchmarks), *headed])
    write_whole(folder / "table.md", markdown)
    for benchmark in benchmarks:
        name = "table" if len(benchmarks) == 1 else f"table-{benchmark.record.dataset}"
        write_whole(folder / f"{name}.csv", benchmark_csv(benchmark))
        write_whole(folder / f"{name}.tex", benchmark_latex(benchmark))
    return markdown


def report_paths(folder: Path) -> list[Path]:
    """The report's files and folders, as far as they are there."""
    names = (
        *("table.md", "table.csv", "table.tex", "report.html", "plots", "benchmark.json"),
        *("tuned.toml", "tuning"),
    )
    return [folder / name for name in names if (folder / name).exists()]
