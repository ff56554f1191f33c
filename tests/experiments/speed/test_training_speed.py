"""The speed script runs on a small log and prints its figures; no time is asserted."""

from __future__ import annotations

from pathlib import Path

from tests.experiments.conftest import printed

POSITIVE = (
    "gru4rec_events_per_second",
    "gru4rec_h512_events_per_second",
    "tocr_over_gru4rec",
    "tocr_equal_negatives_over_gru4rec",
    "reinforce_over_gru4rec",
    "sasrec_over_gru4rec",
    "sqn_over_gru4rec",
    "gemm_fraction",
    "gemm_fraction_h512",
    "gru4rec_windows_events_per_second",
    "gemm_fraction_windows",
    "tocr_over_gru4rec_windows",
    "gemm_gflops",
    "share_of_gemm_rate",
    "draws_fraction",
)


def test_one_round_on_a_small_log(small_table: Path) -> None:
    once = ("--dataset", str(small_table), "--rounds", "1", "--reports", "2")
    lines, figures = printed("speed/training_speed.py", *once, OMP_NUM_THREADS="1")
    assert all(figures[name] > 0 for name in POSITIVE)
    assert all(any(name in line for line in lines) for name in POSITIVE)
    assert (figures["items"], figures["threads"], figures["rounds"]) == (30, 1, 1)
