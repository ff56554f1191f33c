"""The reward model of the direct method: the mean reward of each item in training."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from datasets.session_log import SessionLog

SHRINKAGE = 10
"""Pseudo-events with the mean reward, added to each item's own events."""


def item_reward_model(train: SessionLog) -> NDArray[np.float64]:
    """q(a): mean reward of each item in training, shrunk to the mean of all, (n_items,).

    (sum of the item's rewards + m r) / (its events + m) over events that have a prefix, as those of
    the test do, with r their mean and m = `SHRINKAGE`: an item without such an event has q = r.
    """
    followed = train.position_in_session > 0
    items, rewards = train.items[followed], np.asarray(train.rewards[followed], dtype=np.float64)
    sums = np.bincount(items, weights=rewards, minlength=train.n_items)
    times = np.bincount(items, minlength=train.n_items)
    return np.asarray((sums + SHRINKAGE * rewards.mean()) / (times + SHRINKAGE))
