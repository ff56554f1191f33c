"""Real rewards: the value of one policy of a shop from another's log, against its own log.

The Open Bandit Dataset (Saito et al. 2021) has a week's rounds of a uniform policy and of a
Thompson sampler (BTS) on the same pages, each with its logged probabilities and clicks. Each
policy's click rate is estimated from the other's log and set beside that of its own.

From the BTS log the uniform policy's weights are (1/n_items) / propensity, round by round. From the
uniform log the sampler's probabilities are needed for items that its log did not draw just then; it
learns from clicks, so they vary from hour to hour. What is estimated is the policy of its averages
over the week, pi(item | place), from its own log: the share of an item's rounds, corrected by what
its propensities say (`average_policy`). The reward model of DR is the click rate of an item in the
other half of the rounds, pulled towards the mean.

`clicks drawn` is the share of logs, with the same rounds drawn with replacement and clicks drawn
anew at known rates, whose interval holds what the policy earns at these rates: one value for all
estimators, so that the share should be the interval's level and a bias shows. It is of the logs
with an interval. `mean` is what the estimate is on average over such clicks, the real log's rounds
as they are, as a multiple of that value: the bias, and the luck of the items that the log drew,
which is about the error of the mean weight. The last line is one JSON object.

    python experiments/science/open_bandit.py $BENCH_DATA_DIR/open-bandit
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

# Of this repository, Python would search the script's own folder alone.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.policy_value.off_policy_evaluation import PER_SESSION, Rounds, evaluate
from bench.stats.estimate import Estimate
from datasets.errors import InputError
from experiments.science.bandit_rounds import BanditRounds, read_rounds

Values = NDArray[np.float64]

N_PLACES = 3
PRIOR_ROUNDS = 100.0
"""Rounds at the mean click rate that every item has besides its own."""
SEED = 1


def average_policy(rounds: BanditRounds) -> Values:
    """The logger's probabilities averaged over the log, (n_places, n_items).

    An item's share of rounds is right on average, but noisy; the sum of 1/propensity over its
    rounds is known to be the number of rounds n on average, and noisy alike. So the share is
    corrected in proportion to the sum's distance from n: the regression estimator of survey
    sampling (Cochran 1977, chapter 7), exact for an item whose probability never changes.
    """
    n_items = len(rounds.item_ids)
    cells = (rounds.positions - 1) * n_items + rounds.items
    n_rounds = np.bincount(rounds.positions - 1, minlength=N_PLACES)[:, None]

    def summed(column: Values) -> Values:
        sums = np.bincount(cells, weights=column, minlength=N_PLACES * n_items)
        return sums.reshape(N_PLACES, n_items).astype(np.float64)

    inverse = 1 / rounds.propensities
    shares = summed(np.ones(len(cells))) / n_rounds
    variance = summed((1 - rounds.propensities) * inverse**2)
    slopes = summed((1 - rounds.propensities) * inverse) / np.where(variance > 0, variance, 1)
    averages = np.maximum(shares - slopes * (summed(inverse) / n_rounds - 1), 0)
    policy: Values = averages / averages.sum(1, keepdims=True)
    return policy


def click_rates(rounds: BanditRounds, learnt_from: NDArray[np.bool_]) -> Values:
    """Each item's click rate in some of the rounds, pulled towards their mean, (n_items,)."""
    items, clicks = rounds.items[learnt_from], rounds.clicks[learnt_from]
    n_items = len(rounds.item_ids)
    clicked = np.bincount(items, weights=clicks, minlength=n_items)
    shown = np.bincount(items, minlength=n_items)
    rates: Values = (clicked + PRIOR_ROUNDS * clicks.mean()) / (shown + PRIOR_ROUNDS)
    return rates


def columns_of(rounds: BanditRounds, policy: Values) -> Rounds:
    """The log as columns for a policy of shape (n_places, n_items), with a cross-fitted model."""
    n_rounds = len(rounds.items)
    places = rounds.positions - 1
    in_first = np.random.default_rng(SEED).permutation(n_rounds) % 2 == 0
    logged, expected = np.empty(n_rounds), np.empty(n_rounds)
    for half in (in_first, ~in_first):
        rates = click_rates(rounds, ~half)
        logged[half] = rates[rounds.items[half]]
        expected[half] = (policy @ rates)[places[half]]
    with np.errstate(divide="ignore"):
        log_policy = np.log(policy[places, rounds.items])
    return Rounds(
        log_policy=log_policy,
        log_propensities=np.log(rounds.propensities),
        rewards=rounds.clicks,
        sessions=np.arange(n_rounds),
        positions=np.zeros(n_rounds),
        logged_reward_model=logged,
        policy_reward_model=expected,
    )


def own_value(rounds: BanditRounds) -> Estimate:
    """Click rate of the logging policy itself; raises InputError where clicks are too few."""
    columns = columns_of(rounds, np.full((N_PLACES, len(rounds.item_ids)), 1.0))
    estimates = evaluate(replace(columns, log_policy=columns.log_propensities)).estimates
    if "ips" not in estimates:
        raise InputError(
            f"a log has {rounds.clicks.sum():.0f} clicks in {len(rounds.clicks):,} rounds, too few "
            "for an interval of its own click rate; take a longer log or another --campaign"
        )
    return estimates["ips"]


def earned_at(rates: Values, policy: Values, rounds: BanditRounds) -> float:
    """What a policy (n_places, n_items) earns a round at known click rates of the items."""
    return float((policy @ rates)[rounds.positions - 1].mean())


def held(
    columns: Rounds,
    rates: Values,
    truth: float,
    resamples: int,
) -> dict[str, float]:
    """Share of logs with clicks drawn at `rates`, (n_rounds,), whose interval holds the truth.

    By estimator, of the logs that have its interval; `given` is the share with one of IPS. The
    direct method is left out: its interval holds its model for true, which it is not here.
    """
    rng = np.random.default_rng(SEED)
    n_rounds = len(columns.rewards)
    inside: dict[str, list[bool]] = {}
    for _ in range(resamples):
        rows = rng.integers(n_rounds, size=n_rounds)
        drawn = Rounds(
            log_policy=columns.log_policy[rows],
            log_propensities=columns.log_propensities[rows],
            rewards=(rng.random(n_rounds) < rates[rows]).astype(np.float64),
            sessions=np.arange(n_rounds),
            positions=np.zeros(n_rounds),
            logged_reward_model=_rows_of(columns.logged_reward_model, rows),
            policy_reward_model=_rows_of(columns.policy_reward_model, rows),
        )
        estimates = evaluate(drawn, resamples=400).estimates
        for name, each in of_rounds(estimates).items():
            if name != "dm":
                inside.setdefault(name, []).append(each.low <= truth <= each.high)
    shares = {name: float(np.mean(found)) for name, found in inside.items()}
    return shares | {"given": len(inside.get("ips", ())) / resamples}


def of_rounds(estimates: Mapping[str, Estimate]) -> dict[str, Estimate]:
    """Without the per-decision ones: a round is a session of its own here."""
    return {name: each for name, each in estimates.items() if name not in PER_SESSION}


def interval(estimate: Estimate) -> dict[str, float | str]:
    """An estimate as the last line prints it."""
    ends = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
    return {**ends, "per": "round"}


def compare(log: BanditRounds, policy: Values, own: BanditRounds, resamples: int) -> dict[str, Any]:
    """Estimates of `policy` from `log` beside its own log, and how often intervals hold."""
    columns, truth = columns_of(log, policy), own_value(own)
    values = evaluate(columns)
    rates = click_rates(log, np.ones(len(log.items), dtype=np.bool_))
    earned = earned_at(rates, policy, log)
    # All estimates are linear in the rewards, so that mean rewards give the mean estimate.
    means = of_rounds(evaluate(replace(columns, rewards=rates[log.items]), resamples=2).estimates)
    return {
        "own": interval(truth),
        "refusal": values.refusal,
        "overlap": asdict(values.overlap),
        "estimates": {name: interval(each) for name, each in of_rounds(values.estimates).items()},
        "clicks_drawn": held(columns, rates[log.items], earned, resamples),
        "mean_of_truth": {name: each.value / earned for name, each in means.items()},
        "earned_at_drawn_rates": earned,
    }


def print_table(title: str, found: dict[str, Any]) -> None:
    """Estimates with their intervals, and the policy's own log beside them."""
    overlap, own = found["overlap"], found["own"]
    print(
        f"\n{title}; effective sample size {overlap['effective_sample_size']:,.0f} of "
        f"{overlap['rounds']:,} rounds, mean weight {overlap['mean_weight']:.3f} +- "
        f"{overlap['mean_weight_error']:.3f}, largest {overlap['largest_weight']:.1f}, "
        f"clipped {overlap['clipped_share']:.2%}\n"
    )
    rows: list[tuple[str, str, str, str, str]] = [("its own log", *_written(own), "", "")]
    for name, each in found["estimates"].items():
        shares = (found[kind].get(name) for kind in ("mean_of_truth", "clicks_drawn"))
        texts = ("" if share is None else f"{share:.3f}" for share in shares)
        rows.append((name, *_written(each), *texts))
    header = ("estimator", "clicks in 100 rounds", "95 % interval", "mean", "clicks drawn")
    print(tabulate(rows, header, tablefmt="github", disable_numparse=True))
    print(f"With an interval: {found['clicks_drawn']['given']:.3f} of the logs with clicks drawn.")
    if found["refusal"]:
        print(f"no estimate: {found['refusal']}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="has random/CAMPAIGN and bts/CAMPAIGN")
    parser.add_argument("--campaign", default="men")
    parser.add_argument("--resamples", type=int, default=300)
    options = parser.parse_args()
    try:
        random, bts = (
            read_rounds(options.folder / logger / options.campaign) for logger in ("random", "bts")
        )
        uniform = np.full((N_PLACES, len(bts.item_ids)), 1 / len(bts.item_ids))
        figures = {
            "bts_from_random": compare(random, average_policy(bts), bts, options.resamples),
            "random_from_bts": compare(bts, uniform, random, options.resamples),
        }
    except InputError as error:
        sys.exit(f"open_bandit.py: error: {error}")
    print_table("BTS, from the log of the uniform policy", figures["bts_from_random"])
    print_table("The uniform policy, from the log of BTS", figures["random_from_bts"])
    print(json.dumps(figures | {"campaign": options.campaign, "resamples": options.resamples}))


def _written(each: dict[str, Any]) -> tuple[str, str]:
    return f"{100 * each['value']:.3f}", f"[{100 * each['low']:.3f}, {100 * each['high']:.3f}]"


def _rows_of(column: Values | None, rows: NDArray[np.int64]) -> Values | None:
    return None if column is None else column[rows]


if __name__ == "__main__":
    main()
