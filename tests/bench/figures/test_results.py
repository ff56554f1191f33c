"""Summaries from trial folders: averages, seeds, exposure, tie rules, and what is compared."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from bench.figures.results import ModelSummary, summarise, trial_metrics
from bench.store.catalogue import Catalogue
from bench.store.cost import Cost
from bench.store.events import TestEvents
from bench.store.ranks import MISSED_RANK, Ranks
from bench.store.trial import COST, TrialRecord, write_ranks, write_trial_record
from datasets.errors import InputError

COST_OF_A_TRIAL = Cost(
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
)
CATALOGUE = Catalogue(np.array(list("abcd")), np.array([8, 4, 4, 0]))


def events_of(rewards: list[float]) -> TestEvents:
    """Two events a session, of item 0."""
    n_events = len(rewards)
    never = np.zeros(n_events, dtype=np.bool_)
    return TestEvents(
        sessions=np.arange(n_events) // 2,
        positions=1 + np.arange(n_events) % 2,
        targets=np.zeros(n_events, dtype=np.int32),
        rewards=np.array(rewards, dtype=np.float32),
        repeats=never,
        immediate_repeats=never,
    )


def trial(
    parent: Path,
    seed: int,
    ranks: list[int],
    *,
    ties: list[int] | None = None,
    exposure: dict[int, list[int]] | None = None,
) -> Path:
    folder = parent / f"seed{seed}"
    folder.mkdir()
    columns = ranks, ties or [0] * len(ranks)
    counts = {k: np.array(times) for k, times in (exposure or {}).items()}
    write_ranks(folder, Ranks(*(np.array(column, dtype=np.uint32) for column in columns), counts))
    (folder / COST).write_text(COST_OF_A_TRIAL.to_json())
    record = TrialRecord(
        folder.name, "tocr", seed, "finished", None, 0.0, 1.0, "log", {}, {}, {}, sorted(counts)
    )
    write_trial_record(folder, record)
    return folder


def values(summary: ModelSummary) -> dict[str, float]:
    return {name: estimate.value for name, estimate in summary.metrics.items()}


def test_recall_by_reward_is_the_share_of_positive_reward_that_was_hit(tmp_path: Path) -> None:
    events = events_of([0.5, 2.0, 0.0, 1.5, -4.0, 1.0])
    summary = summarise(
        [trial(tmp_path, 1, [1, 9, 1, 2, 1, 3])], events, [2], "conservative", CATALOGUE
    )
    figures = values(summary)
    assert figures["Recall@2 (reward-weighted)"] == pytest.approx((0.5 + 1.5) / 5)
    assert figures["Recall@2 (positive)"] == pytest.approx(2 / 4)
    assert figures["Recall@2"] == pytest.approx(4 / 6)
    assert figures["MRR@2"] == pytest.approx(3.5 / 6)
    assert figures["NDCG@2"] == pytest.approx((3 + 1 / np.log2(3)) / 6)
    assert figures["NDCG@2 (positive)"] == pytest.approx((1 + 1 / np.log2(3)) / 4)
    assert len(figures) == 8
    weighted = summary.metrics["Recall@2 (reward-weighted)"]
    # Three sessions, each drawn thrice in one of nine resamples, say nothing of their spread.
    assert (weighted.low, weighted.high) == (0, 1)


def test_equal_positive_rewards_weigh_alike(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    events = events_of((2.0 * rng.integers(0, 2, 60)).tolist())
    found = trial_metrics(
        Ranks(rng.integers(1, 9, 60).astype(np.uint32), np.zeros(60, dtype=np.uint32)),
        events, [4], np.array([7]),
    )  # fmt: skip
    for end in ("", " low", " high"):
        by_reward = found[f"Recall@4 (reward-weighted){end}"]
        assert by_reward == pytest.approx(found[f"Recall@4 (positive){end}"])
    assert 0 < found["Recall@4 (reward-weighted) low"] < found["Recall@4 (reward-weighted)"]


def test_an_item_weighs_as_much_however_often_it_came(tmp_path: Path) -> None:
    # Targets 0, 0, 1 and 3, with support 8, 8, 4 and none.
    events = dataclasses.replace(
        events_of([1, 1, 0, 0]), targets=np.array([0, 0, 1, 3], dtype=np.int32)
    )
    folder = trial(tmp_path, 1, [1, 5, 2, 1])
    name = "Recall@2 (popularity-normalised)"
    found = summarise([folder], events, [2], "conservative", CATALOGUE).metrics
    assert found[name].value == pytest.approx((1 / 8 + 1 / 4 + 1) / (2 / 8 + 1 / 4 + 1))
    assert (found[name].low, found[name].high) == (0, 1), "two sessions say nothing of their spread"


def test_without_positive_rewards_their_figures_are_absent(tmp_path: Path) -> None:
    events = events_of([0.0, -1.0])
    summary = summarise([trial(tmp_path, 1, [1, 5])], events, [2], "conservative", CATALOGUE)
    assert set(summary.metrics) == {
        "Recall@2", "MRR@2", "NDCG@2", "Recall@2 (popularity-normalised)",
    }  # fmt: skip


def test_models_are_compared_by_recall_and_mrr_alone(tmp_path: Path) -> None:
    folders = [trial(tmp_path, 1, [1, 5]), trial(tmp_path, 2, [2, 5])]
    summary = summarise(folders, events_of([1, 1]), [2, 9], "conservative", CATALOGUE)
    assert list(summary.event_values) == ["Recall@2", "Recall@9", "MRR@2", "MRR@9"]
    assert summary.event_values["MRR@2"].tolist() == [0.75, 0]
    assert summary.folders == tuple(folders)
    assert summary.seeds == (1, 2)


def test_exposure_is_averaged_over_seeds(tmp_path: Path) -> None:
    folders = [
        trial(tmp_path, 1, [1, 5], exposure={1: [2, 0, 0, 0], 2: [2, 1, 1, 0]}),
        trial(tmp_path, 2, [1, 5], exposure={1: [1, 1, 0, 0], 2: [1, 1, 1, 1]}),
    ]
    exposure = summarise(folders, events_of([1, 1]), [1, 2], "conservative", CATALOGUE).exposure
    assert exposure["Coverage@1"].value == pytest.approx((1 / 4 + 2 / 4) / 2)
    assert exposure["Coverage@1"].spread == pytest.approx(0.25 / 2**0.5)
    assert exposure["Gini@2"].value == pytest.approx((0.375 + 0) / 2)
    assert exposure["Popularity of targets"].value == 3.5 / 4


def test_a_k_that_a_seed_was_not_run_with_has_no_exposure(tmp_path: Path) -> None:
    folders = [
        trial(tmp_path, 1, [1, 5], exposure={1: [2, 0, 0, 0], 2: [2, 1, 1, 0]}),
        trial(tmp_path, 2, [1, 5], exposure={2: [1, 1, 1, 1]}),
    ]
    exposure = summarise(folders, events_of([1, 1]), [1, 2, 3], "conservative", CATALOGUE).exposure
    assert {name for name in exposure if "@" in name} == {
        "Coverage@2", "Gini@2", "Popularity@2", "Novelty@2",
    }  # fmt: skip
    only = summarise(folders, events_of([1, 1]), [3], "conservative", CATALOGUE)
    assert only.exposure == {}


def test_tie_rules_stand_beside_each_other(tmp_path: Path) -> None:
    folders = [trial(tmp_path, 1, [3, 1], ties=[2, 0]), trial(tmp_path, 2, [1, 1])]
    summary = summarise(folders, events_of([1, 1]), [2], "standard", CATALOGUE)
    assert summary.by_tie_rule == {
        "conservative": {"Recall@2": 0.75, "MRR@2": 0.75},
        "standard": {"Recall@2": 1.0, "MRR@2": 1.0},
        "median": {"Recall@2": 1.0, "MRR@2": 0.875},
    }
    assert summary.ties_matter
    assert summary.metrics["MRR@2"].value == summary.by_tie_rule["standard"]["MRR@2"]


def test_ties_out_of_reach_do_not_matter(tmp_path: Path) -> None:
    folder = trial(tmp_path, 1, [100, 1, MISSED_RANK, 1], ties=[50, 0, 0, 0])
    summary = summarise([folder], events_of([1] * 4), [20], "conservative", CATALOGUE)
    assert summary.tied_fraction == 0.25
    assert not summary.ties_matter


def test_files_of_another_split_are_refused(tmp_path: Path) -> None:
    folder = trial(tmp_path, 1, [1, 5], exposure={2: [1, 1, 1]})
    with pytest.raises(InputError, match="ranks 2 events where the split has 4"):
        summarise([folder], events_of([1] * 4), [2], "conservative", CATALOGUE)
    with pytest.raises(InputError, match="exposure of 3 items where the catalogue has 4"):
        summarise([folder], events_of([1] * 2), [2], "conservative", CATALOGUE)
