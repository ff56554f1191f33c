"""A simulated log by its description."""

from __future__ import annotations

import numpy as np
import pytest

from datasets.dataset import Dataset
from datasets.errors import InputError
from datasets.registry import list_datasets, load_dataset
from datasets.simulated import Description, parse


def load(description: str, reward: str | None = None) -> Dataset:
    return load_dataset(description, reward=reward, notify=lambda line: None)


def test_the_log_that_is_described() -> None:
    dataset = load("simulated:world=boredom,logger=uniform,sessions=50,items=30,interests=3,seed=9")
    assert dataset.log.n_sessions == 50
    assert dataset.log.n_items == 30
    assert np.unique(dataset.log.propensities[1:2]).tolist() == [np.float32(1 / 30)]
    assert dataset.world is not None
    assert (dataset.world.name, dataset.world.n_interests) == ("boredom", 3)
    assert dataset.default_split == "temporal"
    assert "world boredom" in dataset.notes[0]
    assert "logger uniform" in dataset.notes[1]
    assert "propensities are true" in dataset.notes[1]


def test_the_name_says_all_that_was_chosen_and_gives_the_same_log() -> None:
    dataset = load("simulated:sessions=40")
    default = Description()
    assert dataset.name == (
        f"simulated:world={default.world},logger={default.logger},sessions=40,"
        f"items={default.items},interests={default.interests},seed={default.seed}"
    )
    assert load(dataset.name).log.fingerprint() == dataset.log.fingerprint()
    assert load("simulated:sessions=40,seed=2").log.fingerprint() != dataset.log.fingerprint()


def test_defaults_and_digits() -> None:
    assert parse("simulated:") == Description()
    assert parse("simulated:sessions=1_000,").sessions == 1000
    assert parse("simulated:correlation=0.6").correlation == 0.6
    assert "correlation=0.6" in str(parse("simulated:correlation=0.6"))
    assert "simulated:" in list_datasets()


def test_all_ones_on_request() -> None:
    assert set(load("simulated:sessions=20", "click").log.rewards.tolist()) == {0.0, 1.0}
    dataset = load("simulated:sessions=20", "all")
    assert set(dataset.log.rewards.tolist()) == {1.0}
    assert "by --reward all" in dataset.notes[2]
    assert dataset.world is dataset.logger is None, "its histories no longer tell what was clicked"
    with pytest.raises(InputError, match="--reward rating: not one of click, all"):
        load("simulated:", "rating")


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ("simulated:wrld=drift", "unknown key 'wrld' of a simulated log; did you mean 'world'?"),
        ("simulated:world=drft", "unknown world 'drft'; did you mean 'drift'?"),
        ("simulated:logger=unifrom", "unknown logger 'unifrom'; did you mean 'uniform'?"),
        ("simulated:sessions=many", "sessions must be a whole number, 1 or greater, not 'many'"),
        ("simulated:sessions=0", "1 or greater, not '0'"),
        ("simulated:seed=-1", "0 or greater, not '-1'"),
        ("simulated:correlation=2", "correlation must be a number from 0 to 1, not '2'"),
        ("simulated:correlation=high", "correlation must be a number from 0 to 1"),
        ("simulated:seed=1.5", "seed must be a whole number"),
        ("simulated:world", "write world=drift"),
        ("simulated:world=", "write world=drift"),
        ("simulated:seed=1,seed=2", "write seed=1, once"),
        ("simulated:items=3", "3 items cannot meet 5 interests"),
        ("simulatd:world=drift,seed=1.5", "did you mean 'simulated:'?"),
        ("simulated", "did you mean 'simulated:'?"),
    ],
)
def test_refuses_with_the_fix(description: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        load(description)
    assert message in str(caught.value)
