"""What the footer of a benchmark's table says of other processes."""

from __future__ import annotations

from pathlib import Path

import pytest

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
    return ModelSummary(label, tuple(range(1, 1 + len(loads))), {}, costs, 0.0)


def load_lines(prepared: Prepared, *models: ModelSummary) -> list[str]:
    table = benchmark_markdown(prepared, models, {})
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
