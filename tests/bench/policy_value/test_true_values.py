"""True values of a trial: what is stored comes back, and models keep their order."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from bench.policy_value.true_values import (
    TRUE_VALUES,
    read_true_values,
    true_values,
    write_true_values,
)
from datasets.errors import InputError
from datasets.simulation.loggers import make_logger
from datasets.simulation.sessions import item_ids
from datasets.simulation.worlds import make_world
from experiments.ordering.table_policy import TablePolicy
from models.recommender import Recommender


def test_each_cut_off_that_the_catalogue_can_fill_has_its_value(tmp_path: Path) -> None:
    world = make_world("static", n_items=12, n_interests=3)
    logger = make_logger("uniform", world)
    model = cast(Recommender, TablePolicy(world, logger.table))
    found = true_values(world, model, item_ids(12), [3, 20])
    assert list(found) == [1, 3]
    assert found[3].greedy.value > found[1].greedy.value, "three items are liked more than one"
    # Ten steps that show any item alike.
    drawn = found[1].distinct
    assert drawn is not None
    expected = 10 * world.click_probability.mean()
    assert drawn.low - 0.1 < expected < drawn.high + 0.1
    write_true_values(tmp_path, found)
    assert read_true_values(tmp_path) == found


def test_no_file_is_no_world_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    assert read_true_values(tmp_path) == {}
    for text in ("", "[]", '{"1": {"greedy": {"value": 1}}}', '{"one": {}}'):
        (tmp_path / TRUE_VALUES).write_text(text)
        with pytest.raises(InputError, match=r"true-values\.json cannot be read"):
            read_true_values(tmp_path)
