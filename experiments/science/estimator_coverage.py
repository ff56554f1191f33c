"""How often the intervals of off-policy evaluation hold the true value, and when it refuses.

Small worlds are drawn: states that actions lead on from, sessions of up to four rounds, a logger
that takes every action, and a policy whose logits lie some distance from the logger's. Enumeration
gives the policy's true value, of a session on its own walk and of a round at the states that the
logger comes to. Each world writes one log; 95 % of an estimator's intervals should hold the truth.
The reward model of DR and its kin is off at random; that of the direct method is the truth (its
interval takes the model for right: with a wrong one, `dm (wrong model)`, it holds nothing). Rows
`percentile` are the plain bootstrap, for comparison. The further the policy, the heavier the
weights; of longer sessions (`--longest 50`) those of whole sessions may have no variance at all.
Last, the logger never takes one action of each state, and the evaluation should refuse; it can
only where the mean weight's 4 standard errors are less than what is lost, and they grow with the
distance. `--refusals-only` measures that alone. Monte Carlo errors stand beside the shares; the
last line is one JSON object.

    python experiments/science/estimator_coverage.py
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

# Of this repository, Python would search the script's own folder alone.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.policy_value.off_policy_evaluation import PER_SESSION, Rounds, evaluate
from bench.policy_value.per_decision import session_weights
from bench.stats.significance import bootstrap_means, interval

Values = NDArray[np.float64]
Codes = NDArray[np.int64]

DISCOUNT = 0.9
LEAST_EXPLORED = 0.05
"""Share of the logger's choices that are uniform: every action has support."""
LOW_CAP = math.e
"""A cap that does clip: the paper's is above nearly all weights of these worlds."""
MODEL_ERROR = 0.1
"""Standard deviation of the reward model's error."""
DISTANCES = (0.5, 1.0, 1.5)
"""Standard deviations of the policy's logits from the logger's."""
LOST = {"below 0.05": 0.0, "0.05 to 0.1": 0.05, "0.1 to 0.2": 0.1, "0.2 or more": 0.2}
"""Shares of the policy's probability that the cut takes away, by name."""
ROWS = (
    "ips", "clipped_ips", "snips", "dm", "dr", "sndr", "switch_dr", "pdis", "snpdis",
    "dm (wrong model)", "clipped_ips (cap e)",
    "ips (percentile)", "snips (percentile)", "pdis (percentile)",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class TabularWorld:
    """A world of few states, with a logger and a policy; tables are (n_states, n_actions)."""

    start: Values
    """Chance of each state at the start of a session, (n_states,)."""
    moves: Values
    """Chance of each next state, (n_states, n_actions, n_states); what lacks to 1 is the end."""
    clicks: Values
    """Chance of a reward of 1."""
    logger: Values
    policy: Values
    longest: int
    """Rounds after which a session ends."""

    def visits(self, policy: Values, discount: float = 1.0) -> Values:
        """Expected (discounted) rounds of a session in each state under a policy, (n_states,)."""
        walk = discount * np.einsum("sa,sat->ts", policy, self.moves)
        steps = [self.start]
        for _ in range(1, self.longest):
            steps.append(walk @ steps[-1])
        found: Values = np.sum(steps, 0)
        return found

    def true_values(self) -> dict[str, float]:
        """The policy's value of a round at the logger's states, and of a session at its own."""
        earned = (self.policy * self.clicks).sum(1)
        logged = self.visits(self.logger)
        return {
            "round": float(logged @ earned / logged.sum()),
            "session": float(self.visits(self.policy, DISCOUNT) @ earned),
        }


def draw_world(rng: np.random.Generator, distance: float, longest: int) -> TabularWorld:
    """A world with full support under its logger; the policy's logits are `distance` from it."""
    n_states, n_actions = int(rng.integers(2, 5)), int(rng.integers(3, 9))
    taste = rng.normal(size=(n_states, n_actions))
    logger = _softmax(taste)
    policy = _softmax(taste + distance * rng.normal(size=taste.shape))
    continues = rng.uniform(0.3, 0.7, (n_states, n_actions, 1))
    return TabularWorld(
        start=rng.dirichlet(np.ones(n_states)),
        moves=continues * rng.dirichlet(np.ones(n_states), (n_states, n_actions)),
        clicks=rng.uniform(0, rng.uniform(0.1, 1), (n_states, n_actions)),
        logger=(1 - LEAST_EXPLORED) * logger + LEAST_EXPLORED / n_actions,
        policy=policy,
        longest=longest,
    )


def write_log(world: TabularWorld, n_sessions: int, rng: np.random.Generator) -> dict[str, Codes]:
    """Sessions under the logger: columns states, actions, rewards, sessions, positions."""
    states = _draw(np.tile(world.start, (n_sessions, 1)), rng)
    alive = np.arange(n_sessions)
    steps = []
    for position in range(world.longest):
        actions = _draw(world.logger[states], rng)
        clicks = rng.random(len(states)) < world.clicks[states, actions]
        steps.append((states, actions, clicks, alive, np.full(len(alive), position)))
        # The state beyond the last is the end.
        following = _draw(world.moves[states, actions], rng)
        continues = following < len(world.start)
        states, alive = following[continues], alive[continues]
    names = ("states", "actions", "rewards", "sessions", "positions")
    columns = (np.concatenate(parts) for parts in zip(*steps, strict=True))
    return dict(zip(names, columns, strict=True))


def rounds_of(world: TabularWorld, log: dict[str, Codes], logger: Values, model: Values) -> Rounds:
    """The log as columns for the evaluation, with `model` for the table of rewards."""
    states, actions = log["states"], log["actions"]
    return Rounds(
        log_policy=np.log(world.policy[states, actions]),
        log_propensities=np.log(logger[states, actions]),
        rewards=log["rewards"].astype(np.float64),
        sessions=log["sessions"],
        positions=log["positions"],
        logged_reward_model=model[states, actions],
        policy_reward_model=(world.policy * model).sum(1)[states],
    )


def _softmax(logits: Values) -> Values:
    masses = np.exp(logits - logits.max(1, keepdims=True))
    shares: Values = masses / masses.sum(1, keepdims=True)
    return shares


def _draw(chances: Values, rng: np.random.Generator) -> Codes:
    """A column of each row of `chances` at random; one beyond the last for what lacks to 1."""
    drawn: Codes = (np.cumsum(chances, 1) < rng.random((len(chances), 1))).sum(1)
    return drawn


def intervals_of(
    world: TabularWorld, n_sessions: int, resamples: int, rng: np.random.Generator
) -> dict[str, tuple[float, float]]:
    """Interval of each estimator by name, from one log; those that are refused are not there."""
    log = write_log(world, n_sessions, rng)
    wrong = world.clicks + rng.normal(0, MODEL_ERROR, world.clicks.shape)
    rounds = rounds_of(world, log, world.logger, wrong)
    values = evaluate(rounds, discount=DISCOUNT, resamples=resamples)
    found = {name: (each.low, each.high) for name, each in values.estimates.items()}
    if values.refusal is not None:
        return found
    found["dm (wrong model)"] = found.pop("dm")
    right = rounds_of(world, log, world.logger, world.clicks)
    others = evaluate(right, cap=LOW_CAP, resamples=resamples).estimates
    found["dm"] = others["dm"].low, others["dm"].high
    found["clipped_ips (cap e)"] = others["clipped_ips"].low, others["clipped_ips"].high
    log_weights = rounds.log_policy - rounds.log_propensities
    weights = np.exp(log_weights)
    plain: dict[str, tuple[Values, NDArray[np.generic], Values | None]] = {
        "ips (percentile)": (weights * rounds.rewards, rounds.sessions, None),
        "snips (percentile)": (rounds.rewards, rounds.sessions, weights),
    }
    if "pdis" in found:
        walk = session_weights(log_weights, log["sessions"], log["positions"])
        earned = np.exp(walk.log_products) * DISCOUNT**walk.steps * rounds.rewards[walk.order]
        summed = np.bincount(walk.sessions, weights=earned).astype(np.float64)
        plain["pdis (percentile)"] = (summed, np.arange(n_sessions), None)
    for name, (column, sessions, divisor) in plain.items():
        low, high = interval(
            bootstrap_means(column, sessions, weights=divisor, resamples=resamples)
        )
        found[name] = float(low), float(high)
    return found


def coverage(
    distance: float, n_worlds: int, n_sessions: int, resamples: int, longest: int
) -> dict[str, dict[str, float]]:
    """By estimator: logs with an interval, share that holds the truth, shares too low, too high."""
    misses: dict[str, list[int]] = {name: [] for name in ROWS}
    for seed in range(n_worlds):
        rng = np.random.default_rng([seed, round(100 * distance)])
        world = draw_world(rng, distance, longest)
        truth = world.true_values()
        for name, (low, high) in intervals_of(world, n_sessions, resamples, rng).items():
            value = truth["session" if name.split()[0] in PER_SESSION else "round"]
            misses[name].append(-1 if high < value else 1 if low > value else 0)
    return {
        name: {
            "logs": len(sides),
            "holds": sides.count(0) / len(sides),
            "too_low": sides.count(-1) / len(sides),
            "too_high": sides.count(1) / len(sides),
        }
        for name, sides in misses.items()
        if sides
    }


def refused_without_support(
    distance: float, n_worlds: int, n_sessions: int, longest: int
) -> dict[str, dict[str, float]]:
    """Logs whose logger lacks an action of each state and the share refused, by what is lost.

    Lost is the policy's probability of these actions at the states that the logger comes to.
    """
    refused: dict[str, list[bool]] = {name: [] for name in LOST}
    for seed in range(n_worlds):
        rng = np.random.default_rng([seed, round(100 * distance), 1])
        world = draw_world(rng, distance, longest)
        n_states, n_actions = world.logger.shape
        lacking = rng.integers(n_actions, size=(n_states, 1)) == np.arange(n_actions)
        logger = np.where(lacking, 0, world.logger)
        cut = replace(world, logger=logger / logger.sum(1, keepdims=True))
        log = write_log(cut, n_sessions, rng)
        # Intervals have no part in the refusal.
        values = evaluate(rounds_of(cut, log, cut.logger, cut.clicks), resamples=2)
        visits = cut.visits(cut.logger)
        lost = float(visits @ (cut.policy * lacking).sum(1) / visits.sum())
        name = next(name for name, least in reversed(LOST.items()) if lost >= least)
        refused[name].append(values.refusal is not None)
    return {
        name: {"logs": len(found), "refused": float(np.mean(found))}
        for name, found in refused.items()
        if found
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=int, default=500)
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--resamples", type=int, default=600)
    parser.add_argument("--longest", type=int, default=4, help="rounds of a session at most")
    parser.add_argument("--refusals-only", action="store_true", help="leave the coverage out")
    options = parser.parse_args()
    figures = {}
    if not options.refusals_only:
        arguments = (options.worlds, options.sessions, options.resamples, options.longest)
        figures = {f"{distance:g}": coverage(distance, *arguments) for distance in DISTANCES}
    for distance, by_name in figures.items():
        print(f"\nPolicy at distance {distance} from the logger:\n")
        rows = [
            (name, int(row["logs"]), row["holds"], _error(row["holds"], row["logs"]),
             row["too_low"], row["too_high"])
            for name, row in by_name.items()
        ]  # fmt: skip
        header = ("estimator", "logs", "holds", "error", "below the truth", "above")
        print(tabulate(rows, header, floatfmt=".3f", tablefmt="github"))
    refused = {
        f"{distance:g}": refused_without_support(
            distance, options.worlds, options.sessions, options.longest
        )
        for distance in DISTANCES
    }
    print_refusals(refused)
    print(json.dumps({"coverage": figures, "refused": refused} | vars(options)))


def print_refusals(refused: dict[str, dict[str, dict[str, float]]]) -> None:
    """Share of logs refused by what is lost, with its error and the number of logs, by distance."""
    print("\nThe logger lacks an action of each state; refused, by the policy's distance:\n")
    rows = []
    for name in LOST:
        cells = [name]
        for by_name in refused.values():
            found = by_name.get(name)
            cells.append("-" if found is None else _refused_text(**found))
        rows.append(cells)
    header = ("policy's probability that is lost", *refused)
    print(tabulate(rows, header, tablefmt="github", disable_numparse=True))


def _refused_text(logs: float, refused: float) -> str:
    return f"{refused:.3f} +- {_error(refused, logs):.3f} of {logs}"


def _error(share: float, n: float) -> float:
    return math.sqrt(share * (1 - share) / n)


if __name__ == "__main__":
    main()
