"""Tables keep digits, columns and names as they are."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.tables.formats import (
    Cell,
    Column,
    TableRow,
    csv_table,
    escape_latex,
    escape_markdown,
    failed_models,
    footer,
    latex_table,
    markdown_table,
)

COLUMNS = [
    Column("Recall@20", 4, "highest"),
    Column("MRR@20", 4, "highest"),
    Column("train_time_s", 1, "lowest"),
]


def case_rows(folder: Path) -> list[TableRow]:
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return [
        TableRow(row["model"], {column.name: Cell(row[column.name]) for column in COLUMNS})
        for row in results
    ]


def cells_of(line: str) -> list[str]:
    """Cells as a markdown renderer reads them, its escapes undone."""
    parts = re.findall(r"(?:\\.|[^|\\])+", line)
    return [re.sub(r"\\(.)", r"\1", part.strip()) for part in parts]


def test_markup_in_names_stays_text(cases_dir: Path) -> None:
    lines = markdown_table(case_rows(cases_dir / "R111-table-pipe"), COLUMNS).splitlines()
    assert [len(re.findall(r"(?<!\\)\|", line)) for line in lines] == [5] * 5
    assert [cells_of(line)[0] for line in lines[2:]] == ["gru4rec|ce", "tocr*K=16*", "a`b"]
    assert "tocr\\*K=16\\*" in lines[3]
    assert "a\\`b" in lines[4]


def test_digits_are_kept(cases_dir: Path) -> None:
    rows = case_rows(cases_dir / "R112-table-trailing-zeros")
    lines = markdown_table(rows, COLUMNS[:2]).splitlines()
    assert [cells_of(line)[1:] for line in lines[2:]] == [
        ["**0.2000**", "**0.0700**"],
        ["0.1994", "0.0522"],
    ]
    assert re.fullmatch(r"\|:-+\|-+:\|-+:\|", lines[1])
    assert all(re.search(r"\d(\*\*)? \|$", line) for line in lines[2:])


def test_wide_characters_keep_columns_in_line(cases_dir: Path) -> None:
    wcwidth = pytest.importorskip("wcwidth", reason="tabulate aligns wide characters by wcwidth")
    lines = markdown_table(case_rows(cases_dir / "R114-table-wide-characters"), COLUMNS)
    starts = [
        [wcwidth.wcswidth(line[: match.start()]) for match in re.finditer(r"\|", line)]
        for line in lines.splitlines()
    ]
    assert all(start == starts[0] for start in starts)


def test_table_as_a_whole() -> None:
    rows = [
        TableRow(
            "gru4rec",
            {"Recall@20": Cell(0.12341, 0.11, 0.139), "events/s": Cell(9832.4)},
        ),
        TableRow("session_popularity", {"Recall@20": Cell(0.1, 0.09, 0.11, spread=0.0021)}),
        TableRow("tied", {"Recall@20": Cell(0.12339), "events/s": Cell(12.0)}),
    ]
    columns = [Column("Recall@20", 4, "highest"), Column("events/s", 0, "highest")]
    assert markdown_table(rows, columns) == "\n".join(
        [
            "| model              |                        Recall@20 |   events/s |",
            "|:-------------------|---------------------------------:|-----------:|",
            "| gru4rec            |      **0.1234** [0.1100, 0.1390] |  **9,832** |",
            "| session_popularity | 0.1000 ± 0.0021 [0.0900, 0.1100] |          - |",
            "| tied               |                       **0.1234** |         12 |",
        ]
    )


def test_lowest_is_best_where_asked_and_nothing_where_not() -> None:
    rows = [TableRow(name, {"s": Cell(value)}) for name, value in [("a", 2.0), ("b", 1.0)]]
    assert [
        cells_of(line)[1]
        for line in markdown_table(rows, [Column("s", 1, "lowest")]).split("\n")[2:]
    ] == ["2.0", "**1.0**"]
    assert "**" not in markdown_table(rows, [Column("s", 1)])


def test_nan_is_shown_and_never_best() -> None:
    rows = [TableRow(name, {"s": Cell(v)}) for name, v in [("a", float("nan")), ("b", 1.0)]]
    lines = markdown_table(rows, [Column("s", 1, "lowest")]).splitlines()
    assert [cells_of(line)[1] for line in lines[2:]] == ["nan", "**1.0**"]


def test_table_without_rows_still_has_its_header() -> None:
    lines = markdown_table([], COLUMNS).splitlines()
    assert [cells_of(line) for line in lines[:1]] == [
        ["model", "Recall@20", "MRR@20", "train_time_s"]
    ]
    assert len(lines) == 2


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1))
def test_every_name_stays_in_its_cell(name: str) -> None:
    line = markdown_table([TableRow(name, {"x": Cell(1.0)})], [Column("x", 1)]).splitlines()[2]
    assert cells_of(line) == [name, "1.0"]


def test_line_breaks_in_names_do_not_break_the_row() -> None:
    assert escape_markdown("a\nb\r\nc") == "a b c"


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("session_popularity", "session_popularity"),
        ("_private_", r"\_private\_"),
        ("<b>", r"\<b>"),
        ("[x](y)", r"\[x](y)"),
        ("a\\b", r"a\\b"),
    ],
)
def test_escapes(text: str, escaped: str) -> None:
    assert escape_markdown(text) == escaped


def test_csv_has_full_precision_and_only_the_columns_there_are() -> None:
    rows = [
        TableRow("a,b", {"Recall@20": Cell(1 / 3, 0.3, 0.4), "events/s": Cell(9832)}),
        TableRow("tocr", {"Recall@20": Cell(0.2)}),
    ]
    text = csv_table(rows, [Column("Recall@20", 4, "highest"), Column("events/s", 0)])
    assert list(csv.reader(io.StringIO(text))) == [
        ["model", "Recall@20", "Recall@20 low", "Recall@20 high", "events/s"],
        ["a,b", "0.3333333333333333", "0.3", "0.4", "9832.0"],
        ["tocr", "0.2", "", "", ""],
    ]


def test_csv_shows_the_spread_where_there_is_one() -> None:
    rows = [TableRow("a", {"x": Cell(0.5, spread=0.1)})]
    assert csv_table(rows, [Column("x", 2)]) == "model,x,x spread\na,0.5,0.1\n"


def test_half_an_interval_is_refused() -> None:
    with pytest.raises(ValueError, match="both low and high"):
        Cell(0.5, low=0.4)


def test_footer_and_failed_models() -> None:
    assert footer(["data: x", "ties\nconservative"]) == "- data: x\n- ties conservative"
    assert failed_models({"my*model": "RuntimeError: <lambda> gave\nNaN"}) == (
        r"- **my\*model** failed: RuntimeError: \<lambda> gave NaN"
    )


def test_latex_is_escaped() -> None:
    assert escape_latex("50%_of {a}\\b^~#&$") == (
        r"50\%\_of \{a\}\textbackslash{}b\textasciicircum{}\textasciitilde{}\#\&\$"
    )


def test_latex_marks_and_escapes() -> None:
    cell = Cell(0.25, 0.2, 0.3, spread=0.01, differs_from_best=True)
    rows = [TableRow("a_b", {"R%": cell}, "‡"), TableRow("**c**", {"R%": Cell(0.5)})]
    lines = latex_table(rows, [Column("R%", 2, "highest")], caption="").splitlines()
    shown = [" ".join(line.split()) for line in lines]
    assert r"model & R\% \\" in shown
    assert r"a\_b$^\ddagger$ & 0.25$^\dagger$ $\pm$ 0.01 [0.20, 0.30] \\" in shown
    assert r"**c** & \textbf{0.50} \\" in shown


def test_latex_without_models_has_its_columns() -> None:
    lines = latex_table([], [Column("x", 2)], caption="").splitlines()
    assert r"\begin{tabular}{lr}" in lines
