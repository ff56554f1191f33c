"""What stands under a table about the tuning of its models."""

from __future__ import annotations

from bench.store.tuning_records import Candidate, Tuning
from reports.tables.tuning_lines import tuning_lines


def candidate(name: str, recall: float | None, rate: float = 0.1) -> Candidate:
    reason = None if recall is not None else "it diverged"
    return Candidate(name, {"learning_rate": rate, "layers": (50,)}, recall, 10.25, 3, reason)


def tuning(label: str, candidates: list[Candidate], chosen: str | None, **other: object) -> Tuning:
    ranges = {"learning_rate": "LogRange(low=0.01, high=0.5)"}
    values = {"budget": "4", "seed": 7, "split": "f", "ranges": ranges} | other
    return Tuning(label=label, candidates=tuple(candidates), chosen=chosen, **values)  # type: ignore[arg-type]


def test_budget_in_both_units_the_scores_and_the_choice() -> None:
    four = [candidate("1", 0.2), candidate("2", None), candidate("3", 0.3, 0.0625)]
    first, line = tuning_lines([tuning("gru4rec", [*four, candidate("4", 0.1)], "3")])
    assert first.startswith("tuning: 4 candidates a model, the same for each, seed 7; ")
    assert line == (
        "gru4rec tuned: 4 candidates in 41.0 s, 1 of them failed; best 0.3000, median 0.1500, "
        # The mean; of the six pairs three have .3, two have .2 and one has .1; all.
        "worst 0.0000, as given 0.2000; expected best 0.1500 of 1, 0.2333 of 2, 0.3000 of 4; "
        "chosen: learning_rate 0.0625, layers (50,)"
    )


def test_options_as_given_may_win_and_may_fail() -> None:
    lines = tuning_lines(
        [
            tuning("a", [candidate("1", 0.2), candidate("2", 0.1)], "1", budget="30m"),
            tuning("b", [candidate("1", None), candidate("2", 0.1)], "2", exhausted=True),
        ]
    )
    assert lines[0].startswith("tuning: 30m of candidates a model")
    assert lines[1].endswith("; chosen: as given")
    assert "as given failed" in lines[2]
    assert "nothing new was left to try" in lines[2]


def test_model_that_has_nothing_to_tune_or_failed() -> None:
    one = [Candidate("1", {}, 0.2, 1.0, 1)]
    lines = tuning_lines(
        [
            tuning("pop|x", one, "1", ranges={}, exhausted=True),
            tuning("bad", [candidate("1", None)], None),
        ]
    )
    assert lines[1:] == [
        r"pop\|x tuned: 1 candidate in 1.0 s; its options as given, as none has a range to search",
        "bad tuned: 1 candidate in 10.2 s, 1 of them failed",
    ]


def test_no_line_where_nothing_was_tuned() -> None:
    assert tuning_lines([]) == []
