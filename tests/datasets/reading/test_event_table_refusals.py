"""Tables of events that are refused, each with one sentence that names the place."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pytest

from datasets.dataset import Dataset
from datasets.errors import InputError
from datasets.reading import delimited_text
from datasets.reading.event_table import load_event_table


def load(path: Path) -> Dataset:
    return load_event_table(path, reward=None, notify=lambda line: None)


def load_text(folder: Path, text: str) -> Dataset:
    path = folder / "log.csv"
    path.write_text(text, encoding="utf-8")
    return load(path)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(InputError) as caught:
        load_text(folder, text)
    message = str(caught.value)
    assert message.startswith(f"{folder / 'log.csv'}: ")
    assert "\n" not in message
    return message


def test_blank_item_id_r070(tmp_path: Path) -> None:
    message = refusal(tmp_path, "session_id,item_id,time\n1,1,1\n1,,2\n1,3,3\n2,2,4\n2,1,5\n")
    assert "line 3 has a blank item_id" in message


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ({"item_id": pd.array([1, None], dtype="Int64")}, "row 2 has a blank item_id"),
        ({"item_id": ["a", None]}, "row 2 has a blank item_id"),
        ({"item_id": [1.0, 2.0]}, "column item_id holds double"),
        ({"reward": [1.0, float("nan")]}, "row 2 has a reward that is blank"),
        ({"time": [1, None]}, "row 2 has a time that is blank"),
        (
            {"session_id": pd.array([], dtype="str"), "item_id": pd.array([], dtype="str")},
            "no rows",
        ),
    ],
)
def test_parquet_that_is_refused(tmp_path: Path, columns: dict[str, object], found: str) -> None:
    path = tmp_path / "log.parquet"
    pd.DataFrame({"session_id": ["1", "1"], "item_id": ["a", "b"]} | columns).to_parquet(path)
    with pytest.raises(InputError, match=found):
        load(path)


@pytest.mark.parametrize(
    ("header", "row", "found"),
    [
        ("time", "yesterday", "line 3 has a time that is 'yesterday'"),
        ("time", "now", "line 3 has a time that is 'now'"),
        ("time", "", "line 3 has a time that is blank"),
        ("time", "inf", "line 3 has a time that is 'inf'"),
        ("time", "2020-01-01", "line 3 has a time that is '2020-01-01'"),
        ("time", "99999999999999999999999", "line 3 has a time that is '9999"),
        ("time", "9223372036854775808", "line 3 has a time that is '9223372036854775808'"),
        ("position", "1st", "line 3 has a position that is '1st'"),
        ("reward", "nan", "line 3 has a reward that is 'nan'"),
        ("reward", "-inf", "line 3 has a reward that is '-inf'"),
        ("reward", "1e300", r"line 3 has a reward of 1e\+300 that is too large"),
        ("reward", "good", "line 3 has a reward that is 'good'"),
        ("propensity", "0", r"line 3 has a propensity of 0(\.0)? that is no probability"),
        ("propensity", "1.5", "line 3 has a propensity of 1.5"),
        ("propensity", "1.00000001", "line 3 has a propensity of 1.00000001"),
        ("propensity", "-0.1", "line 3 has a propensity of -0.1"),
        ("propensity", "x", "line 3 has a propensity that is 'x'"),
    ],
)
def test_values_that_are_refused(tmp_path: Path, header: str, row: str, found: str) -> None:
    text = f"session_id,item_id,{header}\n1,a,1\n1,b,{row}\n1,c,1\n"
    with pytest.raises(InputError, match=found):
        load_text(tmp_path, text)


def test_numbers_among_dates_are_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path, "session_id,item_id,time\n1,a,2020-01-01\n1,b,2020\n")
    assert "line 3 has a time that is '2020'" in message


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("session,item_id\n1,a\n", "there is no column session_id among its columns (session, "),
        ("session_id;item_id\n1;a\n", "no column session_id nor item_id"),
        ("session_id,item_id,when\n1,a\n2,b,3,4\n", "line 3"),
        ("session_id,item_id\n1,a,5\n1,b\n", "line 2 has 3 fields, not 2"),
        ("session_id,item_id\n1,a\n1,b,5\n", "line 3, saw 3"),
        ('session_id,item_id\n1,"a\n1,b\n', "inside string"),
        ("session_id,item_id,item_id\n1,a,b\n", "column item_id is there twice"),
        ("session_id,item_id,time,timestamp\n1,a,1,2\n", "a time and a timestamp column"),
        ("", "the file is empty"),
        ("\n\n", "the file is empty"),
        ("session_id,item_id\n", "a header but no rows"),
        ("session_id,item_id\n1\n", "line 2 has a blank item_id"),
        ("session_id,item_id\n  ,a\n", "line 2 has a blank session_id"),
    ],
)
def test_tables_that_are_refused(tmp_path: Path, text: str, found: str) -> None:
    assert found in refusal(tmp_path, text)


def test_the_line_is_right_after_blank_lines_and_quoted_line_breaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delimited_text, "ROWS_PER_BLOCK", 1)
    text = '\ufeffsession_id,item_id,time\r\n1,"a\nb",1\r\n\r\n1,c,soon\r\n'
    assert "line 5 has a time that is 'soon'" in refusal(tmp_path, text)


def test_bytes_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_bytes(b"session_id,item_id\n1,a\n1,caf\xe9\n")
    with pytest.raises(InputError, match="not UTF-8 text"):
        load(tmp_path / "log.csv")


def test_a_gzip_file_that_is_damaged_is_refused(tmp_path: Path) -> None:
    rows = "".join(f"{n // 5},{n * 7919 % 1009},{n}\n" for n in range(5000))
    packed = gzip.compress(f"session_id,item_id,time\n{rows}".encode())
    damaged = {
        "short": packed[: len(packed) // 2],
        "flipped": packed[:3000] + b"\x00\xff\x00\xff" + packed[3004:],
        "plain": b"session_id,item_id\n1,a\n",
    }
    for name, content in damaged.items():
        path = tmp_path / f"{name}.csv.gz"
        path.write_bytes(content)
        with pytest.raises(InputError, match=f"{name}.csv.gz: not a whole gzip file"):
            load(path)


def test_files_that_are_no_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        load(tmp_path / "gone.csv")
    (tmp_path / "log.xlsx").write_bytes(b"x")
    with pytest.raises(InputError, match=r"give \.csv, \.csv\.gz, \.parquet"):
        load(tmp_path / "log.xlsx")
    (tmp_path / "log.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(InputError, match="not a whole Parquet file"):
        load(tmp_path / "log.parquet")
