"""The table of a benchmark, and what stands under it."""

from __future__ import annotations

import dataclasses

import numpy as np

from bench.figures.results import ModelSummary
from bench.stats.comparison import compare
from bench.stats.estimate import Estimate
from reports.tables.benchmark_table import benchmark_latex, benchmark_markdown
from tests.reports.benchmarks import benchmark, trained


def load_lines(*models: ModelSummary) -> list[str]:
    lines = benchmark_markdown(benchmark(models)).splitlines()
    return [line for line in lines if "load of others" in line]


def test_the_worst_seed_of_each_model_under_load_is_named() -> None:
    models = (trained("tocr", 0.1, 0.94, 0.3), trained("gru4rec", 0.2), trained("sqn", 1.5, None))
    assert load_lines(*models) == [
        "- load of others while training: tocr 0.94 of 4 cores, sqn 1.5 of 4 cores: "
        "train times and events/s do not compare"
    ]


def test_a_quiet_machine_is_said_to_be_so() -> None:
    assert load_lines(trained("tocr", 0.2), trained("gru4rec", 0.0)) == [
        "- load of others while training: none above 0.2 cores"
    ]


def test_models_whose_load_is_unknown_are_not_said_to_be_quiet() -> None:
    models = trained("tocr", 0.1), trained("popularity", None)
    assert load_lines(*models) == [
        "- load of others while training: none above 0.2 cores; unknown: popularity"
    ]


def test_where_nothing_is_known_nothing_is_said() -> None:
    assert load_lines(trained("popularity", None)) == []


def with_hits(**hits: float) -> list[ModelSummary]:
    """Models that find the first items of each ten sessions, all three events of each."""
    sessions = np.repeat(np.arange(40), 3)
    models = []
    for label, share in sorted(hits.items(), key=lambda one: -one[1]):
        of_events = (sessions % 10 < 10 * share).astype(np.float64)
        estimate = Estimate(float(of_events.mean()), share - 0.1, share + 0.1, None)
        models.append(
            dataclasses.replace(
                trained(label, None),
                metrics={"Recall@20": estimate},
                event_values={"Recall@20": of_events},
            )
        )
    return models


def test_the_best_model_is_decided_beside_each_other_one() -> None:
    models = with_hits(tocr=0.2, gru4rec=0.7, markov=0.7)
    sessions = benchmark().events.sessions
    differences = compare({model.label: model.event_values for model in models}, sessions)
    table = benchmark_markdown(benchmark(models, differences))
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert [row.split()[1] for row in rows] == ["gru4rec", "markov", "tocr"]
    assert "**0.7000** [" in rows[1]
    assert "0.2000† [" in rows[2], "told from the best"
    alike, over, how, smallest = [line for line in table.splitlines() if line.startswith("- ")][:4]
    assert alike.startswith("- gru4rec and markov are alike: +0.0000 Recall@20")
    assert over.startswith("- gru4rec over tocr: +0.5000 Recall@20 [0.3")
    assert over.endswith(" at 1 times the training time")
    assert "by Holm over 3 (all pairs, metrics and data sets)" in how
    assert smallest.startswith("- smallest difference that these 40 sessions show")


def test_latex_has_the_same_cells() -> None:
    models = with_hits(tocr=0.2, gru4rec=0.7)
    differences = compare(
        {model.label: model.event_values for model in models}, benchmark().events.sessions
    )
    latex = benchmark_latex(benchmark(models, differences, dataset="my_log"))
    lines = [" ".join(line.split()) for line in latex.splitlines()]
    assert r"\caption{my\_log, temporal split, full ranking over 3 items}" in lines
    (best,) = [line for line in lines if line.startswith("gru4rec")]
    (worse,) = [line for line in lines if line.startswith("tocr")]
    assert best.startswith(r"gru4rec & \textbf{0.7000} [0.6000, 0.8000] & - & ")
    assert worse.startswith(r"tocr & 0.2000$^\dagger$ [0.1000, 0.3000] & - & ")
    assert best.endswith(r" \\")
    assert lines.index(r"\toprule") < lines.index(r"\midrule") < lines.index(r"\bottomrule")
    header = lines[lines.index(r"\toprule") + 1]
    assert header.count("&") == best.count("&") == worse.count("&")
