"""All files of a report, made from benchmarks read from their folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.figures.benchmark import Benchmark
from bench.store.benchmark_record import BenchmarkRecord
from bench.store.files import write_whole
from reports.tables.benchmark_table import benchmark_csv, benchmark_latex, benchmark_markdown
from reports.tables.dataset_table import dataset_markdown
from reports.tables.policy_value_table import POLICY_VALUES, policy_values_csv


def report_markdown(benchmarks: Sequence[Benchmark]) -> str:
    """What stdout and `table.md` hold; of several data sets, models x data sets come first."""
    texts = [benchmark_markdown(benchmark) for benchmark in benchmarks]
    if len(benchmarks) == 1:
        return texts[0]
    headed = [
        f"## {benchmark.record.dataset}\n\n{text}"
        for benchmark, text in zip(benchmarks, texts, strict=True)
    ]
    return "\n".join([dataset_markdown(benchmarks), *headed])


def write_tables(benchmarks: Sequence[Benchmark], folder: Path) -> None:
    """Write `table.md`, `table.csv`, `table.tex` and `policy_values.csv` into `folder`.

    Of several benchmarks each has its CSVs and LaTeX under the name of its data set. Raises
    InputError where a file cannot be written.
    """
    write_whole(folder / "table.md", report_markdown(benchmarks))
    for benchmark in benchmarks:
        end = "" if len(benchmarks) == 1 else f"-{benchmark.record.dataset}"
        write_whole(folder / f"table{end}.csv", benchmark_csv(benchmark))
        write_whole(folder / f"table{end}.tex", benchmark_latex(benchmark))
        write_whole(folder / f"policy_values{end}.csv", policy_values_csv(benchmark))


def report_paths(folder: Path, record: BenchmarkRecord, *, page: bool = True) -> list[Path]:
    """The report's files and folders that exist; without `page` not its page.

    Files that an earlier benchmark left in `folder` are no part of it.
    """
    names = ["benchmark.json", "table.md", "table.csv", "table.tex", POLICY_VALUES]
    names += ["report.html", "plots"] if page else []
    names += ["tuned.toml", "tuning"] if record.tuned else []
    return [folder / name for name in names if (folder / name).exists()]
