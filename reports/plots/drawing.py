"""What all plots share: style, legend and output files."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, fontManager
from matplotlib.lines import Line2D
from matplotlib.textpath import TextPath
from matplotlib.ticker import AutoLocator, FuncFormatter, Locator, LogLocator, NullLocator
from numpy.typing import ArrayLike

from reports.palette import THEME, Style

INK, MUTED, GRID, SURFACE = (THEME[name][0] for name in ("ink", "muted", "grid", "surface"))
WIDTH = 4.2
"""Width of every plot in inches, small enough for its text to be legible on a phone."""
ROW = 0.27
"""Inches of a row that holds one model."""
PAD = 0.08
"""Inches around everything."""
LEGEND_ROW = 0.21
"""Inches."""
LEGEND_MARK = 0.6
"""Inches of an entry's line and of the gaps around it."""
POINTS_PER_INCH = 72
LONGEST_NAME = 20
MOST_ROWS = 60
"""Points of all curves up to which a plot has a table of them."""
DOTS_PER_INCH = 200
_OTHER_SCRIPTS = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Source Han Sans SC", "WenQuanYi Zen Hei",
    "PingFang SC", "Hiragino Sans GB", "Microsoft YaHei",
)  # fmt: skip
"""Fonts that have what Matplotlib's own lacks; only those are used that are installed."""


@dataclass(frozen=True)
class Plot:
    """A picture, its texts, and the data behind it."""

    name: str
    """Name of its files, without suffix."""
    title: str
    caption: str
    """How to read it, in sentences."""
    description: str
    """What it shows, for a screen reader."""
    svg: str
    png: bytes
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    """Its data as a table; empty where that would be long."""


@contextmanager
def drawing() -> Iterator[None]:
    """Plots drawn inside look the same on every machine, whatever the user's settings."""
    families = fontManager.get_font_names()
    with mpl.rc_context(), warnings.catch_warnings():
        # Text stays text in SVG: a browser has the glyphs that Matplotlib's font lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        mpl.rcdefaults()
        mpl.rcParams.update(
            {
                "font.family": ["DejaVu Sans", *(f for f in _OTHER_SCRIPTS if f in families)],
                "font.size": 9.5,
                "axes.labelsize": 9.5,
                "axes.labelcolor": MUTED,
                "axes.edgecolor": MUTED,
                "axes.linewidth": 0.8,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "axes.grid": True,
                "axes.axisbelow": True,
                "grid.color": GRID,
                "grid.linewidth": 0.7,
                "text.color": INK,
                "xtick.color": MUTED,
                "ytick.color": MUTED,
                "xtick.labelsize": 9,
                "ytick.labelsize": 9,
                "xtick.major.size": 3,
                "ytick.major.size": 3,
                "xaxis.labellocation": "right",  # where it grows over the names of rows
                "legend.frameon": False,
                "legend.fontsize": 9,
                "figure.facecolor": SURFACE,
                "axes.facecolor": "none",
                "savefig.facecolor": SURFACE,
                "text.parse_math": False,  # a label may hold dollar signs
                "svg.fonttype": "none",
                "svg.hashsalt": "session-recommender-bench",
            }
        )
        yield


def panel(height: float) -> tuple[Figure, Axes]:
    """A figure of one panel, `height` inches tall; call inside `drawing`."""
    figure = Figure(figsize=(WIDTH, height))
    return figure, figure.add_subplot()


def short(label: str) -> str:
    """A label on one line that leaves room for the plot."""
    line = " ".join(label.split())
    return line if len(line) <= LONGEST_NAME else f"{line[: LONGEST_NAME - 1]}…"


def legend(figure: Figure, entries: Sequence[tuple[str, Line2D]]) -> None:
    """A legend under the panel; the figure grows by its height."""
    if not entries:
        return
    size = mpl.rcParams["legend.fontsize"]
    font = FontProperties(family=mpl.rcParams["font.family"])
    widest = max(TextPath((0, 0), label, size, prop=font).get_extents().x1 for label, _ in entries)
    at_most = max(1, int(WIDTH / (LEGEND_MARK + widest / POINTS_PER_INCH)))
    rows = math.ceil(len(entries) / at_most)
    columns = math.ceil(len(entries) / rows)
    figure.set_figheight(figure.get_figheight() + LEGEND_ROW * rows)
    found = figure.legend(
        [handle for _, handle in entries],
        [""] * len(entries),  # a label that starts with an underscore would be left out
        loc="lower center",
        borderaxespad=0.4,
        ncols=columns,
        handlelength=1.8,
        columnspacing=1.4,
    )
    for text, (label, _) in zip(found.get_texts(), entries, strict=True):
        text.set_text(label)


def model_line(style: Style, **changes: Any) -> Line2D:
    """A model's points and line as an entry of a legend."""
    shown: dict[str, Any] = {
        "color": style.colour, "marker": style.marker, "linestyle": style.dash, "markersize": 6,
    }  # fmt: skip
    return Line2D([], [], **(shown | changes))


def name_rows(axes: Axes, labels: Sequence[str]) -> None:
    """Models down the y axis, the first on top, `ROW` inches each."""
    axes.set_yticks(range(len(labels)), [short(label) for label in labels], color=INK)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="y", visible=False)


def time_axis(axes: Axes, seconds: Sequence[float]) -> None:
    """Seconds along x, on a logarithmic scale where they span more than a factor of ten."""
    positive = [value for value in seconds if value > 0]
    locator: Locator = AutoLocator()
    if len(positive) == len(seconds) and max(positive) > 10 * min(positive):
        axes.set_xscale("log")
        locator = LogLocator(numticks=8)
    plain_ticks(axes.xaxis, locator)


def plain_ticks(axis: Axis, locator: Locator) -> None:
    """Ticks where `locator` puts them and nowhere else, as `plain` writes them."""
    axis.set_major_locator(locator)
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))


def draw_curve(axes: Axes, style: Style, x: Sequence[float], y: ArrayLike) -> None:
    """A model's curve with about ten markers at most."""
    axes.plot(
        x, y, color=style.colour, linestyle=style.dash, linewidth=1.6, marker=style.marker,
        markersize=4.5, markevery=max(1, len(x) // 10),
    )  # fmt: skip


def plain(value: float) -> str:
    """A number as a person writes it: 0.001, 12.5, 1,000."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}" if abs(value) >= 1e-4 or value == 0 else f"{value:.0e}"


def rendered(figure: Figure) -> tuple[str, bytes]:
    """`figure` as SVG and as PNG; equal figures give equal files. Call inside `drawing`."""
    _fit(figure)
    svg, png = io.StringIO(), io.BytesIO()
    figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    figure.savefig(png, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    # Where Matplotlib's font is missing, a font without serifs keeps the look.
    return svg.getvalue().replace("'DejaVu Sans'", "'DejaVu Sans', sans-serif"), png.getvalue()


def _fit(figure: Figure) -> None:
    """Give the panel all the room that its labels and the legend leave.

    What Matplotlib's constrained layout does for many panels, at a fraction of its time for one.
    """
    (axes,) = figure.axes
    canvas = FigureCanvasAgg(figure)
    renderer = cast(RendererAgg, canvas.get_renderer())  # type: ignore[no-untyped-call]
    width, height = figure.get_size_inches() * figure.dpi
    x_pad, y_pad = PAD * figure.dpi / width, PAD * figure.dpi / height
    bottom = max(
        (found.get_window_extent(renderer).y1 / height for found in figure.legends), default=0
    )
    axes.set_position((0.3, 0.2, 0.65, 0.75))
    # Twice, since a panel of another size has other ticks and labels.
    for _ in range(2):
        outer, inner = axes.get_tightbbox(renderer), axes.get_window_extent(renderer)
        assert outer is not None
        left = (inner.x0 - outer.x0) / width + x_pad
        right = 1 - (outer.x1 - inner.x1) / width - x_pad
        low = bottom + (inner.y0 - outer.y0) / height + y_pad
        high = 1 - (outer.y1 - inner.y1) / height - y_pad
        axes.set_position((left, low, right - left, high - low))


def entries(labels: Sequence[str], styles: Mapping[str, Style]) -> list[tuple[str, Line2D]]:
    """Legend entries of models."""
    return [(short(label), model_line(styles[label])) for label in labels]
