"""Logging policies of a simulated world, with known probabilities.

A logger sees the interest of the item that was clicked last, the session's observed class, and
draws the next item from that class's row of a table. All tables have full support.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from datasets.errors import InputError, nearest_hint
from datasets.session_log import IntArray
from datasets.simulation.worlds import Table, World, draw_items

LOGGERS: dict[str, str] = {
    "uniform": "every item alike",
    "popularity": "in proportion to popularity, which is independent of worth unless correlated",
    "inverse": "in inverse proportion to what an item is worth on average",
    "softmax-cold": "softmax of a noisy estimate of what items are worth, at a low temperature",
    "softmax-warm": "the same at a high temperature",
    "cascade": "sixty rules that each show one item to each class, taken up in turn, and uniform",
}
"""Name of each logger to a line about it."""

EXPLORED = 0.1
"""Share of the uniform distribution in softmax and cascade, which gives them full support."""
RULES = 60
"""Deterministic rules of the cascade."""
SESSIONS_A_DAY = 100
"""Sessions that begin with the same rule of the cascade."""


@dataclass(frozen=True, eq=False)
class Logger:
    """A logging policy with known probabilities."""

    name: str
    table: Table
    """Probability of each item for each observed class, rows sum to 1, (m, n)."""
    rules: IntArray | None = None
    """Item that each deterministic rule shows to each class, (D, m); None: draws from the table."""

    def show(
        self, classes: IntArray, sessions: IntArray, step: int, rng: np.random.Generator
    ) -> IntArray:
        """Item shown to each session at `step`, (n,), given its observed class and its number.

        Rules take turns: each day starts with another rule, and each step takes the next one, so
        that over the days a step's items follow the table.
        """
        if self.rules is None:
            return draw_items(self.table, classes, rng)
        day = sessions // SESSIONS_A_DAY
        shown = self.rules[(day + step) % len(self.rules), classes]
        explored = rng.random(len(classes)) < EXPLORED
        anything = rng.integers(self.table.shape[1], size=len(classes))
        return np.where(explored, anything, shown)


def make_logger(name: str, world: World, *, seed: int = 1) -> Logger:
    """One of `LOGGERS` in `world`; raises InputError if there is no such logger.

    The seed draws the errors in a logger's beliefs about what items are worth.
    """
    if name not in LOGGERS:
        raise InputError(f"unknown logger '{name}'; {nearest_hint(name, LOGGERS, 'choose one of')}")
    n_classes, n_items = world.click_probability.shape
    uniform = np.full((n_classes, n_items), 1 / n_items)
    worth = world.click_probability * world.values
    if name == "uniform":
        return Logger(name, uniform)
    if name == "popularity":
        return Logger(name, np.tile(world.popularity, (n_classes, 1)))
    if name == "inverse":
        inverse = 1 / worth.mean(axis=0)
        return Logger(name, np.tile(inverse / inverse.sum(), (n_classes, 1)))
    rng = np.random.default_rng([seed, 1])
    if name == "cascade":
        beliefs = world.popularity + rng.gumbel(0, 0.1, (RULES, n_classes, n_items))
        rules = beliefs.argmax(axis=2)
        shares = np.zeros((n_classes, n_items))
        np.add.at(shares, (np.arange(n_classes)[None, :], rules), 1 / RULES)
        return Logger(name, EXPLORED * uniform + (1 - EXPLORED) * shares, rules)
    spread = worth.std() or 1.0
    belief = worth + rng.normal(0, 2 * spread, worth.shape)
    temperature = spread * {"softmax-cold": 0.5, "softmax-warm": 2.0}[name]
    exponent = belief / temperature
    softmax = np.exp(exponent - exponent.max(axis=1, keepdims=True))
    softmax /= softmax.sum(axis=1, keepdims=True)
    return Logger(name, EXPLORED * uniform + (1 - EXPLORED) * softmax)
