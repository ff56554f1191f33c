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

`resampled` is the share of logs drawn with replacement whose interval holds the click rate of the
policy's own log. All such logs come from one, and share its luck; so `clicks drawn` has the share
over logs with the same rounds, drawn with replacement, and clicks drawn anew at known rates: that
one should be the interval's level. Both are shares of the logs that were not refused. The last line
is one JSON object.

    python experiments/open_bandit.py $BENCH_DATA_DIR/open-bandit
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

# Started as a file, Python looks for modules in this folder alone.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.off_policy_evaluation import PER_SESSION, Rounds, ValueEstimate, evaluate
from datasets.errors import InputError
from datasets.open_bandit import BanditRounds, read_rounds

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
        log_behaviour=np.log(rounds.propensities),
        rewards=rounds.clicks,
        sessions=np.arange(n_rounds),
        positions=np.zeros(n_rounds),
        logged_reward_model=logged,
        policy_reward_model=expected,
    )


def own_value(rounds: BanditRounds) -> ValueEstimate:
    """Click rate of the logging policy itself."""
    columns = columns_of(rounds, np.full((N_PLACES, len(rounds.item_ids)), 1.0))
    return evaluate(replace(columns, log_policy=columns.log_behaviour)).estimates["ips"]


def held(
    columns: Rounds,
    truths: dict[str, float],
    draw_rewards: Callable[[NDArray[np.int64], np.random.Generator], Values],
    resamples: int,
) -> dict[str, float]:
    """Share of resampled logs whose interval holds the truth, by estimator; `given`: have one."""
    rng = np.random.default_rng(SEED)
    n_rounds = len(columns.rewards)
    inside: dict[str, list[bool]] = {name: [] for name in truths}
    for _ in range(resamples):
        rows = rng.integers(n_rounds, size=n_rounds)
        drawn = Rounds(
            log_policy=columns.log_policy[rows],
            log_behaviour=columns.log_behaviour[rows],
            rewards=draw_rewards(rows, rng),
            sessions=np.arange(n_rounds),
            positions=np.zeros(n_rounds),
            logged_reward_model=_taken(columns.logged_reward_model, rows),
            policy_reward_model=_taken(columns.policy_reward_model, rows),
        )
        estimates = evaluate(drawn, resamples=400).estimates
        for name, truth in truths.items():
            if name in estimates:
                inside[name].append(estimates[name].low <= truth <= estimates[name].high)
    shares = {name: float(np.mean(found)) for name, found in inside.items() if found}
    return shares | {"given": len(inside["ips"]) / resamples}


def compare(log: BanditRounds, policy: Values, own: BanditRounds, resamples: int) -> dict[str, Any]:
    """Estimates of `policy` from `log` beside its own log, and how often intervals hold."""
    columns, truth = columns_of(log, policy), own_value(own)
    values = evaluate(columns)
    # A round is a session of its own, so that per-decision estimates are those of rounds.
    estimates = {name: each for name, each in values.estimates.items() if name not in PER_SESSION}
    # The direct method's interval holds its model for true, which it is not here.
    names = [name for name in estimates if name != "dm"]
    resampled = held(
        columns, dict.fromkeys(names, truth.value), lambda rows, _: columns.rewards[rows], resamples
    )
    rates = click_rates(log, np.ones(len(log.items), dtype=np.bool_))[log.items]
    expected = evaluate(replace(columns, rewards=rates), resamples=2).estimates
    drawn = held(
        columns,
        {name: expected[name].value for name in names},
        lambda rows, rng: (rng.random(len(rows)) < rates[rows]).astype(np.float64),
        resamples,
    )
    return {
        "own": asdict(truth),
        "refusal": values.refusal,
        "overlap": asdict(values.overlap),
        "estimates": {name: asdict(each) for name, each in estimates.items()},
        "resampled": resampled,
        "clicks_drawn": drawn,
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
        shares = (found[kind].get(name) for kind in ("resampled", "clicks_drawn"))
        told = ("" if share is None else f"{share:.3f}" for share in shares)
        rows.append((name, *_written(each), *told))
    header = ("estimator", "clicks in 100 rounds", "95 % interval", "resampled", "clicks drawn")
    print(tabulate(rows, header, tablefmt="github", disable_numparse=True))
    given = (f"{found[kind]['given']:.3f}" for kind in ("resampled", "clicks_drawn"))
    print(f"Not refused: {' and '.join(given)} of these logs.")
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
    except InputError as error:
        sys.exit(f"open_bandit.py: error: {error}")
    uniform = np.full((N_PLACES, len(bts.item_ids)), 1 / len(bts.item_ids))
    figures = {
        "bts_from_random": compare(random, average_policy(bts), bts, options.resamples),
        "random_from_bts": compare(bts, uniform, random, options.resamples),
    }
    print_table("BTS, from the log of the uniform policy", figures["bts_from_random"])
    print_table("The uniform policy, from the log of BTS", figures["random_from_bts"])
    print(json.dumps(figures | {"campaign": options.campaign, "resamples": options.resamples}))


def _written(each: dict[str, Any]) -> tuple[str, str]:
    return f"{100 * each['value']:.3f}", f"[{100 * each['low']:.3f}, {100 * each['high']:.3f}]"


def _taken(column: Values | None, rows: NDArray[np.int64]) -> Values | None:
    return None if column is None else column[rows]


if __name__ == "__main__":
    main()
