"""The law that a simulated world's sessions move by, beside the draws from it."""

from __future__ import annotations

import numpy as np

from datasets.simulation.worlds import Table, World


def transition(world: World, item: int, clicked: bool) -> Table:
    """P(interest after, session goes on | interest before), (m, m): the law of `World.move`."""
    m = world.n_interests
    drifted = (1 - world.drift) * np.eye(m) + world.drift / m
    if not clicked:
        return drifted * world.stay_unclicked
    pulled = np.zeros(m)
    pulled[world.interests[item]] = 1.0
    moved: Table = (world.pull * pulled + (1 - world.pull) * drifted) * world.stay[item]
    return moved
