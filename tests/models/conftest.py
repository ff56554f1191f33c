"""One thread for all tests of models, and the compiled loops of training or their plain twins."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from models.common.sampling import distinct
from models.common.training import adagrad


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """Models of this size run no faster on more, and who else measures here is not disturbed."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=["numba", "torch"])
def loops(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a training step runs on: once the compiled loops, once torch as on a GPU."""
    if request.param == "torch":
        monkeypatch.setattr(distinct, "compiled_first_places", lambda: None)
        monkeypatch.setattr(adagrad, "compiled_row_update", lambda: None)
