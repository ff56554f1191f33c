"""The page's parts on policies: what is drawn, and what is said where there is nothing to draw."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from bench.policy_value.calibration import calibration_by_truth
from bench.policy_value.policy_values import NO_PROPENSITIES, PolicyValue
from bench.store.policy_columns import read_policy
from datasets.errors import InputError
from reports.page.page import write_page
from reports.page.parts import Part
from reports.page.policies import policy_parts
from reports.palette import model_styles
from reports.plots.calibration import own_propensities
from reports.plots.correction import draw_lambda
from reports.plots.policy_value import draw_weights
from tests.reports.benchmarks import benchmark
from tests.reports.policies import policies_benchmark

LOOKS = model_styles(["good", "sure", "counter", "old"])


def plots(part: Part) -> list[str]:
    return [figure.plot.name for figure in part.figures]


def test_a_world_shows_values_weights_and_the_models_own_head(tmp_path: Path) -> None:
    found = policies_benchmark(tmp_path, "simulated", world=True)
    policy, logger = policy_parts(found, LOOKS)
    assert plots(policy) == [
        "policy-value", "policy-true-value-greedy", "policy-true-value-distinct",
        "policy-true-value-duplicates-dropped", "policy-weights",
    ]  # fmt: skip
    assert plots(logger) == ["policy-head-calibration"]
    assert logger.table is None
    assert len(policy.remarks) == 3, "sure, counter and old have no value"
    assert policy.table is not None
    assert [row[0].text for row in policy.table.rows] == ["good", "sure", "counter", "old"]
    write_page([found], tmp_path)
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert html.count("<figure>") == len(list((tmp_path / "plots").glob("*.svg")))
    assert "Recall@20 against true value@20 (greedy)" in html


def test_an_estimated_logger_shows_how_good_it_is(tmp_path: Path) -> None:
    policy, logger = policy_parts(policies_benchmark(tmp_path, "estimated"), LOOKS)
    assert plots(policy) == ["policy-value", "policy-weights"]
    assert "A diagnostic: the propensities are estimated." in policy.figures[0].plot.caption
    assert plots(logger) == ["policy-behaviour-calibration"], "no truth for the model's own head"
    assert logger.figures[0].plot.rows[0] == ("0.015", "0.0125", "5,000", "0.01", "0.02")
    assert logger.table is not None
    assert [row[1].text for row in logger.table.rows] == [
        "3.2500", "3.5000", "4.0000", "0.01", "0.05",
    ]  # fmt: skip


def test_a_folder_of_an_earlier_version_says_why_and_draws_nothing(tmp_path: Path) -> None:
    (policy,) = policy_parts(policies_benchmark(tmp_path, None), LOOKS)
    assert policy.figures == ()
    assert policy.remarks == (f"No policy value of good, sure, counter, old: {NO_PROPENSITIES}.",)
    assert policy.table is not None
    assert policy.table.columns == (
        "model", "Recall@20 (reward-weighted)", "Recall@20 (popularity-normalised)",
    )  # fmt: skip
    assert policy_parts(benchmark(), LOOKS) == []


def test_weights_are_those_of_the_logged_items(tmp_path: Path) -> None:
    found = policies_benchmark(tmp_path, "logged", own_head=False)
    plot = draw_weights(found, LOOKS)
    assert plot is not None
    by_model = {row[0]: row[1:] for row in plot.rows}
    # Of 160 events three have the weight 1 / (1/20), which is below the cap, and the others 0.
    assert by_model["sure"] == ("0", "20", "20", "0.00 %", "98.12 %")
    assert by_model["good"][-1] == "0.00 %"
    assert own_propensities(found) == {}


def test_a_models_own_head_is_held_against_the_logger(tmp_path: Path) -> None:
    found = policies_benchmark(tmp_path, "logged")
    bins, divergence = own_propensities(found)["good"]
    (summary,) = [each for each in found.summaries if each.label == "good"]
    columns = read_policy(summary.folders[0], len(found.events))
    assert columns is not None and columns.log_own_propensities is not None
    truth = np.full(len(found.events), np.log(1 / 20))
    assert bins == calibration_by_truth(columns.log_own_propensities, truth)
    assert divergence == pytest.approx((truth - columns.log_own_propensities).mean())


def test_lambda_is_drawn_for_models_that_have_it(tmp_path: Path) -> None:
    found = policies_benchmark(tmp_path, "logged")
    assert draw_lambda(found, LOOKS) is None
    (folder,) = found.summaries[0].folders
    (folder / "curve.csv").write_text("epoch,loss,lambda_K\n1,2.0,15.5\n2,1.0,12.25\n")
    plot = draw_lambda(found, LOOKS)
    assert plot is not None
    assert plot.rows == (("good", "1", "1", "15.5000"), ("good", "1", "2", "12.2500"))
    assert plot.description == "In the last epoch good 12.25."
    (folder / "curve.csv").write_text("epoch,loss,lambda_K\n1,2.0,soon\n")
    with pytest.raises(InputError, match=r"curve\.csv cannot be read .*run again"):
        draw_lambda(found, LOOKS)


def test_only_models_with_a_value_are_drawn_beside_it(tmp_path: Path) -> None:
    found = policies_benchmark(tmp_path, "logged")
    (policy, _) = policy_parts(found, LOOKS)
    assert [row[0] for row in policy.figures[0].plot.rows] == ["good"]
    assert "Without a value: sure, counter, old." in policy.figures[0].plot.caption
    silent = {label: PolicyValue({}, "silent") for label in found.policies.values}
    policies = dataclasses.replace(found.policies, values=silent)
    (policy, _) = policy_parts(dataclasses.replace(found, policies=policies), LOOKS)
    assert plots(policy) == ["policy-weights"]
    assert policy.remarks == ("No policy value of good, sure, counter, old: silent.",)
