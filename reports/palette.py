"""The style of models in all plots and tables: colour, marker and line, distinct without colour.

The colours are those of Okabe and Ito (Color Universal Design, 2008) without yellow, which no line
on white survives, and with the text's own colour for black. On white they are darkened as far as a
contrast of 3 to 1 asks (WCAG 2.2, 1.4.11); on a dark ground they are the published ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

THEME = {
    "ink": ("#1b1f24", "#e6e9ed"),
    "muted": ("#57606a", "#9aa4af"),
    "grid": ("#d8dde3", "#343b44"),
    "surface": ("#ffffff", "#15191e"),
    "blue": ("#006aa9", "#0072b2"),
    "vermilion": ("#c24e00", "#d55e00"),
    "green": ("#008e60", "#009e73"),
    "purple": ("#cb79a7", "#cc79a7"),
    "orange": ("#ce8500", "#e69f00"),
    "sky": ("#349ed5", "#56b4e9"),
}
"""Colours by name, on a light ground (all files of plots) and on a dark one (the page's own)."""
MODEL_COLOURS = ("blue", "vermilion", "green", "purple", "orange", "sky", "ink")
DASHES: tuple[str | tuple[float, tuple[float, ...]], ...] = (
    "solid",
    (0, (5, 1.5)),
    (0, (1.5, 1.5)),
    (0, (6, 1.5, 1.5, 1.5)),
)
MARKERS = {
    "o": "M6 1.5a4.5 4.5 0 1 0 0 9a4.5 4.5 0 1 0 0-9z",
    "s": "M2 2h8v8h-8z",
    "^": "M6 1l5 9.5h-10z",
    "D": "M6 .5l5.5 5.5l-5.5 5.5l-5.5-5.5z",
    "v": "M6 11l5-9.5h-10z",
    "P": "M4.2 1h3.6v3.2h3.2v3.6h-3.2v3.2h-3.6v-3.2h-3.2v-3.6h3.2z",
    "X": "M3.5 1l2.5 2.5l2.5-2.5l2.5 2.5l-2.5 2.5l2.5 2.5l-2.5 2.5l-2.5-2.5l-2.5 2.5l-2.5-2.5"
    "l2.5-2.5l-2.5-2.5z",
    "p": "M6 .8l5.2 3.8l-2 6.1h-6.4l-2-6.1z",
}
"""Matplotlib's markers, and the same in a box of 12 by 12 for the page's tables."""


@dataclass(frozen=True)
class Style:
    """How one model is drawn."""

    name: str
    """Of its colour in `THEME`."""
    marker: str
    dash: str | tuple[float, tuple[float, ...]]

    @property
    def colour(self) -> str:
        """Its colour on a light ground."""
        return THEME[self.name][0]

    @property
    def path(self) -> str:
        """Its marker as the data of an SVG path in a box of 12 by 12."""
        return MARKERS[self.marker]


def model_styles(labels: Iterable[str]) -> dict[str, Style]:
    """A style for each label, decided by the labels alone: their order does not matter.

    No two of the first 28 share colour and line, nor any two of the first 56 colour and marker.
    """
    markers = tuple(MARKERS)
    return {
        label: Style(
            MODEL_COLOURS[i % len(MODEL_COLOURS)],
            markers[i % len(markers)],
            DASHES[i // len(MODEL_COLOURS) % len(DASHES)],
        )
        for i, label in enumerate(sorted(set(labels)))
    }
