"""Distinct items of a step, compiled and not."""

from __future__ import annotations

import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.common.sampling import distinct as module
from models.common.sampling.distinct import compiled_first_places, distinct
from models.common.training.compiled import compiled

N_ITEMS = 12
CODES = st.lists(st.integers(0, N_ITEMS - 1), max_size=40)


@given(CODES)
def test_each_item_once_in_the_order_in_which_it_first_comes(codes: list[int]) -> None:
    assert compiled_first_places() is not None
    used, places = distinct(torch.tensor(codes, dtype=torch.int64), N_ITEMS)
    assert used.tolist() == list(dict.fromkeys(codes))
    assert used[places].tolist() == codes


@given(CODES)
def test_without_a_compiler_codes_find_their_first_place(codes: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "compiled_first_places", lambda: None)
        used, places = distinct(torch.tensor(codes, dtype=torch.int64), N_ITEMS)
    assert used.tolist() == codes
    assert places.tolist() == [codes.index(code) for code in codes]


def _nothing() -> None:
    """A loop of no rounds."""


def test_without_numba_there_is_no_compiled_form(monkeypatch: pytest.MonkeyPatch) -> None:
    assert compiled(_nothing, "void()") is not None
    compiled.cache_clear()
    monkeypatch.setitem(sys.modules, "numba", None)
    assert compiled(_nothing, "void()") is None
    compiled.cache_clear()
