"""Training steps never ask a device for data, so that the host need not wait for a GPU.

Torch's meta device knows shapes and holds no numbers: an operation whose outcome depends on data
(`item`, `nonzero`, `unique`, a mask as index) raises there. Run on it, a step is shown to be free
of such operations, and all its tensors to be on the device, on machines without a GPU as well.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from datasets.session_log import SessionLog
from models.behaviour_cloning import BehaviourCloning, BehaviourCloningConfig
from models.common.sampling.distinct import distinct
from models.common.training import training_log, transfer
from models.gru4rec import Gru4Rec, Gru4RecConfig
from models.recommender import Progress
from models.reinforce import Reinforce, ReinforceConfig
from models.sasrec import SasRec, SasRecConfig
from models.sqn import Sqn, SqnConfig
from models.tocr import Tocr, TocrConfig
from models.weighted_likelihood import WeightedLikelihood, WeightedLikelihoodConfig

N_ITEMS, N_SESSIONS, LENGTH = 40, 30, 5
GRU4REC: dict[str, Any] = {"epochs": 1, "batch_size": 8, "negatives": 20, "layers": (6,)}
POLICY: dict[str, Any] = {"epochs": 1, "batch_size": 8, "negatives": 20, "width": 6}
SAMPLED = POLICY | {"full_softmax_items": 1}


class OnOneDevice(TorchDispatchMode):
    """Refuses an operation that mixes the device's tensors with the host's."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        # A single number of the host may be handed to any device.
        devices = {tensor.device.type for tensor in tensors if tensor.dim() > 0}
        copies = func in (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)
        assert len(devices) < 2 or copies, f"{func} of {devices}"
        return func(*args, **(kwargs or {}))


class Seedless:
    """Stands for a generator: the meta device has none."""

    def __init__(self, device: torch.device) -> None:
        del device

    def manual_seed(self, seed: int) -> None:
        """Give no generator at all."""


def log() -> SessionLog:
    n_events = N_SESSIONS * LENGTH
    rng = np.random.default_rng(1)
    return SessionLog(
        items=rng.integers(0, N_ITEMS, n_events).astype(np.int32),
        rewards=(np.arange(n_events) % 3 > 0).astype(np.float32),
        offsets=np.arange(0, n_events + 1, LENGTH),
        item_ids=np.array([f"item {code}" for code in range(N_ITEMS)]),
        session_ids=np.array([f"session {number}" for number in range(N_SESSIONS)]),
    )


def blind_progress(self: Any, epoch: int, *, epoch_ended: bool) -> Progress:
    """Of a training log, without the losses that it would wait for."""
    return Progress(epoch=epoch, epoch_ended=epoch_ended, events=1, total_events=1, loss=0.0)


def train_without_data(build: Callable[[], Any], patch: pytest.MonkeyPatch) -> Iterable[Progress]:
    patch.setattr(torch, "Generator", Seedless)
    patch.setattr(torch, "autocast", lambda device_type, enabled: contextlib.nullcontext())
    patch.setattr(training_log.TrainingLog, "_progress", blind_progress)
    # Its fused form is for devices that compute.
    adam = torch.optim.Adam
    patch.setattr(torch.optim, "Adam", lambda *args, fused, **options: adam(*args, **options))
    # Memory is pinned for a GPU alone.
    patch.setattr(Tensor, "pin_memory", lambda tensor: tensor)
    with OnOneDevice():
        return list(build().fit(log()))


@pytest.mark.parametrize(
    ("model", "config"),
    [
        (Gru4Rec, Gru4RecConfig(**GRU4REC, truncation=1, loss="cross-entropy", logq=0)),
        (Gru4Rec, Gru4RecConfig(**GRU4REC, truncation=4, logq=1, momentum=0.2)),
        (Gru4Rec, Gru4RecConfig(**GRU4REC, logq=1, logq_form="official", embedding="separate")),
        (Gru4Rec, Gru4RecConfig(**GRU4REC, loss="bpr-max", embedding="none")),
        (SasRec, SasRecConfig(epochs=1, batch_size=8, width=6, negatives=20, full_softmax_items=1)),
        (Sqn, SqnConfig(epochs=1, batch_size=8, width=6)),
        (BehaviourCloning, BehaviourCloningConfig(**SAMPLED)),
        (WeightedLikelihood, WeightedLikelihoodConfig(**SAMPLED)),
        (Reinforce, ReinforceConfig(**SAMPLED)),
        (Tocr, TocrConfig(**SAMPLED, behaviour_negatives=8)),
        (Tocr, TocrConfig(**POLICY, cell="gru", behaviour="network", normalised=True, kl=0.1)),
        (Tocr, TocrConfig(**SAMPLED, zero_reward_in_state=False, dropout_hidden=0.2)),
    ],
)
def test_a_step_asks_the_device_for_nothing(
    model: Any, config: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    progress = train_without_data(lambda: model(config, seed=1, device="meta"), monkeypatch)
    assert progress


def test_the_meta_device_would_notice() -> None:
    codes = torch.zeros(3, dtype=torch.int64, device="meta")
    for asks in (torch.unique, torch.nonzero, Tensor.tolist, lambda tensor: tensor[tensor > 0]):
        with pytest.raises(NotImplementedError):
            asks(codes)
    with pytest.raises(AssertionError, match="of"), OnOneDevice():
        codes.index_select(0, torch.zeros(1, dtype=torch.int64))


def test_items_of_a_device_keep_their_number() -> None:
    codes = torch.zeros(3, dtype=torch.int64, device="meta")
    used, places = distinct(codes, n_items=2)
    assert used.shape == places.shape == (3,)


def test_an_array_stays_where_it_is_on_the_host() -> None:
    array = np.arange(3)
    assert transfer.on_device(array, torch.device("cpu")).data_ptr() == array.ctypes.data
