"""A frame of events is the data set that the equal CSV is, with its errors and notes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from datasets.dataset import Dataset
from datasets.errors import InputError
from datasets.reading.event_table import load_event_table

COLUMNS = {"session": "session_id", "item": "item_id"}
OTHERS = ("time", "position", "reward", "propensity")


def of_frame(frame: pd.DataFrame, **options: Any) -> Dataset:
    named = {name: name for name in OTHERS if name in frame.columns}
    return Dataset.from_frame(frame, **(COLUMNS | named | options))


def of_csv(folder: Path, text: str, reward: str | None = None) -> Dataset:
    path = folder / "log.csv"
    path.write_text(text, encoding="utf-8")
    return load_event_table(path, reward=reward, notify=lambda line: None)


def same(one: Dataset, other: Dataset) -> bool:
    facts = [
        (each.log.fingerprint(), each.default_split, each.order, each.equal_time_share, each.notes)
        for each in (one, other)
    ]
    return facts[0] == facts[1]


SORTED_BY_ID = "\n".join(
    ["session_id,item_id,time", *(f"{s},{i},{s}" for s in range(30) for i in (1, 2, 10))]
)


@pytest.mark.parametrize(
    "text",
    [
        "session_id,item_id,time\n1,c,16\n1,d,40\n2,f,30\n1,b,15\n2,a,14\n",
        "session_id,item_id\nx,7\nx,3\ny,7\n",
        "session_id,item_id,position,reward\n1,1,2,0.5\n1,2,1,-3\n2,1,1,0\n",
        "session_id,item_id,time,propensity\n1,1,2.5,0.25\n1,2,1.5,1\n",
        "session_id,item_id,time\n1,1,2020-01-01T00:00:02\n1,2,2020-01-01T00:00:01\n",
        SORTED_BY_ID,
    ],
)
def test_a_frame_is_what_the_equal_csv_is(tmp_path: Path, text: str) -> None:
    frame = pd.read_csv(io.StringIO(text))
    assert same(of_frame(frame), of_csv(tmp_path, text))
    scrambled_index = frame.set_index(np.zeros(len(frame)))
    assert same(of_frame(scrambled_index), of_csv(tmp_path, text))
    assert same(of_frame(frame, reward_kind="all"), of_csv(tmp_path, text, reward="all"))


def test_ties_in_the_order_of_item_ids_are_shuffled() -> None:
    dataset = of_frame(pd.read_csv(io.StringIO(SORTED_BY_ID)))
    assert "drawn with seed 42" in dataset.notes[0]


@pytest.mark.parametrize(
    "as_ids",
    [
        lambda column: column.astype("str"),
        lambda column: column.astype("object"),
        lambda column: column.astype("Int64"),
        lambda column: column.astype("category"),
        lambda column: column.astype("str").astype("category"),
    ],
)
def test_ids_of_every_type(tmp_path: Path, as_ids: Any) -> None:
    text = "session_id,item_id\n5,7\n5,3\n4,7\n"
    frame = pd.read_csv(io.StringIO(text)).apply(as_ids)
    assert same(of_frame(frame), of_csv(tmp_path, text))


def test_times_as_dates() -> None:
    frame = pd.DataFrame({"session_id": [1, 1], "item_id": [1, 2], "time": ["2020-01-02"] * 2})
    as_dates = frame.assign(time=pd.to_datetime(frame["time"]))
    assert same(of_frame(frame), of_frame(as_dates))


def test_ratings() -> None:
    frame = pd.DataFrame({"u": [1, 1, 2], "i": [1, 2, 1], "stars": [4.0, 3.5, 5.0]})
    columns = {"session": "u", "item": "i", "reward": "stars"}
    liked = Dataset.from_frame(frame, **columns, positive_from=4, reward_kind="rating")  # type: ignore[arg-type]
    assert liked.log.rewards.tolist() == [1, 0, 1]
    assert liked.notes[1] == "2 of 3 events have reward 1 (a stars of 4 or more), the others 0"
    with pytest.raises(InputError, match="--reward rating: frame is a table without ratings"):
        Dataset.from_frame(frame, **columns, reward_kind="rating")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        ({"item_id": ["a", None]}, "frame: row 2 has a blank item_id"),
        ({"item_id": [1.0, 2.0]}, "frame: column item_id holds float64"),
        ({"item_id": [1, "1"]}, "frame: column item_id holds object"),
        ({"item_id": [True, False]}, "frame: column item_id holds bool"),
        ({"reward": [1.0, float("nan")]}, "frame: row 2 has a reward that is blank"),
        ({"reward": [1.0, 1e300]}, "frame: row 2 has a reward of 1e[+]300 that is too large"),
        ({"time": [1, None]}, "frame: row 2 has a time that is blank"),
        ({"time": ["2020-01-01", "soon"]}, "frame: row 2 has a time that is 'soon'"),
        ({"propensity": [0.5, 1.5]}, "frame: row 2 has a propensity of 1.5 that is no prob"),
    ],
)
def test_values_that_are_refused(columns: dict[str, object], found: str) -> None:
    frame = pd.DataFrame({"session_id": ["1", "1"], "item_id": ["a", "b"]} | columns)
    with pytest.raises(InputError, match=found) as caught:
        of_frame(frame)
    assert "\n" not in str(caught.value)


def test_columns_that_are_refused() -> None:
    frame = pd.DataFrame({"session_id": ["1", "1"], "item_id": ["a", "b"]})
    with pytest.raises(InputError, match=r"no column when among its columns \(session_id, item_id"):
        of_frame(frame, time="when")
    twice = frame[["session_id", "item_id", "item_id"]]
    with pytest.raises(InputError, match="column item_id is there twice"):
        of_frame(twice)
    with pytest.raises(InputError, match="no rows"):
        of_frame(frame.iloc[:0])
