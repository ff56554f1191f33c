"""The conformance suite catches every fault it was written for, and passes the plainest models."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from bench.ranking.rank_targets import rank_targets
from models.checks.altered_copies import LONGEST_TAIL, SCORES_SAMPLED
from models.conformance import (
    ConformanceError,
    check_future_hidden,
    check_recommender,
    synthetic_log,
)
from tests.models.checks import broken_models as broken
from tests.models.logs import fixed_split, make_log


@pytest.mark.parametrize("model_class", [broken.LastItem, broken.Constant, broken.SeededRandom])
def test_sound_models_pass(model_class: type) -> None:
    check_recommender(model_class)


@pytest.mark.parametrize(
    ("model_class", "says"),
    [
        (broken.SeesTarget, "future hidden: the scores after the first"),
        (broken.SeesNextReward, "future hidden: the scores after the first"),
        (broken.SeesNextTime, "future hidden: the scores after the first"),
        (broken.SeesLength, "future hidden: the scores after the first"),
        (broken.SeesTargetInFactors, "future hidden: the scores after the first"),
        (broken.UnseededRandom, "sessions apart: scores move where sessions are scored again"),
        (broken.CarriesOver, "sessions apart: scores move where sessions are scored again"),
        (broken.NormalisesOverBatch, "sessions apart: scores move where sessions are scored alone"),
        (broken.PadsIntoScores, "sessions apart"),
        (broken.NeverResets, "sessions apart"),
        (broken.NotANumber, "score: a score is NaN"),
        (broken.OneRowTooMany, "score: it returned float32 of shape"),
        (broken.ForgetsOnLoad, "save and load"),
        (broken.ScoresByItsSeed, "save and load"),
        (broken.OtherFactors, "factors"),
        (broken.TrainsAtRandom, "seed: two fits of one seed differ"),
        (broken.TrainsByWhatItScored, "seed: scoring between epochs changes the fit"),
        (broken.Writes, "input: the model writes"),
        (broken.Prints, "silence: the model printed 'epoch 1: loss 0.1'"),
        (broken.NeverEndsAnEpoch, "fit: no epoch ended"),
        (broken.NoIterator, "fit: it returns no iterator"),
        (broken.UnnamedOptions, "protocol: it trains by epochs"),
        (broken.IgnoresEpochs, "fit: more than 2 epochs ended"),
        (broken.CountsWrong, "fit: the events of epoch 1 add up to"),
        (broken.LossNotANumber, "fit: the loss is nan"),
        (broken.PlainConfig, "protocol: Config is no dataclass"),
        (broken.NoLoad, "protocol: there is no method load"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_each_fault_is_caught_and_named(model_class: type, says: str) -> None:
    with pytest.raises(ConformanceError) as caught:
        check_recommender(model_class)
    assert str(caught.value).startswith(f"{model_class.__name__}: ")
    assert says in str(caught.value)


def test_an_option_without_a_default_is_named() -> None:
    @dataclass(frozen=True)
    class Options:
        width: int

    class NeedsWidth(broken.LastItem):
        Config = Options

    with pytest.raises(ConformanceError, match=r"Config\.width has no default"):
        check_recommender(NeedsWidth)
    check_recommender(NeedsWidth, Options(width=3))


def fitted(model_class: Any, log: Any) -> Any:
    model = model_class(model_class.Config(), seed=1, device="cpu")
    list(model.fit(log))
    return model


def test_a_constant_scorer_ranks_every_target_last() -> None:
    log = make_log(["abcde", "bca"])
    ranks = rank_targets(
        fitted(broken.Constant, log), fixed_split(log, log).test, model_name="constant"
    )
    np.testing.assert_array_equal(ranks.ranks, [5] * 6)
    np.testing.assert_array_equal(ranks.ties, [4] * 6)


@pytest.mark.parametrize(
    "model_class",
    [broken.SeesTarget, broken.SeesNextReward, broken.SeesNextTime, broken.SeesTargetInFactors],
)
@pytest.mark.parametrize("seed", range(5))
def test_a_sample_of_any_draw_shows_a_look_at_the_next_event(model_class: Any, seed: int) -> None:
    log = synthetic_log(seed=5, n_sessions=50)
    with pytest.raises(ConformanceError, match="session 'session 5-"):
        check_future_hidden(fitted(model_class, log), log, seed=seed)


def test_the_scale_of_scores_does_not_hide_a_leak() -> None:
    class TinyLeak(broken.SeesTarget):
        def score(self, sessions: Any) -> Any:
            return super().score(sessions) * np.float32(1e-9)

    log = synthetic_log(seed=5, n_sessions=50)
    with pytest.raises(ConformanceError):
        check_future_hidden(fitted(TinyLeak, log), log)


def test_random_scores_from_session_and_position_are_no_leak() -> None:
    log = synthetic_log(seed=5, n_sessions=50)
    check_future_hidden(fitted(broken.SeededRandom, log), log)
    with pytest.raises(ConformanceError, match="other scores when asked again"):
        check_future_hidden(fitted(broken.UnseededRandom, log), log)


def test_a_sample_stays_small_on_long_sessions_and_large_catalogues() -> None:
    sizes: list[int] = []

    class Counts(broken.LastItem):
        def score(self, sessions: Any) -> Any:
            sizes.append(sessions.n_targets * sessions.n_items)
            return np.zeros((sessions.n_targets, sessions.n_items), dtype=np.float32)

    log = make_log([range(1000)] + [range(400)] * 60, catalogue=range(20_000))
    check_future_hidden(fitted(Counts, log), log)
    small = replace(log, items=log.items % 30, item_ids=log.item_ids[:30])
    check_future_hidden(fitted(Counts, small), small)
    of_longest = 1000 + LONGEST_TAIL
    assert max(sizes) <= of_longest * 20_000 + SCORES_SAMPLED
    assert sum(sizes) <= 2 * (of_longest * 20_000 + SCORES_SAMPLED + 61 * 1000 * 30)


def test_nothing_to_compare_is_no_fault() -> None:
    log = make_log(["a", "b"])
    check_future_hidden(fitted(broken.SeesTarget, log), log)
