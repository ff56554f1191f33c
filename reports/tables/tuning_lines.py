"""Lines under a table that say how the models' options were chosen, and what that cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from bench.store.curve import VALIDATION_RECALL
from bench.store.tuning_records import Tuning, expected_best
from reports.tables.formats import escape_markdown


def tuning_lines(
    tunings: Sequence[Tuning], written: Callable[[str], str] = escape_markdown
) -> list[str]:
    """One line on the budget, and one a model; none where nothing was tuned.

    The scores of failed candidates count as 0, also in what a smaller budget would have found.
    `written` is how the reader's medium writes names and options.
    """
    if not tunings:
        return []
    budget = tunings[0].budget
    unit = f"{budget} candidates" if budget.isdigit() else f"{budget} of candidates"
    return [
        f"tuning: {unit} a model, the same for each, seed {tunings[0].seed}; ranked by validation "
        f"{VALIDATION_RECALL} alone, the test ranked after the choice; the first candidate is the "
        "options as given",
        *(_line(tuning, written) for tuning in tunings),
    ]


def _line(tuning: Tuning, written: Callable[[str], str]) -> str:
    label = written(tuning.label)
    n_failed = sum(candidate.recall is None for candidate in tuning.candidates)
    count = f"{len(tuning.candidates)} candidate{'s' * (len(tuning.candidates) != 1)}"
    failed = f", {n_failed} of them failed" if n_failed else ""
    if tuning.exhausted and tuning.ranges:
        failed += ", after which nothing new was left to try"
    spent = f"{label} tuned: {count} in {tuning.seconds:,.1f} s{failed}"
    if tuning.winner is None:
        return spent
    if not tuning.ranges:
        return f"{spent}; its options as given, as none has a range to search"
    scores = [candidate.score for candidate in tuning.candidates]
    first = tuning.candidates[0]
    chosen = "as given" if tuning.winner is first else written(options_text(tuning.winner.options))
    return (
        f"{spent}; best {max(scores):.4f}, median {np.median(scores):.4f}, worst "
        f"{min(scores):.4f}, as given {'failed' if first.recall is None else f'{first.recall:.4f}'}"
        f"; expected best {_curve(scores)}; chosen: {chosen}"
    )


def options_text(options: Mapping[str, Any]) -> str:
    """Options and their values on one line."""
    return ", ".join(f"{name} {_text(value)}" for name, value in options.items())


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _curve(scores: Sequence[float]) -> str:
    """The expected best at budgets that double, and at the full budget."""
    best = expected_best(scores)
    budgets = sorted({2**power for power in range(len(scores).bit_length())} | {len(scores)})
    return ", ".join(f"{best[b - 1]:.4f} of {b}" for b in budgets)
