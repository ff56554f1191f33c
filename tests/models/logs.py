"""Small logs, and what tests of models do with them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from datasets.session_log import SessionLog
from datasets.splitting.splits import Split, SplitOptions, make_split
from models.recommender import Progress, Recommender


def make_log(
    sessions: Iterable[Sequence[Any]],
    *,
    rewards: Sequence[float] | None = None,
    times: Sequence[float] | None = None,
    catalogue: Sequence[Any] | None = None,
) -> SessionLog:
    """A log of sessions of item ids, such as "ABC"; rewards and times are those of all events."""
    sessions = list(sessions)
    events = [str(item) for session in sessions for item in session]
    item_ids = [str(item) for item in catalogue] if catalogue is not None else sorted(set(events))
    code_of = {item: code for code, item in enumerate(item_ids)}
    return SessionLog(
        items=np.array([code_of[item] for item in events], dtype=np.int32),
        rewards=np.array([1.0] * len(events) if rewards is None else rewards, dtype=np.float32),
        offsets=np.cumsum([0, *map(len, sessions)]).astype(np.int64),
        item_ids=np.array(item_ids),
        session_ids=np.array([f"s{i}" for i in range(len(sessions))]),
        times=None if times is None else np.array(times),
    )


def random_log(
    n_sessions: int, *, n_items: int, longest: int, seed: int, shortest: int = 2
) -> SessionLog:
    """Sessions of uniform items and lengths, with a reward for about every second event."""
    rng = np.random.default_rng(seed)
    sessions = [
        rng.integers(n_items, size=length)
        for length in rng.integers(shortest, longest, n_sessions, endpoint=True)
    ]
    rewards = rng.integers(0, 2, sum(map(len, sessions))).astype(float)
    return make_log(sessions, rewards=rewards.tolist(), catalogue=range(n_items))


def fixed_split(train: SessionLog, test: SessionLog) -> Split:
    """All of `train` to train on, no validation, and `test` for the test."""
    return make_split(train, SplitOptions("fixed", valid_share=0), test_log=test, source="log.csv")


def trained(
    model_class: Any, config: Any, train: SessionLog, *, seed: int = 1
) -> tuple[Any, list[Progress]]:
    """A model that has trained to its end, and all that it yielded."""
    model = model_class(config, seed=seed, device="cpu")
    return model, list(model.fit(train))


def weights(model: Recommender) -> dict[str, torch.Tensor]:
    """What a model saves and trains; not what it decided by its log."""
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder))
        saved = torch.load(Path(folder) / "weights.pt", weights_only=True)
    return {name: value for name, value in saved.items() if value.is_floating_point()}
