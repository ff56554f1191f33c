"""Tables of results as text: markdown for people, CSV for programs, LaTeX for papers."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tabulate import tabulate

MISSING = "-"
DIFFERS_FROM_BEST = "†"


@dataclass(frozen=True)
class Cell:
    """One figure of a model; `value` is None where there is none."""

    value: float | None
    low: float | None = None
    high: float | None = None
    """Ends of the interval; both or neither."""
    spread: float | None = None
    """Standard deviation over seeds."""
    differs_from_best: bool = False
    """Whether the figure differs significantly from the best one of its column."""

    def __post_init__(self) -> None:
        if (self.low is None) != (self.high is None):
            raise ValueError("an interval has two ends: give both low and high, or neither")


@dataclass(frozen=True)
class Column:
    """How a column is shown, and which of its values is marked as the best."""

    name: str
    digits: int
    best: Literal["highest", "lowest"] | None = None


@dataclass(frozen=True)
class TableRow:
    """One model's figures by column name; an absent name is a missing cell."""

    label: str
    values: Mapping[str, Cell]
    mark: str = ""
    """Follows the label for readers; CSV has the label alone."""


_NO_CELL = Cell(None)


def markdown_table(rows: Sequence[TableRow], columns: Sequence[Column]) -> str:
    """Pipe table of `rows`, without a newline at the end.

    A cell reads `value† ± spread [low, high]`, leaving out what it lacks, `-` without a value.
    Each column's best value is bold, with all that look the same; † marks a value that differs
    significantly from the best.
    """
    return tabulate(
        _texts(rows, columns, escape_markdown),
        headers=["model", *(escape_markdown(column.name) for column in columns)],
        tablefmt="pipe",
        disable_numparse=True,  # it would print 0.2000 as 0.2
        colalign=_alignment(columns) if rows else None,
    )


def csv_table(rows: Sequence[TableRow], columns: Sequence[Column]) -> str:
    """CSV of `figure_columns` in full precision; a missing figure is an empty field."""
    figures = figure_columns(rows, columns)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["model", *figures])
    for row, numbers in zip(rows, zip(*figures.values(), strict=True), strict=True):
        writer.writerow([row.label, *("" if n is None else repr(float(n)) for n in numbers)])
    return text.getvalue()


def figure_columns(
    rows: Sequence[TableRow], columns: Sequence[Column]
) -> dict[str, list[float | None]]:
    """The numbers of `rows` by column name, None where one is missing.

    Next to a column are those of `low`, `high` and `spread` that any of its cells has.
    """
    found = {}
    for column in columns:
        cells = [row.values.get(column.name, _NO_CELL) for row in rows]
        found[column.name] = [cell.value for cell in cells]
        for attribute in ("low", "high", "spread"):
            numbers = [getattr(cell, attribute) for cell in cells]
            if any(number is not None for number in numbers):
                found[f"{column.name} {attribute}"] = numbers
    return found


def latex_table(rows: Sequence[TableRow], columns: Sequence[Column], *, caption: str) -> str:
    """The same table in LaTeX, for the package booktabs; marks as in `markdown_table`."""
    body = tabulate(
        # A blank row, since without rows tabulate makes a table without columns.
        _texts(rows, columns, _one_line) or [[""] * (1 + len(columns))],
        headers=["model", *(_one_line(column.name) for column in columns)],
        tablefmt="latex_booktabs",
        disable_numparse=True,
        colalign=_alignment(columns),
    )
    # tabulate escapes whole cells, so marks become LaTeX only now.
    body = re.sub(r"\*\*(inf|[-\d.,]+)\*\*", r"\\textbf{\1}", body)
    for mark, command in (("†", r"$^\dagger$"), ("‡", r"$^\ddagger$"), ("±", r"$\pm$")):
        body = body.replace(mark, command)
    head = [r"\begin{table}", r"\centering", rf"\caption{{{escape_latex(caption)}}}"]
    return "\n".join([*head, body, r"\end{table}", ""])


def _texts(
    rows: Sequence[TableRow], columns: Sequence[Column], escape: Callable[[str], str]
) -> list[list[str]]:
    """The cells of each row, its label first."""
    texts = [[escape(row.label) + row.mark] for row in rows]
    for column in columns:
        cells = [row.values.get(column.name, _NO_CELL) for row in rows]
        best = best_text(cells, column)
        for text, cell in zip(texts, cells, strict=True):
            text.append(_cell_text(cell, column.digits, best))
    return texts


def _alignment(columns: Sequence[Column]) -> list[str]:
    return ["left", *("right" for _ in columns)]


def footer(lines: Sequence[str]) -> str:
    """The lines under a table as a markdown list, without a newline at the end."""
    return "\n".join(f"- {_one_line(line)}" for line in lines)


def failed_models(reasons: Mapping[str, str]) -> str:
    """Failed models with their reasons, as a markdown list."""
    return footer(
        [
            f"**{escape_markdown(name)}** failed: {escape_markdown(reason)}"
            for name, reason in reasons.items()
        ]
    )


def escape_markdown(text: str) -> str:
    """`text` on one line, written so that markdown renders it as it is, inside tables too."""
    escaped = re.sub(r"[\\|*`<\[~&$]", r"\\\g<0>", _one_line(text))
    # Between two letters or digits an underscore never marks emphasis and stays readable.
    return re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", escaped)


def escape_latex(text: str) -> str:
    """`text` on one line, written so that LaTeX prints it as it is."""
    return "".join(_LATEX.get(character, character) for character in _one_line(text))


_LATEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    **{character: "\\" + character for character in "&%$#_{}"},
}  # fmt: skip


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())


def number_text(number: float, digits: int) -> str:
    """A number as tables show it, with `digits` decimals."""
    return f"{number:,.{digits}f}"


def best_text(cells: Sequence[Cell], column: Column) -> str | None:
    """The text of the best value of a column; None if no value is marked."""
    values = [cell.value for cell in cells if cell.value is not None and cell.value == cell.value]
    if column.best is None or not values:
        return None
    return number_text(max(values) if column.best == "highest" else min(values), column.digits)


def _cell_text(cell: Cell, digits: int, best: str | None) -> str:
    if cell.value is None:
        return MISSING
    text = number_text(cell.value, digits)
    text = with_marks(f"**{text}**" if text == best else text, cell, digits)
    ends = interval_ends(cell, digits)
    return f"{text} [{', '.join(ends)}]" if ends else text


def with_marks(number: str, cell: Cell, digits: int) -> str:
    """The text of a cell's value, † if it differs from the best, and ± its spread."""
    mark = DIFFERS_FROM_BEST if cell.differs_from_best else ""
    spread = "" if cell.spread is None else f" ± {number_text(cell.spread, digits)}"
    return number + mark + spread


def interval_ends(cell: Cell, digits: int) -> list[str]:
    """Low and high end of a cell's interval as tables show them; empty without an interval."""
    return [number_text(end, digits) for end in (cell.low, cell.high) if end is not None]
