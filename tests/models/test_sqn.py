"""SQN: targets and training against slow loops, and what stays apart from what."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.ranking.rank_targets import rank_targets
from models.common.recurrent.carried_states import CarriedStates
from models.common.recurrent.session_states import session_states
from models.common.sessions.session_batches import SessionBatches
from models.conformance import check_recommender
from models.recommender import DivergedError, FactoredRecommender
from models.sqn import Head, Sqn, SqnConfig, td_targets
from tests.models.logs import fixed_split, make_log, random_log, trained, weights

SMALL = SqnConfig(epochs=1, batch_size=4, truncation=4, width=6)
N_ITEMS = 15
LOG = random_log(7, n_items=N_ITEMS, longest=9, seed=5, shortest=1)

Parameters = dict[str, Tensor]


def small(**options: Any) -> SqnConfig:
    return dataclasses.replace(SMALL, **options)


def head(seed: int) -> Head:
    torch.manual_seed(seed)
    made = Head(N_ITEMS, 6)
    nn.init.normal_(made.bias)
    return made


@torch.no_grad()
def test_targets_are_those_of_a_loop_over_transitions() -> None:
    generator = torch.Generator().manual_seed(1)
    states = torch.randn(30, 6, generator=generator)
    rewards = torch.rand(30, generator=generator)
    terminal = torch.rand(30, generator=generator) < 0.4
    learner, other = head(1), head(2)
    found = td_targets(states, rewards, torch.nonzero(~terminal)[:, 0], learner, other, 0.7)
    n_disagree = 0
    for i in range(30):
        expected = float(rewards[i])
        if not terminal[i]:
            by_learner = [
                float(w @ states[i] + b) for w, b in zip(*learner.parameters(), strict=True)
            ]
            by_other = [float(w @ states[i] + b) for w, b in zip(*other.parameters(), strict=True)]
            best = max(range(N_ITEMS), key=by_learner.__getitem__)
            n_disagree += by_other[best] < max(by_other)
            expected += 0.7 * by_other[best]
        assert float(found[i]) == pytest.approx(expected, abs=1e-5)
    assert n_disagree > 5, "one head that selects and values would pass as well"


def test_a_terminal_action_is_worth_its_reward() -> None:
    rewards, none_goes_on = torch.tensor([0.2, 1.0]), torch.empty(0, dtype=torch.int64)
    nowhere = torch.full((2, 6), torch.nan)
    assert torch.equal(td_targets(nowhere, rewards, none_goes_on, head(1), head(2), 0.5), rewards)


def test_no_gradient_flows_through_a_target() -> None:
    states = torch.randn(3, 6, requires_grad=True)
    assert not td_targets(
        states, torch.ones(3), torch.arange(3), head(1), head(2), 0.5
    ).requires_grad


@pytest.mark.parametrize("batch_size", [1, 3, 50])
@pytest.mark.parametrize("truncation", [1, 4, 50])
def test_the_next_state_is_that_after_the_action(batch_size: int, truncation: int) -> None:
    """Against whole sessions of the encoder, across windows and where a slot changes session."""
    log = random_log(9, n_items=N_ITEMS, longest=11, seed=5, shortest=1)
    model = Sqn(SMALL, seed=1, device="cpu")
    torch.manual_seed(1)
    model._build(N_ITEMS)
    network = model._network
    states = session_states(network.encoder, network.inputs, log, model.device)
    after_event = dict(
        zip(np.flatnonzero(np.append(log.position_in_session[1:] > 0, False)), states, strict=True)
    )
    items = torch.from_numpy(log.items.astype(np.int64))
    batches = SessionBatches(log, batch_size=batch_size, window=truncation)
    carried = CarriedStates(network.encoder, batches.n_slots, model.device)
    n_next = 0
    for window in batches:
        before, after = model._window_states(window, carried, items)
        assert before.requires_grad
        assert not after.requires_grad
        for event, old, new in zip(
            window.events.ravel()[window.acting], before.detach(), after, strict=True
        ):
            np.testing.assert_allclose(old, after_event[event], atol=1e-6)
            if event + 1 in after_event and log.position_in_session[event + 1] > 0:
                np.testing.assert_allclose(new, after_event[event + 1], atol=1e-6)
                n_next += 1
    assert n_next == log.n_targets - int((log.lengths >= 2).sum())


def cell(p: Parameters, item: int, state: Tensor) -> Tensor:
    names = ("input_weight", "state_weight", "input_bias", "state_bias")
    return torch.gru_cell(
        p["inputs"][item][None], state, *(p[f"encoder.cells.0.{name}"] for name in names)
    )


def train_twin(initial: Parameters, config: SqnConfig, seed: int) -> tuple[Parameters, int]:
    """One epoch over `LOG`, one session after another, one transition at a time."""
    p = {name: nn.Parameter(value.clone()) for name, value in initial.items()}
    optimiser = torch.optim.Adam(p.values(), lr=config.learning_rate)
    learners = np.random.default_rng(seed)
    transitions = [
        (int(item), int(action), bool(reward > 0), position == 0, position == len(items) - 2)
        for s in range(LOG.n_sessions)
        for items, rewards in [(LOG.sessions(s, s + 1).items, LOG.sessions(s, s + 1).rewards)]
        for position, (item, action, reward) in enumerate(
            zip(items, items[1:], rewards[1:], strict=False)
        )
    ]
    state, n_steps = torch.zeros(1, config.width), 0
    for first in range(0, len(transitions), config.truncation):
        learner, other = ("first", "second") if learners.integers(2) == 0 else ("second", "first")
        loss = torch.zeros(())
        for item, action, positive, starts, ends in transitions[first : first + config.truncation]:
            state = cell(p, item, torch.zeros_like(state) if starts else state)
            logits = state[0] @ p["ranking.weight"].T + p["ranking.bias"]
            loss = loss - torch.log_softmax(logits, dim=0)[action]
            if config.q_weight == 0:
                continue
            target = config.reward_positive if positive else config.reward_zero
            if not ends:
                with torch.no_grad():
                    later = cell(p, action, state)[0]
                    choice = later @ p[f"{learner}_value.weight"].T + p[f"{learner}_value.bias"]
                    worth = later @ p[f"{other}_value.weight"].T + p[f"{other}_value.bias"]
                    target += config.discount * float(worth[choice.argmax()])
            value = state[0] @ p[f"{learner}_value.weight"][action]
            value = value + p[f"{learner}_value.bias"][action]
            loss = loss + config.q_weight * 0.5 * (target - value) ** 2
        optimiser.zero_grad()
        (loss / config.truncation).backward()
        optimiser.step()
        state, n_steps = state.detach(), n_steps + 1
    return {name: value.detach() for name, value in p.items()}, n_steps


@pytest.mark.parametrize("q_weight", [0.0, 0.8], ids=["plain cross-entropy", "with Q-learning"])
@pytest.mark.parametrize("truncation", [1, 4])
def test_training_is_that_of_a_slow_twin(q_weight: float, truncation: int) -> None:
    config = small(
        batch_size=1, truncation=truncation, q_weight=q_weight, learning_rate=0.02,
        reward_positive=2.0, reward_zero=0.3, discount=0.6,
    )  # fmt: skip
    untouched, _ = trained(Sqn, dataclasses.replace(config, learning_rate=1e-30), LOG, seed=2)
    initial = weights(untouched)
    model, _ = trained(Sqn, config, LOG, seed=2)
    twin, n_steps = train_twin(initial, config, seed=2)
    assert n_steps >= 8
    for name, value in weights(model).items():
        torch.testing.assert_close(
            value, twin[name], rtol=0, atol=2e-6, msg=lambda m, n=name: n + m
        )
        moved = (value - initial[name]).abs().max()
        assert (moved > 1e-3) == (q_weight > 0 or "_value" not in name), name


def test_q_learning_shapes_what_ranks() -> None:
    plain, shaped = (weights(trained(Sqn, small(q_weight=weight), LOG)[0]) for weight in (0.0, 1.0))
    for name in ("inputs", "encoder.cells.0.state_weight", "ranking.weight"):
        assert not torch.equal(plain[name], shaped[name]), name


def test_rewards_are_mapped_and_losses_reported() -> None:
    config = small(discount=0.0, reward_positive=3.0, reward_zero=0.5, q_weight=0.25)
    _, progress = trained(Sqn, config, LOG)
    found = progress[-1].diagnostics
    actions = LOG.position_in_session > 0
    positive = LOG.rewards[actions] > 0
    assert 0 < positive.sum() < len(positive)
    expected = np.where(positive, 3.0, 0.5).mean()
    assert found["Q target"] == pytest.approx(expected, abs=1e-5)
    total = found["cross-entropy"] + 0.25 * found["Q loss"]
    assert progress[-1].loss == pytest.approx(total, abs=1e-5)


def test_values_are_the_discounted_rewards_of_the_session() -> None:
    """A click, then a purchase that ends the session: 0.2 + 0.5 * 1, and 1."""
    train = make_log(["ABC"] * 8, rewards=[0, 0, 1] * 8)
    config = small(epochs=200, learning_rate=0.02, discount=0.5)
    model, _ = trained(Sqn, config, train)
    states = torch.from_numpy(model.factors(make_log(["ABC"])).states)
    for value in (model._network.first_value, model._network.second_value):
        found = value.of(states, torch.tensor([1, 2])).detach()
        torch.testing.assert_close(found, torch.tensor([0.7, 1.0]), rtol=0, atol=0.05)


def test_it_remembers_the_item_before_the_last() -> None:
    train, test = make_log(["ABC", "XBD"] * 20), make_log(["ABC", "XBD"])
    model, _ = trained(Sqn, small(epochs=12, learning_rate=0.02), train)
    ranks = rank_targets(model, fixed_split(train, test).test, model_name="sqn").ranks
    np.testing.assert_array_equal(ranks, [1, 1, 1, 1])


@pytest.mark.parametrize(
    "config", [small(batch_size=20, dropout=0.2), small(batch_size=500, truncation=20)]
)
def test_it_keeps_the_protocol(config: SqnConfig) -> None:
    check_recommender(Sqn, config)
    assert isinstance(Sqn(config, seed=1, device="cpu"), FactoredRecommender)


@pytest.mark.parametrize("sessions", [["ab"], ["a", "b"], ["abcabcabcabc", "a"]])
def test_the_smallest_logs_serve(sessions: list[str]) -> None:
    train = make_log(sessions)
    model, progress = trained(Sqn, SMALL, train)
    assert progress[-1].epoch_ended
    assert progress[-1].total_events == train.n_targets
    assert np.isfinite(model.score(make_log(["abba"], catalogue=train.item_ids))).all()


def test_scores_follow_the_seed() -> None:
    first, again, other = (trained(Sqn, small(dropout=0.3), LOG, seed=seed) for seed in (3, 3, 4))
    assert first[1] == again[1]
    np.testing.assert_array_equal(first[0].score(LOG), again[0].score(LOG))
    assert not np.allclose(first[0].score(LOG), other[0].score(LOG))


def test_a_saved_model_is_plain_tensors(tmp_path: Path) -> None:
    model, _ = trained(Sqn, SMALL, LOG)
    model.save(tmp_path)
    assert torch.load(tmp_path / "weights.pt", weights_only=True)["inputs"].shape == (N_ITEMS, 6)
    loaded = Sqn(SMALL, seed=9, device="cpu")
    loaded.load(tmp_path)
    np.testing.assert_array_equal(loaded.score(LOG), model.score(LOG))


CHANGES: dict[str, Any] = {
    "epochs": 2, "learning_rate": 0.01, "batch_size": 2, "truncation": 3, "width": 5,
    "q_weight": 0.5, "discount": 0.9, "reward_positive": 0.7, "reward_zero": 0.1, "dropout": 0.2,
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_another_value_gives_another_model(name: str) -> None:
    before, after = (
        trained(Sqn, small(**options), LOG)[0].score(LOG) for options in ({}, {name: CHANGES[name]})
    )
    assert not np.array_equal(before, after)


def test_no_option_is_left_out_above() -> None:
    assert {field.name for field in dataclasses.fields(SqnConfig)} == set(CHANGES)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"learning_rate": 0}, "learning_rate must be greater than 0"),
        ({"q_weight": -1}, "q_weight must not be negative"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1"),
        ({"discount": 1.5}, "discount must be from 0 to 1, not 1.5"),
    ],
)
def test_options_out_of_range_are_refused_by_name(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}"):
        SqnConfig(**options)


def test_a_fit_that_diverges_ends_with_a_sentence() -> None:
    with pytest.raises(DivergedError, match=r"of epoch 1; use a smaller learning_rate"):
        trained(Sqn, small(learning_rate=1e30), make_log(["ABC", "XBD"] * 30))
