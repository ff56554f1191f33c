"""The averages of a policy that varies, and each policy's value from the other's log."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.policy_value.off_policy_evaluation import evaluate
from experiments.science.bandit_rounds import BanditRounds, read_rounds
from experiments.science.open_bandit import average_policy, columns_of, earned_at, held
from tests.experiments.conftest import printed, run_script

MORNING = np.array([0.7, 0.2, 0.1])
EVENING = np.array([0.05, 0.15, 0.8])


def rounds_of(policies: NDArray[np.float64], seed: int) -> BanditRounds:
    """Rounds in the three places in turn, drawn from a row of `policies` each."""
    rng = np.random.default_rng(seed)
    n_rounds = len(policies)
    items = (np.cumsum(policies, 1) < rng.random((n_rounds, 1))).sum(1)
    return BanditRounds(
        items=items,
        positions=np.arange(n_rounds) % 3 + 1,
        clicks=(rng.random(n_rounds) < 0.1 + 0.2 * items).astype(np.float64),
        propensities=policies[np.arange(n_rounds), items],
        times=np.arange(n_rounds),
        item_ids=np.array(["a", "b", "c"]),
    )


def test_a_policy_that_never_varies_is_found_exactly() -> None:
    found = average_policy(rounds_of(np.tile(MORNING, (300, 1)), seed=1))
    assert found == pytest.approx(np.tile(MORNING, (3, 1)))


def test_a_policy_that_varies_is_found_closer_than_by_its_shares_of_rounds() -> None:
    policies = np.concatenate([np.tile(MORNING, (300, 1)), np.tile(EVENING, (300, 1))])
    truth = (MORNING + EVENING) / 2
    errors, errors_of_shares, found = [], [], []
    for seed in range(200):
        rounds = rounds_of(policies, seed)
        found.append(average_policy(rounds)[0])
        shares = np.bincount(rounds.items[rounds.positions == 1], minlength=3) / 200
        errors.append(np.square(found[-1] - truth).sum())
        errors_of_shares.append(np.square(shares - truth).sum())
    assert np.mean(errors) < 0.95 * np.mean(errors_of_shares)
    assert np.mean(found, 0) == pytest.approx(truth, abs=0.02)


def test_what_a_policy_earns_is_weighted_by_the_places_shares() -> None:
    rounds = rounds_of(np.tile(MORNING, (4, 1)), seed=1)  # places 1, 2, 3, 1
    policy = np.array([[1, 0, 0], [0, 1, 0], [0, 0.5, 0.5]])
    assert earned_at(np.array([0.1, 0.2, 0.4]), policy, rounds) == pytest.approx(0.7 / 4)


def test_drawn_clicks_are_held_against_what_the_policy_earns() -> None:
    rounds = rounds_of(np.tile(MORNING, (1000, 1)), seed=6)
    policy = np.tile([0.3, 0.4, 0.3], (3, 1))
    columns, rates = columns_of(rounds, policy), np.array([0.3, 0.2, 0.1])
    truth = earned_at(rates, policy, rounds)
    assert truth == pytest.approx(0.2)
    found = held(columns, rates[rounds.items], truth, resamples=40)
    assert found["given"] == 1 and "dm" not in found and "pdis" not in found
    assert min(found[name] for name in ("ips", "snips", "dr")) > 0.8
    beside = held(columns, rates[rounds.items], 2 * truth, resamples=4)
    assert beside["ips"] == beside["snips"] == beside["dr"] == 0


def write(folder: Path, rounds: BanditRounds) -> None:
    folder.mkdir(parents=True)
    (folder / "item_context.csv").write_text("item_id\na\nb\nc\n", encoding="utf-8")
    columns = zip(rounds.items, rounds.positions, rounds.clicks, rounds.propensities, strict=True)
    lines = [
        f"2019-11-24 00:01:03+00:00,{'abc'[item]},{place},{click:.0f},{propensity}"
        for item, place, click, propensity in columns
    ]
    header = "timestamp,item_id,position,click,propensity_score"
    (folder / "men.csv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")


def test_each_policy_from_the_others_log(tmp_path: Path) -> None:
    write(tmp_path / "random" / "men", rounds_of(np.full((3000, 3), 1 / 3), seed=2))
    write(tmp_path / "bts" / "men", rounds_of(np.tile(EVENING, (3000, 1)), seed=3))
    _, figures = printed("science/open_bandit.py", str(tmp_path), "--resamples", "5")
    for name, policy in (("bts_from_random", EVENING), ("random_from_bts", np.full(3, 1 / 3))):
        truth = float(policy @ [0.1, 0.3, 0.5])
        for estimator in ("ips", "snips", "dr"):
            estimate = figures[name]["estimates"][estimator]
            width = estimate["high"] - estimate["low"]
            assert abs(estimate["value"] - truth) < 0.75 * width < 0.1
        assert 0 <= figures[name]["clicks_drawn"]["ips"] <= 1
        for estimator in ("ips", "snips", "dr"):
            assert figures[name]["mean_of_truth"][estimator] == pytest.approx(1, abs=0.15)


def test_a_faulty_log_is_named_with_its_line(tmp_path: Path) -> None:
    rounds = rounds_of(np.full((30, 3), 1 / 3), seed=4)
    rounds.propensities[7] = 1.2
    write(tmp_path / "random" / "men", rounds)
    write(tmp_path / "bts" / "men", rounds)
    done = run_script("science/open_bandit.py", str(tmp_path), status=1)
    assert "line 9 has a propensity_score of 1.2" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_log_without_clicks_is_named(tmp_path: Path) -> None:
    rounds = rounds_of(np.full((300, 3), 1 / 3), seed=5)
    write(tmp_path / "random" / "men", rounds)
    rounds.clicks[:] = 0
    write(tmp_path / "bts" / "men", rounds)
    done = run_script("science/open_bandit.py", str(tmp_path), "--resamples", "2", status=1)
    assert "has 0 clicks in 300 rounds, too few" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_real_logs_hold_each_others_values(data_dir: Path) -> None:
    random, bts = (
        read_rounds(data_dir / "open-bandit" / logger / "men") for logger in ("random", "bts")
    )
    for log, policy, own in (
        (random, average_policy(bts), bts),
        (bts, np.full((3, 34), 1 / 34), random),
    ):
        values = evaluate(columns_of(log, policy), resamples=300)
        assert values.refusal is None
        for estimator in ("ips", "snips", "dr", "sndr"):
            estimate = values.estimates[estimator]
            assert estimate.low < own.clicks.mean() < estimate.high
