"""When further seeds decide nothing: an interval that is valid after every seed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from bench.stats.sign_flips import LEVEL, paired_test
from bench.stats.significance import Values

PERMUTATIONS = 1999
EFFECT_PRECISION = 0.1
"""c squared, the inverse variance of the normal prior on the mean, in standard deviations: two
models often differ by several of them over seeds."""


def always_valid_half_width(values: Sequence[float]) -> float:
    """Half the width of a confidence sequence for the mean of normal `values`, infinite while open.

    With probability 1 - LEVEL the mean lies within it of the values' average after every number
    of them at once, so that one may look after each and stop at any time: the t-test's
    e-process with a normal mixture over the effect (Wang and Ramdas, Anytime-valid t-tests and
    confidence sequences for Gaussian means with unknown variance, arXiv 2310.03722; the interval is
    older: Lai, Annals of Statistics 4, 1976). Of a hypothetical mean with deviations of sum S
    and sum of squares V, n of them, it is

        sqrt(c2 / (n + c2)) * ((n + c2) V / ((n + c2) V - S^2))^(n / 2),

    and the interval holds the means for which it is below 1 / LEVEL.
    """
    n = len(values)
    if n < 2:
        return math.inf
    squares = float(np.square(np.asarray(values) - np.mean(values)).sum())
    total = n + EFFECT_PRECISION
    log_ratio = 2 / n * (math.log(1 / LEVEL) + 0.5 * math.log(total / EFFECT_PRECISION))
    # S = n d and V = squares + n d^2, d the distance from the average: S^2 < bound V solved for d.
    bound = total * -math.expm1(-log_ratio)
    if bound >= n:
        return math.inf
    return math.sqrt(bound * squares / (n * (n - bound)))


def enough_seeds(by_model: Mapping[str, Sequence[Values]], sessions: ArrayLike) -> bool:
    """Whether another seed would not help to decide which model is best.

    `by_model` holds the headline metric of every test event, (n_events,), for each seed of each
    model, in the order of the seeds; `sessions` are the events' sessions, (n_events,). A model is
    decided if the interval over seeds of its difference from the best on average excludes 0, or is
    narrower than half of that over test sessions, which further seeds do not narrow.
    """
    n = min((len(trials) for trials in by_model.values()), default=0)
    if len(by_model) < 2 or n < 2:
        return len(by_model) < 2
    figures = {label: [float(v.mean()) for v in by_model[label][:n]] for label in by_model}
    best = max(figures, key=lambda label: sum(figures[label]))
    for label in figures.keys() - {best}:
        differences = np.subtract(figures[best], figures[label])
        half_width = always_valid_half_width(differences.tolist())
        if abs(differences.mean()) > half_width:
            continue
        by_event = np.mean(by_model[best][:n], axis=0) - np.mean(by_model[label][:n], axis=0)
        low, high = paired_test(by_event, sessions, permutations=PERMUTATIONS).interval()
        if half_width > (high - low) / 4:
            return False
    return True
