"""What stands under a benchmark's table: decisions, and what it says of other processes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from bench.comparison import compare
from bench.cost import Cost
from bench.plan import make_plan
from bench.preparation import Prepared, prepare
from bench.results import ModelSummary
from reports.benchmark_table import benchmark_markdown


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepared:
    monkeypatch.setenv("BENCH_CACHE_DIR", str(tmp_path / "cache"))
    rows = [f"{session},{item},{session}" for session in range(30) for item in "ABC"]
    log = tmp_path / "log.csv"
    log.write_text("session_id,item_id,time\n" + "\n".join(rows) + "\n")
    options = {"models": "popularity", "dataset": str(log), "output": str(tmp_path / "results")}
    return prepare(make_plan(options, [], None), lambda line: None)


def trained(label: str, *loads: float | None) -> ModelSummary:
    """A model with one seed a load, on four cores."""
    costs = tuple(
        Cost(
            train_seconds=10.0,
            seconds_to_best_epoch=10.0,
            epochs=1,
            best_epoch=1,
            train_events=1000,
            events_per_second=100.0,
            ranking_seconds=1.0,
            milliseconds_per_scored_event=1.0,
            peak_memory_bytes=10**8,
            device="cpu",
            threads=2,
            others_load=load,
            cores=None if load is None else 4,
        )
        for load in loads
    )
    return ModelSummary(label, tuple(range(1, 1 + len(loads))), {}, costs, 0.0, {})


def load_lines(prepared: Prepared, *models: ModelSummary) -> list[str]:
    table = benchmark_markdown(prepared, models, {}, [])
    return [line for line in table.splitlines() if "load of others" in line]


def test_the_worst_seed_of_each_model_under_load_is_named(prepared: Prepared) -> None:
    models = (trained("tocr", 0.1, 0.94, 0.3), trained("gru4rec", 0.2), trained("sqn", 1.5, None))
    assert load_lines(prepared, *models) == [
        "- load of others while training: tocr 0.94 of 4 cores, sqn 1.5 of 4 cores: "
        "train times and events/s do not compare"
    ]


def test_a_quiet_machine_is_said_to_be_so(prepared: Prepared) -> None:
    assert load_lines(prepared, trained("tocr", 0.2), trained("gru4rec", 0.0)) == [
        "- load of others while training: none above 0.2 cores"
    ]


def test_models_whose_load_is_unknown_are_not_said_to_be_quiet(prepared: Prepared) -> None:
    models = trained("tocr", 0.1), trained("popularity", None)
    assert load_lines(prepared, *models) == [
        "- load of others while training: none above 0.2 cores; unknown: popularity"
    ]


def test_where_nothing_is_known_nothing_is_said(prepared: Prepared) -> None:
    assert load_lines(prepared, trained("popularity", None)) == []


def test_the_best_model_is_decided_beside_each_other_one(prepared: Prepared) -> None:
    sessions = np.repeat(np.arange(40), 3)
    hits = {"tocr": sessions % 4 == 0, "gru4rec": sessions % 4 < 3, "markov": sessions % 4 < 1}
    models = [
        dataclasses.replace(
            trained(label, None), event_values={"Recall@20": of_events.astype(np.float64)}
        )
        for label, of_events in hits.items()
    ]
    differences = compare({model.label: model.event_values for model in models}, sessions)
    lines = benchmark_markdown(prepared, models, {}, differences).splitlines()
    first, second, how = [line for line in lines if line.startswith("- ")][:3]
    assert first.startswith("- gru4rec over tocr: +0.5000 Recall@20 [0.3")
    assert first.endswith(" at 1 times the training time")
    assert second.startswith("- gru4rec over markov: +0.5000 Recall@20")
    assert how.endswith("by Holm over 3 (all pairs and metrics)")
