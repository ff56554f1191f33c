"""Whole users go to one side, as many as asked for, and no event is lost."""

from __future__ import annotations

import numpy as np
import pandas as pd

from experiments.hold_out_users import cut


def test_users_stay_whole_and_are_those_of_the_permutation() -> None:
    events = pd.DataFrame({"session_id": np.repeat(range(100, 130), 4), "item_id": range(120)})
    train, test = cut(events.sample(frac=1, random_state=1), share=0.1, seed=42)
    expected = np.random.default_rng(42).permutation(np.arange(100, 130))[:3]
    assert set(test["session_id"]) == set(expected)
    assert test["session_id"].value_counts().tolist() == [4, 4, 4]
    assert sorted(pd.concat([train, test])["item_id"]) == list(range(120))
