"""How often a comparison calls a difference that is none, and how often its interval is right.

Pairs of models are drawn whose hits depend on the session as those of real ones do: each session
is easier or harder, for both alike and for each by itself. A false alarm is a p-value below 0.05
though both are equally good in the mean. By session, as the tables have it, 5 % of the comparisons
should raise one; a test that takes the events of a session for independent raises more. Then one
model is better by a known margin, and 95 % of the intervals should hold it. Monte Carlo errors
stand beside the shares. The last line is one JSON object.

    python experiments/false_alarms.py
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

# Started as a file, Python looks for modules in this folder alone.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.comparison import LEVEL
from bench.significance import bootstrap_interval, sign_flipped_totals, two_sided_p

Values = NDArray[np.float64]
MEAN, SPREAD_OF_SESSIONS, SPREAD_OF_MODELS = 0.45, 0.1, 0.3
MARGIN = 0.03
LONGEST = 20


def draw_hits(
    rng: np.random.Generator, n_sessions: int, margin: float
) -> tuple[Values, NDArray[np.int64]]:
    """Hits of two models on the same events, (n_events, 2), and each event's session.

    The first model's chance of a hit is higher by `margin` in the mean over events, whatever their
    sessions' lengths.
    """
    lengths = rng.integers(1, LONGEST + 1, n_sessions)
    shared = rng.uniform(-SPREAD_OF_SESSIONS, SPREAD_OF_SESSIONS, (n_sessions, 1))
    own = rng.uniform(-SPREAD_OF_MODELS, SPREAD_OF_MODELS, (n_sessions, 2))
    chances = MEAN + shared + own + np.array([margin, 0.0])
    sessions = np.repeat(np.arange(n_sessions), lengths)
    hits = rng.random((len(sessions), 2)) < chances[sessions]
    return hits.astype(np.float64), sessions


def p_by_event(difference: Values) -> float:
    """Of the paired z-test, which takes events for independent."""
    z = difference.mean() / (difference.std(ddof=1) / math.sqrt(len(difference)))
    return math.erfc(abs(z) / math.sqrt(2))


def measure(comparisons: int, n_sessions: int, resamples: int) -> dict[str, float]:
    """Shares of false alarms and of intervals that hold the margin."""
    rng = np.random.default_rng(1)
    alarms_by_session = alarms_by_event = held = 0
    for _ in range(comparisons):
        hits, sessions = draw_hits(rng, n_sessions, margin=0.0)
        difference = hits[:, 0] - hits[:, 1]
        flipped = sign_flipped_totals(difference, sessions, permutations=resamples)
        by_session = np.bincount(sessions, weights=difference)
        alarms_by_session += two_sided_p(flipped[:, 0], by_session) < LEVEL
        alarms_by_event += p_by_event(difference) < LEVEL
        hits, sessions = draw_hits(rng, n_sessions, margin=MARGIN)
        low, high = bootstrap_interval(hits[:, 0] - hits[:, 1], sessions, resamples=resamples)
        held += bool(low <= MARGIN <= high)
    return {
        "false_alarms_by_session": alarms_by_session / comparisons,
        "false_alarms_by_event": alarms_by_event / comparisons,
        "intervals_with_the_margin": held / comparisons,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--comparisons", type=int, default=1000)
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--resamples", type=int, default=999, help="and permutations")
    options = parser.parse_args()
    figures = measure(options.comparisons, options.sessions, options.resamples)
    rows = [
        (name, share, (share * (1 - share) / options.comparisons) ** 0.5)
        for name, share in figures.items()
    ]
    header = ("figure", "share", "Monte Carlo error")
    print(tabulate(rows, header, floatfmt=".3f", tablefmt="github"))
    print(json.dumps(figures | vars(options)))


if __name__ == "__main__":
    main()
