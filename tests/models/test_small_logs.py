"""Small logs that have tripped other implementations, each with its right figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bench.ranking.rank_targets import rank_targets
from bench.stats.metrics import recall_at, reciprocal_rank_at
from datasets.session_log import SessionLog
from models.gru4rec import Gru4Rec, Gru4RecConfig
from models.markov import Markov, MarkovConfig
from models.popularity import Popularity
from models.recommender import DivergedError
from models.tocr import Tocr, TocrConfig
from tests.models.logs import fixed_split, make_log, trained

MODELS = [Popularity, Gru4Rec, Tocr]
SIX_SESSIONS = ["abc", "bc", "ca", "acb", "ba", "cba"]
MEMORY = ["ABC", "XBD"] * 30
"""What follows B depends on what came before it."""


def ranked(model: Any, train: SessionLog, test: SessionLog, **options: Any) -> Any:
    return rank_targets(model, fixed_split(train, test).test, model_name="model", **options).ranks


@pytest.mark.parametrize("model_class", MODELS)
def test_fewer_sessions_than_slots(model_class: Any) -> None:
    """Six training sessions, two test sessions, batch sizes as they come."""
    train = make_log(SIX_SESSIONS)
    model, _ = trained(model_class, model_class.Config(), train)
    ranks = ranked(model, train, make_log(["abc", "ca"]))
    assert len(ranks) == 3
    assert ((ranks >= 1) & (ranks <= 3)).all()


@pytest.mark.parametrize("model_class", MODELS)
def test_one_session_of_two_events_is_enough(model_class: Any) -> None:
    train = make_log(["ab"])
    model, progress = trained(model_class, model_class.Config(), train)
    assert progress[-1].epoch_ended
    assert len(ranked(model, train, make_log(["ab", "ba"]))) == 2


@pytest.mark.parametrize("truncation", [1, 4])
@pytest.mark.parametrize("loss", ["cross-entropy", "bpr-max"])
def test_a_last_target_alone_without_negatives_is_no_divergence(truncation: int, loss: Any) -> None:
    """The longest session ends alone in its window: nothing stands beside its target."""
    config = Gru4RecConfig(epochs=2, negatives=0, loss=loss, truncation=truncation, layers=(8,))
    model, progress = trained(Gru4Rec, config, make_log(["abcabc", "ab"]))
    assert all(p.loss is not None and np.isfinite(p.loss) for p in progress)
    assert np.isfinite(model.score(make_log(["abc"]))).all()


@pytest.mark.parametrize("model_class", MODELS)
def test_a_session_ranks_alone_as_after_four_others(model_class: Any) -> None:
    train = make_log(["dcba", "bdac", "abcd"] * 7)
    model, _ = trained(model_class, model_class.Config(), train)
    many = make_log(["dd", "cc", "bad", "db", "abc"])
    one = make_log(["abc"], catalogue="abcd")
    np.testing.assert_allclose(model.score(many)[-2:], model.score(one), rtol=1e-5, atol=1e-5)
    for block_scores in (1, 8, 100, 2**22):
        np.testing.assert_array_equal(
            ranked(model, train, many, block_scores=block_scores)[-2:],
            ranked(model, train, one, block_scores=block_scores),
        )


@pytest.mark.parametrize("model_class", MODELS)
def test_no_event_is_lost_to_the_size_of_a_block(model_class: Any) -> None:
    train = make_log(SIX_SESSIONS)
    model, _ = trained(model_class, model_class.Config(), train)
    test = make_log(["abc", "cabc", "bca"])
    all_ranks = [
        ranked(model, train, test, block_scores=block) for block in (1, 4, 7, 21, 1000, 2**22)
    ]
    for ranks in all_ranks:
        assert len(ranks) == 7
        np.testing.assert_array_equal(ranks, all_ranks[0])
        assert recall_at(ranks, 2).mean() == recall_at(all_ranks[0], 2).mean()
        assert reciprocal_rank_at(ranks, 2).mean() == reciprocal_rank_at(all_ranks[0], 2).mean()


@pytest.mark.parametrize(
    "options",
    [
        {"truncation": 1, "dropout_embedding": 0, "dropout_hidden": 0},
        # Regularisation holds down targets that stand among their own negatives, as here they must.
        {"truncation": 4, "loss": "bpr-max", "bpreg": 0, "negatives": 8, "dropout_embedding": 0},
        {},
    ],
    ids=["truncation 1", "bpr-max", "defaults"],
)
def test_gru4rec_remembers_the_item_before_the_last(options: Any) -> None:
    train, test = make_log(MEMORY), make_log(["ABC", "XBD"])
    model, _ = trained(Gru4Rec, Gru4RecConfig(**options), train)
    np.testing.assert_array_equal(ranked(model, train, test), [1, 1, 1, 1])


def test_a_first_order_markov_chain_does_not() -> None:
    train, test = make_log(MEMORY), make_log(["ABC", "XBD"])
    model, _ = trained(Markov, MarkovConfig(), train)
    ranks = ranked(model, train, test)
    np.testing.assert_array_equal(ranks, [1, 2, 1, 2])
    assert recall_at(ranks, 1).mean() == 0.5


@pytest.mark.parametrize("cell", ["cfn", "gru"])
def test_tocr_remembers_the_item_before_the_last(cell: Any) -> None:
    """K=1 and cap 1 bring it near cross-entropy."""
    config = TocrConfig(cell=cell, K=1, cap=1.0, dropout_embedding=0, dropout_hidden=0)
    train, test = make_log(MEMORY), make_log(["ABC", "XBD"])
    model, _ = trained(Tocr, config, train)
    np.testing.assert_array_equal(ranked(model, train, test), [1, 1, 1, 1])


@pytest.mark.parametrize("model_class", MODELS)
def test_an_item_that_is_never_a_target_in_training_has_its_column(model_class: Any) -> None:
    train = make_log(["Fa", "Fb", "ab"])
    split = fixed_split(train, make_log(["FaF"]))
    model, _ = trained(model_class, model_class.Config(), split.train)
    assert split.train.item_ids.tolist() == ["F", "a", "b"]
    assert split.counts["unseen_events_dropped"] == 0
    assert model.score(split.test.log).shape == (2, 3)
    assert len(rank_targets(model, split.test, model_name="model").ranks) == 2


@pytest.mark.parametrize("model_class", [Gru4Rec, Tocr])
@pytest.mark.parametrize("learning_rate", [1e6, 1e30])
def test_a_fit_that_diverges_ends_with_a_sentence(model_class: Any, learning_rate: float) -> None:
    config = model_class.Config(learning_rate=learning_rate, batch_size=4, truncation=1)
    with pytest.raises(DivergedError, match=r"at step \d+ of epoch 1; use a smaller learning_rate"):
        trained(model_class, config, make_log(MEMORY))
