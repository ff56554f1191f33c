"""Models x data sets."""

from __future__ import annotations

import dataclasses

from bench.figures.results import ModelSummary
from bench.stats.estimate import Estimate
from reports.tables.dataset_table import dataset_markdown, mean_ranks
from tests.reports.benchmarks import benchmark, trained


def test_mean_ranks_are_over_models_that_every_data_set_has() -> None:
    ranks = mean_ranks(
        {
            "one": {"a": 0.3, "b": 0.2, "only here": 0.9, "c": 0.1},
            "two": {"a": 0.1, "b": 0.2, "c": 0.2},
        }
    )
    # On the second b and c share the places 1 and 2.
    assert ranks == {"a": 2.0, "b": 1.75, "c": 2.25}
    assert mean_ranks({"one": {"a": 1.0}, "two": {}}) == mean_ranks({}) == {}


def model(label: str, recall: float) -> ModelSummary:
    estimate = Estimate(recall, recall - 0.01, recall + 0.01, None)
    return dataclasses.replace(trained(label, None), metrics={"Recall@20": estimate})


def test_a_missing_cell_has_no_part_in_a_mean_rank() -> None:
    one = benchmark([model("gru4rec", 0.3), model("tocr", 0.2)], dataset="one")
    two = benchmark([model("tocr", 0.2)], dataset="two")
    lines = dataset_markdown([one, two]).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[:4]]
    assert cells[0] == ["model", "one: Recall@20", "two: Recall@20", "mean rank"]
    assert cells[2] == [
        "tocr",
        "0.2000 [0.1900, 0.2100]",
        "**0.2000** [0.1900, 0.2100]",
        "**1.00**",
    ]
    assert cells[3] == ["gru4rec", "**0.3000** [0.2900, 0.3100]", "-", "-"]
    assert "among the 1 models" in lines[-1]
