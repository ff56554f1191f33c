"""The page's section on one benchmark, part by part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.figures.benchmark import Benchmark
from bench.figures.slices import reversals
from bench.store.trial import TrialRecord, read_trial_record
from reports.page.parts import Part, part
from reports.page.policies import policy_parts
from reports.page.tables import (
    PageTable,
    cost_table,
    exposure_table,
    facts_table,
    figure_text,
    other_result_table,
    result_table,
    tuning_table,
)
from reports.palette import Style
from reports.plots.curves import draw_curves
from reports.plots.drawing import Plot
from reports.plots.exposure import draw_exposure
from reports.plots.forest import draw_forests
from reports.plots.pareto import draw_pareto
from reports.plots.slices import draw_slices
from reports.plots.tuning import draw_tuning
from reports.reproduction import command, model_options, option_text
from reports.tables.policy_value_table import reversals as value_reversals
from reports.tables.table_footer import decisions, differences_to_best, method_lines


@dataclass(frozen=True)
class Decision:
    """The best model compared with another one, or a model that is worth more than it."""

    sentence: str
    decided: bool


@dataclass(frozen=True)
class ModelRow:
    """How one model's row was made, and the command that makes it again."""

    label: str
    command: str
    trials: tuple[str, ...]
    """Folders of its trials, in the benchmark's own."""
    options: PageTable | None


@dataclass(frozen=True)
class BenchmarkSection:
    """All content of the page's section on one benchmark."""

    dataset: str
    summary: str
    best: str | None
    """The best model and its headline in a sentence."""
    decisions: tuple[Decision, ...]
    results: PageTable | None
    other_results: PageTable | None
    """Metrics that the table leaves out."""
    failures: Mapping[str, str]
    parts: tuple[Part, ...]
    costs: PageTable
    log: tuple[PageTable, ...]
    method: tuple[str, ...]
    options: tuple[PageTable, ...]
    models: tuple[ModelRow, ...]

    @property
    def plots(self) -> list[Plot]:
        """All plots, in their order."""
        return [figure.plot for part in self.parts for figure in part.figures]


def models_of(benchmark: Benchmark) -> list[str]:
    """Labels of all its models; one whose tuning failed has no row but is drawn."""
    return [
        *(summary.label for summary in benchmark.summaries),
        *(tuning.label for tuning in benchmark.tunings),
    ]


def benchmark_section(benchmark: Benchmark, styles: Mapping[str, Style]) -> BenchmarkSection:
    """The section, with all its plots drawn; `styles` has each of `models_of(benchmark)`.

    Raises InputError where a trial's file cannot be read.
    """
    record, summaries = benchmark.record, benchmark.summaries
    trials = {
        summary.label: [read_trial_record(folder) for folder in summary.folders]
        for summary in summaries
    }
    return BenchmarkSection(
        dataset=record.dataset,
        summary=_summary(benchmark),
        best=_best(benchmark),
        decisions=(
            *(
                Decision(sentence, difference.decided)
                for sentence, difference in zip(
                    decisions(benchmark, str), differences_to_best(benchmark), strict=True
                )
            ),
            *(
                Decision(reversal.sentence, reversal.decided)
                for reversal in value_reversals(benchmark, str)
            ),
        ),
        results=result_table(benchmark) if summaries else None,
        other_results=other_result_table(benchmark),
        failures=record.failures,
        parts=(*(_parts(benchmark, styles) if summaries else ()), *_tuning(benchmark, styles)),
        costs=cost_table(summaries),
        log=(
            facts_table("What models train on", "statistic", _figures(record.log)),
            facts_table("Sessions and events", "count", _figures(record.counts)),
        ),
        method=tuple(method_lines(benchmark, str)),
        options=tuple(_options(benchmark, trials)),
        models=tuple(
            ModelRow(
                label=summary.label,
                command=command(trials[summary.label][0], summary.seeds, record),
                trials=tuple(f"{folder.parent.name}/{folder.name}" for folder in summary.folders),
                options=_model_options(trials[summary.label][0]),
            )
            for summary in summaries
        ),
    )


def _summary(benchmark: Benchmark) -> str:
    record = benchmark.record
    models, seeds = len(benchmark.summaries), len(record.seeds)
    return (
        f"{_many(models, 'model')}, {_many(seeds, 'seed')}, {record.split['name']} split: every "
        f"model ranks all {len(benchmark.catalogue):,} items before each of "
        f"{_many(len(benchmark.events), 'test event')}."
    )


def _best(benchmark: Benchmark) -> str | None:
    if not benchmark.summaries:
        return None
    best = benchmark.summaries[0]
    figure = best.metrics[benchmark.headline]
    return (
        f"{best.label} has the highest {benchmark.headline}: {figure.value:.4f} "
        f"[{figure.low:.4f}, {figure.high:.4f}]"
    )


def _parts(benchmark: Benchmark, styles: Mapping[str, Style]) -> list[Part]:
    pareto = draw_pareto(benchmark, styles)
    by_slice, found = draw_slices(benchmark, styles)
    return [
        part(
            "time",
            "Quality against training time",
            "What a better figure costs.",
            [pareto] if pareto else [],
        ),
        part(
            "differences",
            "Paired differences",
            "The best model by the headline beside each other one, on the same test events.",
            draw_forests(benchmark, styles),
            missing="A difference needs two models.",
        ),
        part(
            "curves",
            "Learning curves",
            "Validation after each epoch; no model sees the test while it learns.",
            draw_curves(benchmark, styles),
            missing="No model trained for more than one epoch with a validation part beside it.",
        ),
        part(
            "slices",
            "Slices",
            f"{benchmark.headline} by kind of test event. With dozens of slices some intervals "
            "miss by chance: read them as a hint where to look.",
            by_slice,
            missing="No column of the log tells kinds of test events apart.",
            remarks=reversals(found),
        ),
        part(
            "exposure",
            "Coverage and popularity",
            "What users would be shown, whether they took it or not.",
            draw_exposure(benchmark, styles),
            missing="No trial was run with the headline's cut-off, so none counted exposure there.",
            table=exposure_table(benchmark.summaries),
        ),
        *policy_parts(benchmark, styles),
    ]


def _tuning(benchmark: Benchmark, styles: Mapping[str, Style]) -> list[Part]:
    if not benchmark.tunings:
        return []
    return [
        part(
            "tuning",
            "Tuning",
            "Each model's options were chosen on validation, with the same budget for all.",
            draw_tuning(benchmark.tunings, styles),
            missing="No model had more than one set of options to choose from.",
            table=tuning_table(benchmark.tunings),
        )
    ]


def _options(benchmark: Benchmark, trials: Mapping[str, Sequence[TrialRecord]]) -> list[PageTable]:
    """Options of the command and of the split, and with what and on what it ran."""
    record = benchmark.record
    given = {name: value for name, value in record.options.items() if name != "model_options"}
    tags: dict[str, dict[str, None]] = {}
    for trial in (trial for of_model in trials.values() for trial in of_model):
        for name, value in trial.tags.items():
            if name.startswith("machine_") or name == "git_commit":
                tags.setdefault(name.removeprefix("machine_"), {})[value] = None
    ran_on = {name: "; ".join(values) for name, values in tags.items()}
    return [
        facts_table("Options of the command", "option", _texts(given)),
        facts_table("Split", "option", {**_texts(record.split), "fingerprint": record.fingerprint}),
        facts_table("Versions", "package", record.versions),
        facts_table("Code and machine", "fact", ran_on),
    ]


def _model_options(trial: TrialRecord) -> PageTable | None:
    options = model_options(trial)
    if not options:
        return None
    return facts_table(f"Options of {trial.model}", "option", _texts(options))


def _figures(values: Mapping[str, float]) -> dict[str, str]:
    return {name.replace("_", " "): figure_text(value) for name, value in values.items()}


def _texts(options: Mapping[str, Any]) -> dict[str, str]:
    return {name: option_text(value) for name, value in options.items()}


def _many(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
