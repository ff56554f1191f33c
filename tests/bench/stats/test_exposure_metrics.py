"""Figures of exposure: values by hand, and what holds whatever the exposure."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats.exposure_metrics import (
    BEYOND_TOP,
    TARGET_POPULARITY,
    catalogue_coverage,
    exposure_figures,
    fraction_beyond_top,
    gini_coefficient,
    novelty,
    popularity_percentiles,
)

COUNTS = st.lists(st.integers(0, 10**9), min_size=1, max_size=30)


def test_values_by_hand() -> None:
    exposure, support = np.array([6, 0, 2, 0]), np.array([8, 4, 4, 0])
    figures = exposure_figures({2: exposure}, support, np.array([0, 1, 3, -1]))
    # Percentiles: 0 is over half of itself, the two of 4 over 1 + half of 2, 8 over 3.5 items.
    percentiles = [3.5 / 4, 2 / 4, 2 / 4, 0.5 / 4]
    assert popularity_percentiles(support).tolist() == percentiles
    assert figures == pytest.approx(
        {
            "Coverage@2": 0.5,
            # Ascending 0 0 2 6, places -3 -1 1 3: (2 + 18) / (4 * 8).
            "Gini@2": 0.625,
            "Popularity@2": (6 * 0.875 + 2 * 0.5) / 8,
            # 8 of 16 events is 1 bit, 4 of 16 is 2 bits.
            "Novelty@2": (6 * 1 + 2 * 2) / 8,
            TARGET_POPULARITY: (0.875 + 0.5 + 0.125) / 3,
        }
    )


def test_an_item_without_support_is_as_new_as_one_with_a_single_event() -> None:
    assert novelty(np.array([0, 0, 5]), np.array([7, 1, 0])) == pytest.approx(math.log2(8))


def test_each_k_has_its_figures_and_one_without_recommendations_none() -> None:
    exposure = {5: np.array([5, 5]), 1: np.array([2, 0]), 7: np.array([0, 0])}
    figures = exposure_figures(exposure, np.array([3, 1]), np.array([0]))
    assert [name for name in figures if name.startswith("Coverage")] == ["Coverage@1", "Coverage@5"]
    assert not [name for name in figures if name.endswith("@7")]
    assert exposure_figures({7: exposure[7]}, np.array([3, 1]), np.array([0])) == {}


@given(st.integers(1, 10**6), st.integers(1, 50))
def test_gini_is_0_for_all_alike_and_1_less_1_in_n_for_one_alone(times: int, n_items: int) -> None:
    assert gini_coefficient(np.full(n_items, times)) == pytest.approx(0, abs=1e-12)
    alone = np.zeros(n_items, dtype=np.int64)
    alone[n_items // 2] = times
    assert gini_coefficient(alone) == pytest.approx(1 - 1 / n_items)


@given(COUNTS.filter(any))
def test_gini_is_half_the_mean_difference_of_two_items_over_the_mean(counts: list[int]) -> None:
    exposure = np.array(counts, dtype=np.float64)
    differences = np.abs(exposure[:, None] - exposure[None, :]).mean()
    expected = differences / (2 * exposure.mean())
    assert gini_coefficient(np.array(counts)) == pytest.approx(expected, abs=1e-9)


@given(COUNTS)
def test_percentiles_average_to_a_half_and_follow_support(counts: list[int]) -> None:
    percentiles = popularity_percentiles(counts)
    assert percentiles.mean() == pytest.approx(0.5)
    order = np.argsort(counts)
    assert (np.diff(percentiles[order]) >= 0).all()
    equal = np.diff(np.array(counts)[order]) == 0
    assert (np.diff(percentiles[order])[equal] == 0).all()


@given(COUNTS.filter(any))
def test_recommending_each_item_as_often_as_it_was_taken_is_the_logs_entropy(
    counts: list[int],
) -> None:
    support = np.array(counts)
    shares = support[support > 0] / support.sum()
    assert novelty(support, support) == pytest.approx(-(shares * np.log2(shares)).sum(), abs=1e-9)
    assert catalogue_coverage(support) == (support > 0).mean()


def test_what_lies_beyond_the_top_ranks_is_counted_by_slots() -> None:
    # Items 1 to 100 have most support, item 0 and the last two least; of equal ones the first rank.
    support = np.array([1, *range(200, 100, -1), 1, 1])
    exposure = np.zeros(103, dtype=np.int64)
    exposure[[0, 1, 50, 102]] = 3, 4, 1, 2
    assert fraction_beyond_top(exposure, support) == pytest.approx(5 / 10)
    figures = exposure_figures({20: exposure}, support, np.array([0]))
    assert figures[f"{BEYOND_TOP}@20"] == pytest.approx(5 / 10)
    assert fraction_beyond_top(exposure, np.ones(103)) == pytest.approx(2 / 10), "lower codes first"


def test_a_catalogue_within_the_top_ranks_has_nothing_beyond_them() -> None:
    figures = exposure_figures({20: np.ones(100, dtype=np.int64)}, np.arange(100), np.array([0]))
    assert not [name for name in figures if name.startswith(BEYOND_TOP)]
