"""The tuning budget of each model: a number of candidates or of seconds."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

_SECONDS = {"s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True)
class Budget:
    """The budget of each model; either `candidates` or `seconds` is set."""

    text: str
    """As it was asked for: "20" or "30m"."""
    candidates: int | None = None
    seconds: float | None = None
    """Total run time of its candidates' processes, training and validation included."""

    def is_spent(self, candidates: int, seconds: float) -> bool:
        """Whether no further candidate may start; the first always may."""
        if self.candidates is not None:
            return candidates >= self.candidates
        return candidates > 0 and seconds >= (self.seconds or 0.0)


def parse_budget(value: Any) -> Budget:
    """Read `20` as candidates and `30m`, `90s` or `2h` as time; else raise ValueError."""
    text = str(value).strip()
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if found:
        number, unit = float(found[1]), found[2]
        if unit and 0 < number * _SECONDS[unit] < math.inf:
            return Budget(text, seconds=number * _SECONDS[unit])
        if not unit and found[1].isdigit() and number > 0:
            return Budget(text, candidates=int(found[1]))
    raise ValueError(
        f"must be a number of candidates or a time for each model, such as 20 or 30m, not {value}"
    )
