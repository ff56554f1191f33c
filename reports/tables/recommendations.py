"""The list that a trained model recommends, as a table."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import tabulate

from bench.serving.recommendation import Recommendation
from reports.tables.formats import escape_markdown


def recommendations_markdown(recommendations: Sequence[Recommendation]) -> str:
    """Rank, item, title and score as a pipe table; no titles where no item has one."""
    has_titles = any(item.title for item in recommendations)
    rows = [
        [
            str(item.rank),
            escape_markdown(item.item_id),
            *([escape_markdown(item.title)] if has_titles else []),
            f"{item.score:,.4f}",
        ]
        for item in recommendations
    ]
    table = tabulate(
        rows,
        headers=["rank", "item", *(["title"] if has_titles else []), "score"],
        tablefmt="pipe",
        disable_numparse=True,  # an id is text, whatever it looks like
        colalign=["right", "left", *(["left"] if has_titles else []), "right"],
    )
    return f"{table}\n"
