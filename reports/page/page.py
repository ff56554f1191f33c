"""One HTML page a benchmark, complete in one file, and its plots as files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bench.figures.benchmark import Benchmark
from bench.store.files import write_whole
from datasets.errors import InputError
from reports.page.sections import BenchmarkSection, benchmark_section, models_of
from reports.page.tables import PageTable, cells_table
from reports.palette import THEME, Style, model_styles
from reports.plots.inline_svg import inline_svg
from reports.tables.dataset_table import dataset_rows_and_columns, mean_rank_remark

PAGE, PLOTS = "report.html", "plots"
_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class _Named:
    """A benchmark's section and the prefix of its ids and files."""

    prefix: str
    section: BenchmarkSection


def write_page(benchmarks: Sequence[Benchmark], folder: Path) -> None:
    """Write `report.html` and `plots/*.svg` and `*.png` into `folder`.

    Several benchmarks are of different data sets: the page starts with models x data sets, and each
    has its section. All is drawn before anything is written, and each file is whole or is not
    there. Pictures of an earlier report that this one has not are removed. Raises InputError where
    a file cannot be read or written.
    """
    styles = model_styles(label for benchmark in benchmarks for label in models_of(benchmark))
    named = [
        _Named(prefix, benchmark_section(benchmark, styles))
        for prefix, benchmark in zip(_prefixes(benchmarks), benchmarks, strict=True)
    ]
    datasets, remark = None, ""
    if len(benchmarks) > 1:
        remark = mean_rank_remark(benchmarks)
        caption = "The headline of every model on every data set"
        datasets = cells_table(caption, *dataset_rows_and_columns(benchmarks))
    html = _html(named, styles, datasets, remark)
    pictures: dict[str, str | bytes] = {}
    for each in named:
        for plot in each.section.plots:
            stem = plot.name if len(named) == 1 else f"{each.prefix}-{plot.name}"
            pictures |= {f"{stem}.svg": plot.svg, f"{stem}.png": plot.png}
    _write_pictures(folder / PLOTS, pictures)
    write_whole(folder / PAGE, html)


def _write_pictures(folder: Path, pictures: Mapping[str, str | bytes]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder} cannot be made ({error.strerror}); choose another --output folder"
        ) from error
    for name, content in pictures.items():
        write_whole(folder / name, content)
    for file in (*folder.glob("*.svg"), *folder.glob("*.png")):
        if file.name not in pictures:
            file.unlink(missing_ok=True)


def _prefixes(benchmarks: Sequence[Benchmark]) -> list[str]:
    """A distinct word for each data set, safe in ids and file names."""
    found: list[str] = []
    for benchmark in benchmarks:
        word = re.sub(r"[^a-z0-9]+", "-", benchmark.record.dataset.lower()).strip("-") or "data"
        taken = sum(other == word or other.startswith(f"{word}--") for other in found)
        found.append(f"{word}--{taken + 1}" if taken else word)
    return found


def _html(
    named: Sequence[_Named],
    styles: Mapping[str, Style],
    datasets: PageTable | None,
    mean_rank: str,
) -> str:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["inline"] = lambda plot, prefix: Markup(
        inline_svg(plot.svg, f"{prefix}-{plot.name}", f"{plot.title}. {plot.description}")
    )
    return environment.get_template("report.html").render(
        named=named,
        styles=styles,
        datasets=datasets,
        mean_rank=mean_rank,
        theme=THEME,
        css=Markup((_TEMPLATES / "report.css").read_text(encoding="utf-8")),
        script=Markup((_TEMPLATES / "report.js").read_text(encoding="utf-8")),
    )
