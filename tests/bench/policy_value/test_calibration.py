"""Calibration where the truth is known: weighted draws of it stand for the whole catalogue."""

from __future__ import annotations

import numpy as np
import pytest

from bench.policy_value.calibration import N_BINS, calibration_by_truth


def test_draws_of_the_truth_tell_the_calibration_over_all_items() -> None:
    rng = np.random.default_rng(0)
    truth = rng.dirichlet(np.full(20, 0.5))
    estimate = truth**0.5 / (truth**0.5).sum()
    drawn = rng.choice(20, size=200_000, p=truth)
    bins = calibration_by_truth(np.log(estimate[drawn]), np.log(truth[drawn]))
    assert len(bins) == N_BINS
    total = sum(part.n_pairs for part in bins)
    assert total == pytest.approx(20 * len(drawn), rel=0.05), "all items of each draw"
    # Over all bins both are distributions: mean 1 / n_items.
    for name in ("predicted", "observed"):
        mean = sum(part.n_pairs * getattr(part, name) for part in bins) / total
        assert mean == pytest.approx(1 / 20, rel=0.05)
    # The estimate is too low where much is shown, and too high where little is.
    assert bins[-1].predicted < bins[-1].observed
    assert bins[0].predicted > bins[0].observed


def test_a_perfect_estimate_lies_on_the_diagonal_whatever_the_bins() -> None:
    log_p = np.log(np.random.default_rng(1).uniform(0.01, 1, 500))
    for part in calibration_by_truth(log_p, log_p):
        assert part.predicted == pytest.approx(part.observed)
        assert part.low <= part.high
    assert calibration_by_truth(log_p[:0], log_p[:0]) == ()
    assert len(calibration_by_truth(log_p[:3], log_p[:3])) == 3
