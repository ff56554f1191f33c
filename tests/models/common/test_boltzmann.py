"""Recommended sets: the best greedily, the rest drawn from the policy."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from models.common.policy.boltzmann import boltzmann_sets
from models.tocr import Tocr, TocrConfig
from tests.models.logs import random_log, trained


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_greedy_items_come_first_in_the_order_of_rank() -> None:
    logits = torch.randn(50, 12, generator=generator())
    sets = boltzmann_sets(logits, k=5, greedy=3, candidates=8, generator=generator())
    ranked = logits.argsort(dim=1, descending=True)
    assert torch.equal(sets[:, :3], ranked[:, :3])
    for row, candidates in zip(sets.tolist(), ranked[:, :8].tolist(), strict=True):
        assert len(set(row)) == 5
        assert set(row) <= set(candidates)
    greedy = boltzmann_sets(logits, k=5, greedy=5, candidates=8)
    assert torch.equal(greedy, ranked[:, :5])


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_the_rest_is_drawn_from_the_softmax_without_replacement(temperature: float) -> None:
    """Items 1 to 3 remain after the greedy one; item 4 is no candidate."""
    logits = torch.tensor([3.0, 1.0, 0.5, -0.5, -9.0])
    draws = 30_000
    sets = boltzmann_sets(
        logits.expand(draws, -1),
        k=3,
        greedy=1,
        candidates=4,
        temperature=temperature,
        generator=generator(),
    )
    weight = {item: math.exp(float(logits[item]) / temperature) for item in (1, 2, 3)}
    total = sum(weight.values())
    for first, second in itertools.permutations(weight, 2):
        chance = weight[first] / total * weight[second] / (total - weight[first])
        share = float(((sets[:, 1] == first) & (sets[:, 2] == second)).double().mean())
        assert abs(share - chance) < 4 * math.sqrt(chance * (1 - chance) / draws)


@pytest.mark.parametrize(("k", "greedy", "candidates"), [(3, 4, 9), (5, 1, 4), (12, 2, 50)])
def test_sets_that_cannot_be_filled_are_refused(k: int, greedy: int, candidates: int) -> None:
    with pytest.raises(ValueError, match="must not fall in this order"):
        boltzmann_sets(torch.zeros(1, 10), k=k, greedy=greedy, candidates=candidates)


def test_tocr_serves_a_set_for_each_prefix() -> None:
    log = random_log(20, n_items=9, longest=8, seed=3)
    model, _ = trained(Tocr, TocrConfig(epochs=1, width=6), log)
    sets = model.recommend(log, k=4, greedy=2, candidates=7, seed=5)
    assert sets.shape == (log.n_targets, 4)
    scores = model.score(log)
    best = -np.sort(-scores, axis=1)[:, :2]
    np.testing.assert_array_equal(np.take_along_axis(scores, sets[:, :2], axis=1), best)
    np.testing.assert_array_equal(sets, model.recommend(log, k=4, greedy=2, candidates=7, seed=5))
    other = model.recommend(log, k=4, greedy=2, candidates=7, seed=6)
    assert (sets != other).any()
