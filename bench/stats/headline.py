"""The cut-off that models are ordered, validated and tuned by."""

from __future__ import annotations

from collections.abc import Sequence

HEADLINE_K = 20


def headline_k(ks: Sequence[int]) -> int:
    """The cut-off of the headline: HEADLINE_K where it is among `ks`, else the largest."""
    return HEADLINE_K if HEADLINE_K in ks else max(ks)
