"""Logs of a simulated world: what a logger showed, with its propensities, and what was clicked."""

from __future__ import annotations

import numpy as np

from datasets.session_log import IntArray, SessionLog, StringArray
from datasets.simulation.loggers import Logger
from datasets.simulation.worlds import World

STEP_SECONDS = 30
"""Seconds between two events of a session."""
START_SECONDS = 600
"""Seconds between the starts of two sessions."""


def draw_log(world: World, logger: Logger, n_sessions: int, *, seed: int) -> SessionLog:
    """Draw `n_sessions` sessions of `world` to which `logger` shows one item a step.

    An event is an item shown. Its reward is what its click pays, 0 without a click; the entry event
    of each session has reward 1. Propensities are the logger's true probabilities; that of the
    entry is its share among entry items, as no policy chose it. The ids of items are their codes in
    the world. The same arguments give the same log, with the same version of numpy.

    Raises:
        ValueError: if there is no session to draw, or the seed is negative.
    """
    if n_sessions < 1 or seed < 0:
        raise ValueError("n_sessions must be at least 1 and seed 0 or greater")
    rng = np.random.default_rng(seed)
    interests, entries = world.begin(n_sessions, rng)
    alive = np.arange(n_sessions)
    classes = world.interests[entries]
    steps = [(alive, entries, np.ones(n_sessions), world.entry.mean(axis=0)[entries])]
    for step in range(world.horizon):
        items = logger.show(classes, alive, step, rng)
        clicked = world.likes(interests, items, step, rng)
        rewards = np.where(clicked, world.values[items], 0.0)
        steps.append((alive, items, rewards, logger.table[classes, items]))
        classes = np.where(clicked, world.interests[items], classes)
        interests, continues = world.move(interests, items, clicked, rng)
        alive, interests, classes = alive[continues], interests[continues], classes[continues]
    lengths = np.zeros(n_sessions, dtype=np.int64)
    for sessions, *_ in steps:
        lengths[sessions] += 1
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    columns = np.empty((3, offsets[-1]))
    position = np.empty(offsets[-1], dtype=np.int64)
    for step, (sessions, *values) in enumerate(steps):
        events = offsets[sessions] + step
        position[events] = step
        for column, value in zip(columns, values, strict=True):
            column[events] = value
    starts = np.repeat(np.arange(n_sessions) * START_SECONDS, lengths)
    return SessionLog(
        items=columns[0].astype(np.int32),
        rewards=columns[1].astype(np.float32),
        offsets=offsets,
        item_ids=item_ids(world.n_items),
        session_ids=item_ids(n_sessions),
        times=starts + position * STEP_SECONDS,
        propensities=columns[2].astype(np.float32),
    )


def observed_classes(world: World, log: SessionLog) -> IntArray:
    """Interest of the item clicked last, up to and with each event, (n_events,).

    It is what a logger sees when it chooses the event after. The first event of a session counts as
    clicked.
    """
    clicked = (np.asarray(log.rewards) > 0) | (log.position_in_session == 0)
    last = np.maximum.accumulate(np.where(clicked, np.arange(log.n_events), 0))
    return np.asarray(world.interests[log.items[last]])


def item_ids(n: int) -> StringArray:
    """Codes 0 to n - 1 as ids, (n,)."""
    return np.arange(n).astype(f"<U{len(str(n - 1))}")
