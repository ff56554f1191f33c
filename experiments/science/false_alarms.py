"""How often a comparison calls a difference that is none, and how often intervals are right.

Hits of two models are drawn whose chances depend on the session as those of real ones do: sessions
are easier or harder, long ones harder, and each model has its own luck with each. Sessions are as
long as the test sessions of the embedded log (17 to 2,093 events, 61 of them; as many or more or
fewer are drawn from these), or all of 20 events. Of each kind the table gives

- shares of intervals that hold the true mean of one model (95 % of them should): of those in
  tables, and of the percentile bootstrap in their place;
- the same of the paired difference, whose true value is not 0: of the inverted permutation test,
  and of the percentile bootstrap;
- false alarms: p-values below 0.05 where both models are equally good (5 % of them should be): by
  session, as the tables have it, and by a test that takes events for independent.

    python experiments/science/false_alarms.py
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

# Of this repository, Python would search the script's own folder alone.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.planning.plan import Plan
from bench.stats.sign_flips import LEVEL, paired_test
from bench.stats.significance import bootstrap_interval, bootstrap_means, interval
from bench.store.events import events_from
from datasets.registry import load_dataset
from datasets.splitting.splits import SplitOptions, make_split

Values = NDArray[np.float64]
Codes = NDArray[np.int64]
EVEN = np.array([20])
USUAL_LENGTH = 50
"""Events of a session whose mean chance of a hit is `Kind.recall`."""
GAIN = 0.03
"""Share of its misses that the better model hits."""


@dataclass(frozen=True)
class Kind:
    """A kind of log."""

    name: str
    lengths: Codes
    """Predicted events of the sessions that are drawn from."""
    n_sessions: int
    recall: float
    slope: float
    """A session twice as long has 2 ** -slope times the chance of a hit."""
    concentration: float = 8.0
    """a + b of the beta distribution of sessions' chances: the lower, the more they differ."""

    def chances(self, lengths: Codes) -> Values:
        """Mean chance of a hit in sessions of these lengths."""
        return np.minimum(self.recall * (lengths / USUAL_LENGTH) ** -self.slope, 0.9)

    @property
    def mean(self) -> float:
        """Mean over the events of all sessions that could be drawn."""
        return float(np.average(self.chances(self.lengths), weights=self.lengths))


def kinds(uneven: Codes) -> list[Kind]:
    """The table's rows; `uneven` are the lengths of the embedded log's test sessions."""
    return [
        Kind("embedded log's lengths", uneven, len(uneven), 0.1, 0.3),
        Kind("the same, length without effect", uneven, len(uneven), 0.1, 0.0),
        Kind("the same, a weak model", uneven, len(uneven), 0.05, 0.2),
        Kind("20 of these lengths", uneven, 20, 0.1, 0.3),
        Kind("500 of these lengths", uneven, 500, 0.1, 0.3),
        Kind("even lengths", EVEN, 61, 0.1, 0.0),
        Kind("20 even lengths", EVEN, 20, 0.1, 0.0),
        Kind("500 even lengths", EVEN, 500, 0.1, 0.0),
    ]


def embedded_lengths() -> Codes:
    """Predicted events of each test session of the embedded log, by the split of a plain run."""
    plan = Plan()
    dataset = load_dataset(plan.dataset, reward=plan.reward, notify=lambda _: None)
    options = SplitOptions(
        name=dataset.default_split,
        test_share=plan.test_share,
        valid_share=plan.valid_share,
        unseen_items=plan.unseen_items,
        min_session_length=plan.min_session_length,
        min_item_support=plan.min_item_support,
    )
    split = make_split(dataset.log, options, test_log=None, source=str(dataset.source))
    return np.unique(events_from(split.test).sessions, return_counts=True)[1]


def draw_hits(rng: np.random.Generator, kind: Kind, gain: float) -> tuple[Values, Codes]:
    """Hits of two models on the same events, (n_events, 2), and each event's session.

    In the mean over all events both are as good, but that the first hits a share `gain` of what it
    would have missed.
    """
    lengths = rng.choice(kind.lengths, kind.n_sessions)
    mean = kind.chances(lengths)[:, None]
    a, b = mean * kind.concentration, (1 - mean) * kind.concentration
    chances = rng.beta(a, b, (kind.n_sessions, 2))
    # The second has half of its luck from the first, and is steadier.
    chances[:, 1] = chances.mean(1)
    chances[:, 0] += gain * (1 - chances[:, 0])
    sessions = np.repeat(np.arange(kind.n_sessions), lengths)
    return (rng.random((len(sessions), 2)) < chances[sessions]).astype(np.float64), sessions


def p_by_event(difference: Values) -> float:
    """Of the paired z-test, which takes events for independent."""
    z = difference.mean() / (difference.std(ddof=1) / math.sqrt(len(difference)))
    return math.erfc(abs(z) / math.sqrt(2))


def measure(kind: Kind, repeats: int, resamples: int) -> dict[str, float]:
    """Shares of intervals that hold the truth, and of false alarms."""
    rng = np.random.default_rng(1)
    mean, difference = kind.mean + GAIN * (1 - kind.mean), GAIN * (1 - kind.mean)
    found = dict.fromkeys(
        (
            "mean_held", "mean_held_by_percentiles", "difference_held",
            "difference_held_by_percentiles", "false_alarms", "false_alarms_by_event",
        ),
        0.0,
    )  # fmt: skip
    for seed in range(repeats):
        hits, sessions = draw_hits(rng, kind, GAIN)
        low, high = bootstrap_interval(hits[:, 0], sessions, resamples=resamples, seed=seed)
        columns = np.column_stack([hits[:, 0], hits[:, 0] - hits[:, 1]])
        lows, highs = interval(bootstrap_means(columns, sessions, resamples=resamples, seed=seed))
        test = paired_test(columns[:, 1], sessions, permutations=resamples, seed=seed)
        test_low, test_high = test.interval()
        found["mean_held"] += bool(low <= mean <= high)
        found["mean_held_by_percentiles"] += bool(lows[0] <= mean <= highs[0])
        found["difference_held"] += test_low <= difference <= test_high
        found["difference_held_by_percentiles"] += bool(lows[1] <= difference <= highs[1])
        hits, sessions = draw_hits(rng, kind, 0.0)
        by_event = hits[:, 0] - hits[:, 1]
        alarm = paired_test(by_event, sessions, permutations=resamples, seed=seed).p < LEVEL
        found["false_alarms"] += alarm
        found["false_alarms_by_event"] += p_by_event(by_event) < LEVEL
    return {name: times / repeats for name, times in found.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=2000, help="logs of each kind")
    parser.add_argument("--resamples", type=int, default=499, help="and permutations")
    options = parser.parse_args()
    figures = {
        kind.name: measure(kind, options.repeats, options.resamples)
        for kind in kinds(embedded_lengths())
    }
    header = ["sessions", *(name.replace("_", " ") for name in next(iter(figures.values())))]
    rows = [[name, *shares.values()] for name, shares in figures.items()]
    print(tabulate(rows, header, floatfmt=".3f", tablefmt="github"))
    error = math.sqrt(LEVEL * (1 - LEVEL) / options.repeats)
    print(f"\nMonte Carlo error of a share of 0.95 or 0.05: {error:.3f}\n")
    print(json.dumps({"figures": figures} | vars(options)))


if __name__ == "__main__":
    main()
