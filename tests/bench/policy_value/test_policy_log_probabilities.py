"""Columns of a policy: a dense softmax says the same, whatever the tiles; their file."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from bench.policy_value import policy_log_probabilities as module
from bench.policy_value.policy_log_probabilities import policy_columns
from bench.policy_value.reward_model import SHRINKAGE, item_reward_model
from bench.ranking.score_blocks import ScoreError
from bench.store.policy_columns import POLICY, PolicyColumns, read_policy, write_policy
from datasets.errors import InputError
from datasets.session_log import SessionLog
from datasets.splitting.held_out import HeldOut
from models.recommender import Factors, Recommender, policy_temperature
from models.registry import load_model
from tests.bench.held_out_logs import held_out_of, log_of

N_ITEMS = 37
SESSIONS = [[3, 1, 4, 1], [36, 9], [2, 6, 5, 3, 5, 8, 0]] * 4
MISSED = [(0, 1), (40, 0)]


class ByLastItem:
    """State of a prefix: the vector of its last item; its own log beta says what was logged."""

    device = "cpu"

    def __init__(self, scale: float = 1.0) -> None:
        rng = np.random.default_rng(5)
        self.vectors = (scale * rng.normal(size=(N_ITEMS, 8))).astype(np.float32)
        self.bias = rng.normal(size=N_ITEMS).astype(np.float32)

    def score(self, sessions: SessionLog) -> NDArray[np.float32]:
        states, items, bias = Factored.factors(cast(Factored, self), sessions)
        return states @ items.T + bias

    def log_propensities(self, sessions: SessionLog) -> NDArray[np.float32]:
        return -sessions.items[sessions.position_in_session > 0].astype(np.float32)


class Factored(ByLastItem):
    """The same in factored form."""

    def factors(self, sessions: SessionLog) -> Factors:
        at = np.flatnonzero(sessions.position_in_session > 0)
        return Factors(self.vectors[sessions.items[at - 1]], self.vectors, self.bias)


def held_out(missed: list[tuple[int, int]] | None = None, *, logger: bool = True) -> HeldOut:
    """Sessions of which not every event is a target, and whose logger is known or not."""
    found = held_out_of(SESSIONS, N_ITEMS, missed=missed)
    is_target = found.is_target.copy()
    is_target[5] = is_target[8] = False
    log = found.log
    if logger:
        propensities = np.full(log.n_events, 0.5, dtype=np.float32)
        log = dataclasses.replace(log, propensities=propensities)
    return HeldOut(log, is_target, found.missed)


def dense(
    model: ByLastItem, test: HeldOut, rewards: NDArray[np.float64], temperature: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both columns of the scored events in double precision, from all scores at once."""
    rows = test.is_target[test.log.position_in_session > 0]
    scores = torch.from_numpy(model.score(test.log)[rows]).double() / temperature
    log_pi = scores.log_softmax(1).numpy()
    targets = test.log.items[test.is_target]
    return log_pi[np.arange(len(targets)), targets], np.exp(log_pi) @ rewards


@pytest.mark.parametrize("model_class", [ByLastItem, Factored])
@pytest.mark.parametrize("temperature", [1.0, 0.2])
@pytest.mark.parametrize("tile", [(512, 1024), (5, 7), (1, 36)])
def test_a_dense_softmax_says_the_same(
    model_class: type[ByLastItem],
    temperature: float,
    tile: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "TILE_SHAPE", tile)
    model, test = model_class(), held_out(MISSED)
    rewards = np.random.default_rng(1).normal(size=N_ITEMS)
    found = policy_columns(
        cast(Recommender, model), test, rewards,
        temperature=temperature, block_scores=3 * N_ITEMS, model_name="m",
    )  # fmt: skip
    log_pi, reward = dense(model, test, rewards, temperature)
    assert len(log_pi) == test.n_targets - 2
    np.testing.assert_allclose(found.log_policy[:-2], log_pi, atol=2e-5)
    np.testing.assert_allclose(found.reward_model[:-2], reward, atol=2e-5)
    assert found.log_policy[-2:].tolist() == [-np.inf, -np.inf]
    np.testing.assert_allclose(found.reward_model[-2:], reward.mean(), atol=2e-5)
    assert found.log_own_propensities is not None
    np.testing.assert_array_equal(
        found.log_own_propensities, [*-test.log.items[test.is_target].astype(float), np.nan, np.nan]
    )


def test_a_policy_that_is_nearly_sure_has_no_probability_above_one() -> None:
    model, test = Factored(scale=30.0), held_out()
    found = policy_columns(
        cast(Recommender, model), test, np.ones(N_ITEMS), temperature=1.0, model_name="m"
    )
    assert found.log_policy.max() <= 0
    assert found.log_policy.min() < -500, "far below the smallest float32"
    np.testing.assert_allclose(
        found.log_policy, dense(model, test, np.ones(N_ITEMS), 1.0)[0], rtol=1e-5, atol=1e-3
    )
    np.testing.assert_allclose(found.reward_model, 1)


def test_an_item_that_is_ruled_out_has_no_probability(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TILE_SHAPE", (5, 4))
    model, test = Factored(), held_out()
    model.bias[:6] = -np.inf  # all of the first tile
    rewards = np.arange(N_ITEMS, dtype=np.float64)
    found = policy_columns(cast(Recommender, model), test, rewards, temperature=1.0, model_name="m")
    log_pi, reward = dense(model, test, rewards, 1.0)
    ruled_out = test.log.items[test.is_target] < 6
    assert (found.log_policy == -np.inf).tolist() == ruled_out.tolist()
    np.testing.assert_allclose(found.log_policy, log_pi, atol=2e-5)
    np.testing.assert_allclose(found.reward_model, reward, rtol=1e-5)


def test_scores_without_a_softmax_are_refused() -> None:
    for wrong, items in ((np.nan, [7]), (np.inf, [7]), (-np.inf, range(N_ITEMS))):
        model = Factored()
        model.bias[list(items)] = wrong
        with pytest.raises(ScoreError, match="m: a score is NaN or infinite"):
            policy_columns(
                cast(Recommender, model), held_out(), np.ones(N_ITEMS), temperature=1.0,
                model_name="m",
            )  # fmt: skip


def test_without_a_known_logger_nobody_asks_for_the_models_own() -> None:
    found = policy_columns(
        cast(Recommender, Factored()), held_out(logger=False), np.ones(N_ITEMS),
        temperature=1.0, model_name="m",
    )  # fmt: skip
    assert found.log_own_propensities is None


def test_items_rewards_are_means_shrunk_to_that_of_all() -> None:
    # Rewards are 0, 1, ..., 5, those of first events 0 and 3; item 2 is no event's.
    found = item_reward_model(log_of([[0, 1, 0], [1, 1, 1]], 3))
    m, mean = SHRINKAGE, (1 + 2 + 4 + 5) / 4
    assert found.tolist() == pytest.approx(
        [(2 + m * mean) / (1 + m), (1 + 4 + 5 + m * mean) / (3 + m), mean]
    )


@pytest.mark.parametrize("name", ["tocr", "gru4rec", "reinforce", "behaviour_cloning"])
def test_models_that_are_policies_say_so_and_have_columns(name: str) -> None:
    model_class = load_model(name).model_class
    config = model_class.Config(epochs=1)
    model = model_class(config, seed=1, device="cpu")
    for _ in model.fit(log_of(SESSIONS, N_ITEMS)):
        pass
    temperature = policy_temperature(model)
    assert temperature == 1
    test = held_out()
    found = policy_columns(model, test, np.ones(N_ITEMS), temperature=temperature, model_name=name)
    np.testing.assert_allclose(
        found.log_policy, dense(model, test, np.ones(N_ITEMS), 1.0)[0], atol=1e-4
    )
    assert (found.log_own_propensities is None) == (name != "tocr")


def test_files_come_back_and_others_are_refused(tmp_path: Path) -> None:
    assert read_policy(tmp_path, 3) is None
    columns = PolicyColumns(np.array([-1, -np.inf, 0]), np.array([0.5, 0.25, 1]))
    write_policy(tmp_path, columns)
    found = read_policy(tmp_path, 3)
    assert found is not None
    assert found.log_policy.tolist() == columns.log_policy.tolist()
    assert found.reward_model.tolist() == columns.reward_model.tolist()
    assert found.log_own_propensities is None
    write_policy(
        tmp_path, PolicyColumns(columns.log_policy, columns.reward_model, np.array([-3.0] * 3))
    )
    found = read_policy(tmp_path, 3)
    assert found is not None and found.log_own_propensities is not None
    assert found.log_own_propensities.tolist() == [-3] * 3
    with pytest.raises(InputError, match=r"shape \(3, 3\), not a row for each of 4 events"):
        read_policy(tmp_path, 4)
    (tmp_path / POLICY).write_bytes(b"no array")
    with pytest.raises(InputError, match=r"policy\.npy cannot be read"):
        read_policy(tmp_path, 3)
