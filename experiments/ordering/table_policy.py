"""A policy of a simulated world that is a table of probabilities, such as a logger."""

from __future__ import annotations

import numpy as np

from datasets.session_log import SessionLog
from datasets.simulation.sessions import observed_classes
from datasets.simulation.worlds import Table, World
from models.recommender import FloatMatrix


class TablePolicy:
    """Scores are logs of a table's probabilities for the observed class, as a logger sees it."""

    policy_temperature = 1.0

    def __init__(self, world: World, table: Table) -> None:
        self._world = world
        self._log_table = np.log(table).astype(np.float32)

    def score(self, sessions: SessionLog) -> FloatMatrix:
        """Log-probability of every item after every prefix, (n_prefixes, n_items)."""
        classes = observed_classes(self._world, sessions)
        followed = np.ones(sessions.n_events, dtype=np.bool_)
        followed[sessions.offsets[1:] - 1] = False
        return np.asarray(self._log_table[classes[followed]])
