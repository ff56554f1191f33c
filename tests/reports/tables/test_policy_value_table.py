"""Columns, lines and CSV of models as policies, by what the log knows of its logger."""

from __future__ import annotations

import csv
import dataclasses
import io
from pathlib import Path

import pytest

from bench.figures.benchmark import Benchmark
from bench.policy_value.logging_policy import Source
from bench.policy_value.off_policy_evaluation import ESTIMATORS, PER_SESSION, SWEPT_CAPS
from bench.policy_value.policy_values import NO_POLICY, NO_PROPENSITIES, NOT_STORED
from bench.policy_value.true_values import true_value_name
from bench.stats.estimate import Estimate
from reports.tables.benchmark_table import benchmark_csv, benchmark_latex, benchmark_markdown
from reports.tables.policy_value_table import SAMPLE, VALUE, policy_values_csv, reversals
from tests.reports.benchmarks import benchmark
from tests.reports.policies import policies_benchmark


def rows(text: str) -> dict[str, list[dict[str, str]]]:
    """Rows of a CSV table by model."""
    found: dict[str, list[dict[str, str]]] = {}
    for row in csv.DictReader(io.StringIO(text)):
        found.setdefault(row["model"], []).append(row)
    return found


def footer(found: Benchmark) -> str:
    return "\n".join(
        line for line in benchmark_markdown(found).splitlines() if line.startswith("- ")
    )


@pytest.mark.parametrize("source", ["logged", "simulated"])
def test_known_propensities_give_columns_in_every_form(tmp_path: Path, source: Source) -> None:
    found = policies_benchmark(tmp_path, source)
    good = found.policies.values["good"]
    snips = good.estimates["snips"]
    assert good.overlap is not None
    header, _, *lines = benchmark_markdown(found).splitlines()
    names = [cell.strip() for cell in header.strip("|").split("|")]
    cells = {
        row[0]: dict(zip(names, row, strict=True))
        for line in lines[:4]
        if (row := [cell.strip() for cell in line.strip("|").split("|")])
    }
    shown = f"**{snips.value:.4f}** [{snips.low:.4f}, {snips.high:.4f}]"
    assert cells["good"][VALUE] == shown
    assert cells["good"][SAMPLE] == f"{good.overlap.effective_sample_size:.0f}"
    for label in ("sure", "counter", "old"):
        assert (cells[label][VALUE], cells[label][SAMPLE]) == ("-", "-")
    (row,) = rows(benchmark_csv(found))["good"]
    assert float(row[VALUE]) == snips.value
    assert float(row[f"{VALUE} low"]) == snips.low
    assert f"{snips.value:.4f}" in benchmark_latex(found)
    text = footer(found)
    refusal = found.policies.values["sure"].refusal
    assert refusal is not None and f"- no policy value of sure: {refusal}" in text
    assert f"- no policy value of counter: {NO_POLICY}" in text
    assert f"- no policy value of old: {NOT_STORED}" in text
    assert "diagnostic" not in text


def test_estimated_propensities_give_a_diagnostic_line_and_no_column(tmp_path: Path) -> None:
    found = policies_benchmark(tmp_path, "estimated")
    assert VALUE not in benchmark_markdown(found).splitlines()[0]
    assert VALUE not in benchmark_csv(found)
    snips = found.policies.values["good"].estimates["snips"]
    text = footer(found)
    assert (
        "- policy value by SNIPS, a diagnostic and no measurement, as its propensities are "
        "estimated by counts (log-loss 3.25 nats an event; unigram 3.50, uniform 4.00): "
        f"good {snips.value:.4f} [{snips.low:.4f}, {snips.high:.4f}] (effective sample 1"
    ) in text
    assert "- no policy value of sure by estimated propensities: the weights are worth" in text
    assert f"- no policy value of counter: {NO_POLICY}" in text


def test_a_reason_of_all_models_is_said_once(tmp_path: Path) -> None:
    found = policies_benchmark(tmp_path, None)
    assert footer(found).count("policy value") == 1
    labels = ", ".join(summary.label for summary in found.summaries)
    assert f"- no policy value of {labels}: {NO_PROPENSITIES}" in footer(found)
    assert VALUE not in benchmark_csv(found)


def test_true_values_stand_in_the_table_of_a_world(tmp_path: Path) -> None:
    found = policies_benchmark(tmp_path, "simulated", world=True)
    by_model = rows(benchmark_csv(found))
    names = [name for name in by_model["old"][0] if name.startswith("true value") and "(" in name]
    assert [name for name in names if name.endswith(")")] == [
        "true value@1 (greedy)", "true value@1 (distinct)",
        "true value@20 (greedy)", "true value@20 (distinct)",
        "true value@20 (duplicates dropped)",
    ]  # fmt: skip
    assert by_model["good"][0]["true value@20 (distinct)"] == "1.0"
    assert by_model["old"][0]["true value@20 (distinct)"] == ""
    assert "**2.000** [1.500, 2.500]" in benchmark_markdown(found)
    assert "- true value@K: what a session pays" in footer(found)


def test_a_model_that_is_worth_more_than_the_first_is_named(tmp_path: Path) -> None:
    # `good` is first by Recall; the others are worth as much in the world, and the log is silent.
    found = policies_benchmark(tmp_path, "simulated", world=True)
    assert "first by Recall@20" not in footer(found)
    turned = dataclasses.replace(found, summaries=found.summaries[::-1])
    snips = found.policies.values["good"].estimates["snips"]
    sentence = (
        f"- old is first by Recall@20, good by value (SNIPS): {snips.value:.4f} "
        f"[{snips.low:.4f}, {snips.high:.4f}] against none"
    )
    assert sentence in footer(turned)
    assert footer(turned).count("first by Recall@20") == 1

    def worth(label: str, low: float) -> Benchmark:
        name = true_value_name(20, "greedy")
        true = {**turned.policies.true_values, label: {name: Estimate(low + 1, low, low + 2, None)}}
        return dataclasses.replace(
            turned, policies=dataclasses.replace(turned.policies, true_values=true)
        )

    (apart, silent) = reversals(worth("sure", 3.0), str)
    assert apart.sentence == (
        "old is first by Recall@20, sure by true value@20 (greedy): 4.0000 [3.0000, 5.0000] "
        "against 2.0000 [1.5000, 2.5000]"
    )
    assert (apart.decided, silent.decided) == (True, False)
    overlapping, _ = reversals(worth("sure", 2.25), str)
    assert overlapping.sentence.endswith("; the intervals overlap")
    assert not overlapping.decided
    estimated = policies_benchmark(tmp_path / "estimated", "estimated")
    backwards = dataclasses.replace(estimated, summaries=estimated.summaries[::-1])
    assert reversals(backwards, str) == []


def test_all_estimators_stand_in_a_file_of_their_own(tmp_path: Path) -> None:
    found = policies_benchmark(tmp_path, "estimated", world=True)
    by_model = rows(policy_values_csv(found))
    for label, value in found.policies.values.items():
        of_estimators = [row for row in by_model[label] if row["propensities"]]
        swept = [f"clipped_ips, c = {cap:.3g}" for cap in SWEPT_CAPS] if value.estimates else []
        assert [row["estimator"] for row in of_estimators] == [*ESTIMATORS, *swept]
        assert {row["propensities"] for row in of_estimators} == {"estimated"}
        for row in of_estimators[: len(ESTIMATORS)]:
            estimate = value.estimates.get(row["estimator"])
            assert (row["value"] == "") == (estimate is None) == (row["reason"] != "")
            by_session = row["estimator"] in PER_SESSION
            overlap = value.session_overlap if by_session else value.overlap
            if estimate is not None and overlap is not None:
                assert float(row["high"]) == estimate.high
                assert float(row["largest_weight"]) == overlap.largest_weight
                assert row["per"] == ("session" if by_session else "round")
    true = [row for row in by_model["good"] if not row["propensities"]]
    assert [(row["estimator"], row["value"]) for row in true][1] == (
        "true value@1 (distinct)", "1.0",
    )  # fmt: skip
    assert all(row["per"] == "session" for row in true)


def test_clipped_ips_has_a_row_a_cap_where_there_is_a_value(tmp_path: Path) -> None:
    found = policies_benchmark(tmp_path, "logged")
    by_model = rows(policy_values_csv(found))
    plain = {row["estimator"]: row for row in by_model["good"]}
    swept = [row for name, row in plain.items() if name.startswith("clipped_ips, c = ")]
    assert [row["estimator"].split()[-1] for row in swept] == [
        "1", "2.72", "7.39", "20.1", "54.6", "148", "inf",
    ]  # fmt: skip
    values, shares = ([float(row[name]) for row in swept] for name in ("value", "clipped_share"))
    assert values == sorted(values) and shares == sorted(shares, reverse=True)
    assert values[0] < values[-1] == float(plain["ips"]["value"])
    assert shares[0] > 0 == shares[-1]
    assert {(row["low"], row["high"], row["reason"]) for row in swept} == {("", "", "")}
    assert swept[0]["largest_weight"] == plain["ips"]["largest_weight"]
    assert not any(", c = " in row["estimator"] for row in by_model["sure"])


def test_without_models_nothing_is_said() -> None:
    assert "policy value" not in benchmark_markdown(benchmark())
    assert len(policy_values_csv(benchmark()).splitlines()) == 1
