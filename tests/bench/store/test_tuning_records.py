"""Budgets, the expected best score, and the file of what tuning found."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.planning.budget import parse_budget
from bench.store.tuning_records import (
    Candidate,
    Tuning,
    choose,
    expected_best,
    read_tunings,
    write_tuning,
)
from datasets.errors import InputError

CANDIDATES = (
    Candidate("m-1", {"cap": math.inf, "layers": (100, 50), "cell": "gru"}, 0.25, 3.5, 4),
    Candidate("m-2", {"cap": 1.5, "layers": (50,), "cell": "cfn"}, None, 0.5, 0, "it diverged"),
    Candidate("m-3", {"cap": 2.0, "layers": (50,), "cell": "cfn"}, 0.5, 2.0, 3),
    Candidate("m-4", {"cap": 3.0, "layers": (50,), "cell": "cfn"}, 0.5, 2.0, 3),
)
TUNING = Tuning("m", "4", 1, "f" * 64, {"cap": "Range(low=1, high=2)"}, CANDIDATES, "m-3")


@pytest.mark.parametrize(
    ("text", "candidates", "seconds"),
    [("20", 20, None), (7, 7, None), ("90s", None, 90), ("30m", None, 1800), ("1.5h", None, 5400)],
)
def test_budget_is_candidates_or_time(
    text: object, candidates: int | None, seconds: float | None
) -> None:
    budget = parse_budget(text)
    assert (budget.candidates, budget.seconds) == (candidates, seconds)


@pytest.mark.parametrize(
    "text", ["", "0", "0m", "-3", "1.5", "m", "30 m", "30d", "1e3", True, "9" * 400 + "h"]
)
def test_other_budgets_are_refused(text: object) -> None:
    with pytest.raises(ValueError, match="such as 20 or 30m"):
        parse_budget(text)


def test_budget_is_spent_in_its_own_unit() -> None:
    assert [parse_budget("2").is_spent(n, 1e9) for n in range(4)] == [False, False, True, True]
    time = parse_budget("90s")
    assert [time.is_spent(5, seconds) for seconds in (0, 89.9, 90, 91)] == [False] * 2 + [True] * 2
    assert not time.is_spent(0, 91), "one candidate always runs"


@pytest.mark.parametrize("scores", [[0.3], [0.1, 0.4, 0.2], [0.5, 0.5, 0.0, 0.25, 0.1]])
def test_expected_best_is_the_mean_over_all_orders(scores: list[float]) -> None:
    orders = np.array(list(itertools.permutations(scores)))
    by_enumeration = np.maximum.accumulate(orders, axis=1).mean(axis=0)
    assert expected_best(scores) == pytest.approx(by_enumeration)


def test_expected_best_of_many_candidates_by_its_formula() -> None:
    scores = np.random.default_rng(3).random(60)
    ordered = sorted(scores)
    for b in (1, 2, 30, 59, 60):
        exact = sum(
            value * math.comb(place, b - 1) / math.comb(60, b)
            for place, value in enumerate(ordered)
        )
        assert expected_best(scores)[b - 1] == pytest.approx(exact)


def test_first_of_the_best_is_chosen() -> None:
    assert choose(CANDIDATES) == "m-3"
    assert choose(CANDIDATES[1:2]) is None


def test_file_reads_back_as_it_was(tmp_path: Path) -> None:
    odd = replace(TUNING, label="../a b", candidates=CANDIDATES[1:2], chosen=None, exhausted=True)
    near = replace(TUNING, label="..-a-b")
    for tuning in (TUNING, odd, near):
        write_tuning(tmp_path, tuning)
    files = sorted(file.name for file in (tmp_path / "tuning").iterdir())
    assert len(files) == 3
    assert "m.json" in files
    found = {tuning.label: tuning for tuning in read_tunings(tmp_path)}
    assert found == {"m": TUNING, "../a b": odd, "..-a-b": near}
    content = json.loads((tmp_path / "tuning" / "m.json").read_text())
    assert content["seconds"] == 8.0
    assert content["expected_best"][0] == pytest.approx((0.25 + 0 + 0.5 + 0.5) / 4)
    assert content["expected_best"][-1] == 0.5


@pytest.mark.parametrize("text", ["{", "{}", '{"format_version": 99}', "[]"])
def test_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    write_tuning(tmp_path, TUNING)
    (tmp_path / "tuning" / "m.json").write_text(text)
    with pytest.raises(InputError, match=r"m\.json cannot be read .* run with --tune again"):
        read_tunings(tmp_path)


def test_no_tuning_is_none(tmp_path: Path) -> None:
    assert read_tunings(tmp_path) == []
