"""SASRec: its states against torch's own layer, its windows, its batches, and what it learns."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.ranking.rank_targets import rank_targets
from datasets.session_log import SessionLog
from models.common.sampling.negative_sampler import NegativeSampler
from models.conformance import check_recommender
from models.recommender import DivergedError, FactoredRecommender
from models.sasrec import SasRec, SasRecConfig, Transformer
from tests.models.logs import fixed_split, make_log, random_log, trained, weights

SMALL = SasRecConfig(epochs=1, batch_size=30, max_length=6, width=12, heads=3, negatives=20)


def small(**options: Any) -> SasRecConfig:
    return dataclasses.replace(SMALL, **options)


def network(*, n_items: int = 20, **options: Any) -> Transformer:
    """A network whose weights are all large enough to matter, without dropout."""
    torch.manual_seed(5)
    made = Transformer(small(**options), n_items).eval()
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.5)
    return made


def by_torch(made: Transformer) -> Callable[[Tensor], Tensor]:
    """The same network of torch's own encoder layers."""
    width = made.items.shape[1]
    layers = []
    for block in made.blocks:
        layer = nn.TransformerEncoderLayer(
            width, block.heads, dim_feedforward=width, dropout=0, batch_first=True, norm_first=True
        ).eval()
        mine = block.state_dict()
        layer.load_state_dict(
            {
                theirs + kind: mine[f"{name}.{kind.lstrip('._')}"]
                for name, theirs in {
                    "attention_in": "self_attn.in_proj", "attention_out": "self_attn.out_proj",
                    "attention_norm": "norm1", "feed_forward_norm": "norm2",
                    "feed_forward_in": "linear1", "feed_forward_out": "linear2",
                }.items()
                for kind in (("_weight", "_bias") if "in_proj" in theirs else (".weight", ".bias"))
            }
        )  # fmt: skip
        layers.append(layer)

    def states(codes: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(codes.shape[1])
        found = made.items[codes] * width**0.5 + made.positions[: codes.shape[1]]
        for layer in layers:
            found = layer(found, src_mask=mask, is_causal=True)
        norm = made.last_norm
        return nn.functional.layer_norm(found, (width,), norm.weight, norm.bias)

    return states


@pytest.mark.parametrize("heads", [1, 3])
@torch.no_grad()
def test_states_are_those_of_torch_s_own_layers(heads: int) -> None:
    made = network(heads=heads, layers=2)
    codes = torch.randint(20, (4, 6), generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(made(codes), by_torch(made)(codes), rtol=0, atol=1e-5)


@pytest.mark.parametrize("layers", [1, 3])
@torch.no_grad()
def test_the_last_event_alone_gets_its_own_state(layers: int) -> None:
    made = network(layers=layers)
    codes = torch.randint(20, (4, 6), generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(
        made(codes, last_only=True), made(codes)[:, -1:], rtol=1e-5, atol=1e-5
    )


@torch.no_grad()
def test_no_state_looks_ahead_and_each_looks_back() -> None:
    made = network()
    codes = torch.randint(20, (1, 6), generator=torch.Generator().manual_seed(1))
    changed = codes.clone()
    changed[0, 3] = (codes[0, 3] + 1) % 20
    moved = (made(codes) - made(changed)).abs().amax(dim=2)[0]
    assert moved[:3].max() == 0
    assert moved[3:].min() > 1e-3


def untrained(log: SessionLog, **options: Any) -> SasRec:
    """A model that has barely moved from its initial weights, which it still tells apart."""
    model, _ = trained(SasRec, small(learning_rate=1e-3, **options), log)
    return model


@pytest.mark.parametrize("longest", [1, 6])
@torch.no_grad()
def test_each_prefix_is_scored_from_its_last_events(longest: int) -> None:
    """Shorter and longer sessions than the window, against one prefix at a time."""
    log = random_log(6, n_items=20, longest=20, seed=2, shortest=1)
    with torch.enable_grad():
        model = untrained(log, max_length=longest)
    reference = by_torch(model._network)
    expected = []
    for start, stop in zip(log.offsets[:-1], log.offsets[1:], strict=True):
        for end in range(start + 1, stop):
            prefix = log.items[max(start, end - longest) : end].astype(np.int64)
            expected.append(reference(torch.from_numpy(prefix[None]))[0, -1])
    states, items, bias = model.factors(log)
    np.testing.assert_allclose(states, torch.stack(expected).numpy(), atol=1e-5)
    np.testing.assert_array_equal(items, weights(model)["items"])
    assert not bias.any()


def test_padding_does_not_matter() -> None:
    log = random_log(15, n_items=20, longest=9, seed=4)
    model = untrained(log)
    together = model.factors(log).states
    alone = [model.factors(log.sessions(s, s + 1)).states for s in range(log.n_sessions)]
    np.testing.assert_allclose(together, np.concatenate(alone), atol=1e-5)


def test_the_full_softmax_loss_is_cross_entropy_over_the_catalogue() -> None:
    """One update holds the whole log: the loss it reports is that of the initial weights."""
    log = random_log(8, n_items=15, longest=5, seed=1)
    model, progress = trained(SasRec, small(batch_size=10**6, dropout=0, learning_rate=1e-30), log)
    targets = torch.from_numpy(np.delete(log.items, log.offsets[:-1]).astype(np.int64))
    expected = nn.functional.cross_entropy(torch.from_numpy(model.score(log)), targets)
    assert progress[-1].loss == pytest.approx(float(expected), abs=1e-5)


def test_the_sampled_softmax_loss_weighs_negatives_by_their_expected_number() -> None:
    """Worked anew with one column for each draw, hits of the own target left out."""
    log = random_log(8, n_items=15, longest=5, seed=1)
    options = {"batch_size": 10**6, "dropout": 0, "learning_rate": 1e-30, "full_softmax_items": 14}
    model, progress = trained(SasRec, small(**options), log, seed=3)
    sampler = NegativeSampler(log.item_counts(), alpha=0.5, seed=3, device=torch.device("cpu"))
    drawn = sampler.draw(20)
    counts = np.sqrt(log.item_counts())
    expected_number = torch.from_numpy(20 * counts / counts.sum())
    logits = torch.from_numpy(model.score(log)).double()
    targets = torch.from_numpy(np.delete(log.items, log.offsets[:-1]).astype(np.int64))
    losses = []
    for row, target in zip(logits, targets, strict=True):
        others = sum(row[j].exp() / expected_number[j] for j in drawn if j != target)
        losses.append(-float((row[target].exp() / (row[target].exp() + others)).log()))
    assert progress[-1].loss == pytest.approx(np.mean(losses), abs=1e-5)


@pytest.mark.parametrize("full_softmax_items", [2048, 1], ids=["full", "sampled"])
def test_it_learns_a_cycle_longer_than_its_window(full_softmax_items: int) -> None:
    cycle = [chr(65 + i) for i in range(9)]
    sessions = [[cycle[(s + t) % 9] for t in range(12)] for s in range(9)]
    train = make_log(sessions * 3)
    config = small(epochs=6, learning_rate=0.01, dropout=0.1, full_softmax_items=full_softmax_items)
    model, progress = trained(SasRec, config, train)
    test = fixed_split(train, make_log(sessions, catalogue=cycle)).test
    ranks = rank_targets(model, test, model_name="sasrec").ranks
    assert (ranks == 1).mean() > 0.99
    losses = [p.loss for p in progress if p.epoch_ended]
    assert losses[-1] < 0.5 * losses[0]


def test_it_remembers_the_item_before_the_last() -> None:
    train, test = make_log(["ABC", "XBD"] * 30), make_log(["ABC", "XBD"])
    model, _ = trained(SasRec, small(epochs=8, learning_rate=0.01), train)
    ranks = rank_targets(model, fixed_split(train, test).test, model_name="sasrec").ranks
    np.testing.assert_array_equal(ranks, [1, 1, 1, 1])


def test_it_knows_the_order_of_what_it_sees() -> None:
    """The same items in another order are followed by another: positions matter."""
    train = make_log(["ABCx", "BACy"] * 30)
    model, _ = trained(SasRec, small(epochs=12, learning_rate=0.01), train)
    last = model.score(make_log(["ABCx", "BACy"]))[[2, 5]]
    assert [train.item_ids[i] for i in last.argmax(axis=1)] == ["x", "y"]


@pytest.mark.parametrize(
    "config",
    [
        small(batch_size=64, dropout=0.2),
        small(batch_size=10**6, full_softmax_items=1, max_length=9),
    ],
    ids=["full", "sampled"],
)
def test_it_keeps_the_protocol(config: SasRecConfig) -> None:
    check_recommender(SasRec, config)
    assert isinstance(SasRec(config, seed=1, device="cpu"), FactoredRecommender)


@pytest.mark.parametrize("sessions", [["ab"], ["a", "b"], ["abcabcabcabc", "a"]])
def test_the_smallest_logs_serve(sessions: list[str]) -> None:
    train = make_log(sessions)
    model, progress = trained(SasRec, small(), train)
    assert progress[-1].epoch_ended
    assert progress[-1].total_events == train.n_targets
    assert np.isfinite(model.score(make_log(["abba"], catalogue=train.item_ids))).all()


def test_scores_follow_the_seed() -> None:
    log = random_log(20, n_items=30, longest=12, seed=1)
    first, again, other = (
        trained(SasRec, small(full_softmax_items=1), log, seed=seed) for seed in (3, 3, 4)
    )
    assert first[1] == again[1]
    np.testing.assert_array_equal(first[0].score(log), again[0].score(log))
    assert not np.allclose(first[0].score(log), other[0].score(log))


def test_a_saved_model_is_plain_tensors(tmp_path: Path) -> None:
    log = random_log(10, n_items=20, longest=12, seed=1)
    model = untrained(log)
    model.save(tmp_path)
    stored = torch.load(tmp_path / "weights.pt", weights_only=True)
    assert stored["items"].shape == (20, 12)
    loaded = SasRec(SMALL, seed=9, device="cpu")
    loaded.load(tmp_path)
    np.testing.assert_array_equal(loaded.score(log), model.score(log))


CHANGES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {name: value})
    for name, value in {
        "epochs": 2, "learning_rate": 0.01, "batch_size": 20, "max_length": 5, "width": 6,
        "layers": 1, "heads": 2, "dropout": 0.1, "full_softmax_items": 1,
    }.items()
] + [
    ({"full_softmax_items": 1}, {"negatives": 21}),
    ({"full_softmax_items": 1}, {"negative_alpha": 0.9}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("base", "change"), CHANGES, ids=[next(iter(change)) for _, change in CHANGES]
)
def test_another_value_gives_another_model(base: dict[str, Any], change: dict[str, Any]) -> None:
    log = random_log(12, n_items=30, longest=12, seed=6)
    before, after = (
        trained(SasRec, small(**(base | options)), log)[0].score(log) for options in ({}, change)
    )
    assert not np.array_equal(before, after)


def test_no_option_is_left_out_above() -> None:
    changed = {name for _, change in CHANGES for name in change}
    assert {field.name for field in dataclasses.fields(SasRecConfig)} == changed


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"learning_rate": 0}, "learning_rate must be greater than 0"),
        ({"max_length": 0}, "max_length must be greater than 0"),
        ({"negative_alpha": -1}, "negative_alpha must not be negative"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1"),
        ({"width": 64, "heads": 3}, r"heads \(3\) must divide width \(64\)"),
    ],
)
def test_options_out_of_range_are_refused_by_name(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{sentence}"):
        SasRecConfig(**options)


def test_a_fit_that_diverges_ends_with_a_sentence() -> None:
    with pytest.raises(DivergedError, match=r"of epoch 1; use a smaller learning_rate"):
        trained(SasRec, small(learning_rate=1e30), make_log(["ABC", "XBD"] * 30))
