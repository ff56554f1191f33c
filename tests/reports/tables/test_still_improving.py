"""A row that the number of epochs cut off is marked, from stored trials alone."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from bench.figures.benchmark import Benchmark
from bench.store.trial import read_trial_record, write_trial_record
from reports.page.tables import result_table
from reports.tables.benchmark_table import benchmark_csv, benchmark_latex, benchmark_markdown
from reports.tables.still_improving import still_improving
from tests.reports.written import written_benchmark


@pytest.fixture
def cut_off(tmp_path: Path) -> Benchmark:
    """`rising` ends at its best epoch of three, `over` came back, `free` has no such option."""
    found = written_benchmark(
        tmp_path, {"rising": (0.1, 0.2, 0.3), "over": (0.1, 0.3, 0.2), "free": (0.1, 0.2, 0.3)}
    )
    for summary in found.summaries:
        record = read_trial_record(summary.folders[0])
        epochs = {} if summary.label == "free" else {"epochs": 3}
        write_trial_record(
            summary.folders[0],
            dataclasses.replace(record, parameters=record.parameters | epochs),
        )
    return found


def test_the_row_and_one_line_say_so(cut_off: Benchmark) -> None:
    text = benchmark_markdown(cut_off)
    rows = [line.split()[1] for line in text.splitlines() if line.startswith("| ")]
    assert sorted(rows) == ["free", "model", "over", "rising‡"]
    (line,) = [line for line in text.splitlines() if "still improving" in line]
    assert line.endswith("raise rising.epochs")
    assert [row[0].text for row in result_table(cut_off).rows].count("rising‡") == 1
    assert r"rising$^\ddagger$" in benchmark_latex(cut_off)
    assert "rising," in benchmark_csv(cut_off), "programs find the label as it is"


def test_early_stopping_at_the_best_epoch_of_more_is_no_cut(cut_off: Benchmark) -> None:
    folder = next(s.folders[0] for s in cut_off.summaries if s.label == "rising")
    record = read_trial_record(folder)
    write_trial_record(
        folder, dataclasses.replace(record, parameters=record.parameters | {"epochs": 30})
    )
    assert still_improving(cut_off) == frozenset()


def test_without_validation_nothing_is_said(cut_off: Benchmark) -> None:
    counts = cut_off.record.counts | {"valid_events": 0}
    without = dataclasses.replace(
        cut_off, record=dataclasses.replace(cut_off.record, counts=counts)
    )
    assert "‡" not in benchmark_markdown(without)
