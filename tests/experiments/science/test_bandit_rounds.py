"""Open Bandit rounds: read as published, refused with the line."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from datasets.errors import InputError
from datasets.reading.event_table import load_event_table
from experiments.science.bandit_rounds import read_rounds

HEADER = ",timestamp,item_id,position,click,propensity_score,user_feature_0"
ROWS = (
    "0,2019-11-24 00:01:03.979311+00:00,14,3,0,0.5,x",
    "1,2019-11-24 00:01:45+00:00,9,1,1,0.029411764705882353,y",
    "2,2019-11-24 00:02:00.5+00:00,14,2,0,1.0,x",
)
ITEMS = ",item_id,item_feature_0\n0,9,-0.6\n1,14,0.2\n2,30,0.1\n"


def write(folder: Path, *rows: str, items: str = ITEMS) -> Path:
    (folder / "men.csv").write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    (folder / "item_context.csv").write_text(items, encoding="utf-8")
    return folder


def test_rounds_as_published(tmp_path: Path) -> None:
    rounds = read_rounds(write(tmp_path, *ROWS))
    assert rounds.item_ids.tolist() == ["9", "14", "30"]
    assert rounds.items.tolist() == [1, 0, 1]
    assert rounds.positions.tolist() == [3, 1, 2]
    assert rounds.clicks.tolist() == [0, 1, 0]
    assert rounds.propensities.tolist() == [0.5, 1 / 34, 1]
    assert (rounds.times - rounds.times[0]).tolist() == [0, 41021, 56521]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("0", "line 3 has a propensity_score of 0.0 that is no probability in"),
        ("1.2", "line 3 has a propensity_score of 1.2 that is no probability in"),
        ("-0.1", "line 3 has a propensity_score of -0.1"),
        ("", "line 3 has a propensity_score that is blank"),
        ("nan", "line 3 has a propensity_score that is 'nan'"),
    ],
)
def test_propensities_that_are_none_are_refused_with_the_line(
    tmp_path: Path, value: str, found: str
) -> None:
    bad = f"1,2019-11-24 00:01:45+00:00,9,1,1,{value},y"
    folder = write(tmp_path, ROWS[0], bad, ROWS[2])
    with pytest.raises(InputError, match=found) as caught:
        read_rounds(folder)
    assert str(folder / "men.csv") in str(caught.value)


@pytest.mark.parametrize(("value", "found"), [("0", "of 0"), ("1.2", "of 1.2"), ("", "blank")])
def test_so_they_are_in_a_table_of_events(tmp_path: Path, value: str, found: str) -> None:
    csv = tmp_path / "log.csv"
    csv.write_text(f"session_id,item_id,propensity\n1,1,0.5\n1,2,{value}\n", encoding="utf-8")
    parquet = tmp_path / "log.parquet"
    number = float(value) if value else None
    pd.DataFrame(
        {"session_id": ["1", "1"], "item_id": ["1", "2"], "propensity": [0.5, number]}
    ).to_parquet(parquet)
    for path, place in ((csv, "line 3"), (parquet, "row 2")):
        with pytest.raises(InputError, match=rf"{place} has a propensity .*{found}") as caught:
            load_event_table(path, reward=None, notify=print)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ("1,2019-11-24 00:01:45+00:00,9,1,2,0.5,y", "line 3 has a click of 2 that is neither"),
        ("1,2019-11-24 00:01:45+00:00,8,1,1,0.5,y", "line 3 has item_id 8, which item_context"),
        ("1,yesterday,9,1,1,0.5,y", "line 3 has a timestamp that is 'yesterday'"),
    ],
)
def test_other_faults_are_refused_with_the_line(tmp_path: Path, row: str, found: str) -> None:
    with pytest.raises(InputError, match=found):
        read_rounds(write(tmp_path, ROWS[0], row))


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not an Open Bandit campaign"):
        read_rounds(tmp_path)
    (tmp_path / "men.csv").write_text("session_id,item_id\n1,2\n1,3\n", encoding="utf-8")
    with pytest.raises(InputError, match="no column timestamp"):
        read_rounds(tmp_path)
