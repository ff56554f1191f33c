"""Ranges of options: what they hold, and that those of the built-in models are fair."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest

from models.behaviour_cloning import BehaviourCloningConfig
from models.common.options.search_ranges import Choices, LogRange, Range, search_ranges
from models.gru4rec import Gru4RecConfig
from models.registry import list_models, list_options, load_model
from models.reinforce import ReinforceConfig
from models.tocr import TocrConfig
from models.weighted_likelihood import WeightedLikelihoodConfig

WITHOUT_RANGES = {"markov", "popularity", "session_popularity"}


@dataclass(frozen=True)
class Config:
    rate: Annotated[float, LogRange(1, 100)] = 10.0
    width: Annotated[int, Range(1.0, 4.0)] = 2
    cell: Annotated[Literal["gru", "cfn"], Choices()] = "cfn"
    layers: Annotated[tuple[int, ...], "a note", Choices(((1,), (2, 3)))] = (1,)
    free: float = 0.5


def test_ranges_are_read_with_the_types_of_their_fields() -> None:
    found = search_ranges(Config)
    assert found == {
        "rate": LogRange(1, 100),
        "width": Range(1, 4),
        "cell": Choices(("gru", "cfn")),
        "layers": Choices(((1,), (2, 3))),
    }
    assert [type(end) for end in (found["rate"].low, found["width"].high)] == [float, int]


def test_what_a_range_holds() -> None:
    assert [value in Range(0, 2) for value in (-0.1, 0, 1.5, 2, 2.1, math.nan)] == [
        False, True, True, True, False, False,
    ]  # fmt: skip
    assert [value in Choices(((1,), "a")) for value in ((1,), "a", 1)] == [True, True, False]


@pytest.mark.parametrize(
    ("span", "low", "high"), [(Range, 1, 1), (Range, 2, 1), (LogRange, 0, 1), (Range, 0, math.nan)]
)
def test_empty_range_is_refused(span: type[Range], low: float, high: float) -> None:
    with pytest.raises(ValueError, match="Range"):
        span(low, high)


@pytest.mark.parametrize(
    ("kind", "span"),
    [(int, Range(0.5, 2)), (str, Range(0, 1)), (int, Choices(())), (float, Choices((1.0, 1.0)))],
)
def test_range_that_does_not_fit_its_field_is_refused(kind: type, span: Any) -> None:
    config = type("Config", (), {"__annotations__": {"option": Annotated[kind, span]}})
    with pytest.raises(ValueError, match="option"):
        search_ranges(config)


@pytest.mark.parametrize("name", list_models())
def test_defaults_of_every_model_lie_within_their_ranges(name: str) -> None:
    config_class = load_model(name).model_class.Config
    ranges = search_ranges(config_class)
    assert bool(ranges) == (name not in WITHOUT_RANGES)
    for option, span in ranges.items():
        assert getattr(config_class(), option) in span, option
    shown = {option.name for option in list_options(name) if option.range}
    assert shown == set(ranges), "--list shows which options are tuned"


@pytest.mark.parametrize("name", sorted(set(list_models()) - WITHOUT_RANGES))
def test_config_accepts_the_ends_of_its_ranges(name: str) -> None:
    config_class = load_model(name).model_class.Config
    for option, span in search_ranges(config_class).items():
        ends = span.values if isinstance(span, Choices) else (span.low, span.high)
        for value in ends:
            config_class(**{option: value})


def test_policies_are_tuned_alike_and_keep_what_they_are() -> None:
    shared = search_ranges(BehaviourCloningConfig)
    rewarded = search_ranges(ReinforceConfig)
    assert rewarded.items() - shared.items() == {("discount", Range(0.0, 1.0))}
    assert search_ranges(TocrConfig).keys() - rewarded.keys() == {"cap"}
    assert search_ranges(WeightedLikelihoodConfig).keys() - rewarded.keys() == {"floor"}
    for name, span in rewarded.items():
        assert search_ranges(TocrConfig)[name] == span
    baseline = search_ranges(Gru4RecConfig)
    assert {name: baseline[name] for name in shared if name != "width"} == {
        name: span for name, span in shared.items() if name != "width"
    }
    assert baseline["layers"] == Choices(tuple((width,) for width in shared["width"].values))


def test_listed_type_is_the_plain_one() -> None:
    listed = {option.name: option for option in list_options("tocr")}
    assert (listed["learning_rate"].type, listed["learning_rate"].default) == ("float", "0.1")
    assert listed["learning_rate"].range == "LogRange(0.02, 0.15)"
    assert (listed["K"].type, listed["K"].range) == ("int", "")
