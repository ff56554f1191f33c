"""A frame gives what a CSV file with the same contents gives: log, order, errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from datasets.dataset import Dataset
from datasets.errors import InputError
from datasets.frame import load_event_frame
from datasets.reading.event_table import load_event_table

PLAIN = {"session_id": [1, 1, 2, 2], "item_id": ["b", "a", "a", "é,c"], "time": [4, 3, 2, 1]}


def load(frame: pd.DataFrame, reward: str | None = None) -> Dataset:
    return load_event_frame(frame, reward=reward, notify=lambda line: None)


def load_csv(frame: pd.DataFrame, folder: Path, reward: str | None = None) -> Dataset:
    frame.to_csv(folder / "log.csv", index=False)
    return load_event_table(folder / "log.csv", reward=reward, notify=lambda line: None)


@pytest.mark.parametrize(
    "columns",
    [
        PLAIN,
        {**PLAIN, "reward": [0, 1, -1, 3]},
        {**PLAIN, "item_id": pd.Categorical(["b", "a", "a", "c"]), "time": [0.5, 0.25, 2.0, 1.0]},
        {**PLAIN, "time": pd.to_datetime(["2020-01-02", "2020-01-01", "2020-02-01", "2019-12-31"])},
        {**PLAIN, "time": ["2020-01-02T00:00:00Z", "2020-01-01", "2020-02-01", "2019-12-31"]},
        {"session_id": [1, 1, 2], "item_id": [7, 8, 7], "propensity": [0.5, 1.0, 0.25]},
        {"session_id": [1, 1, 2], "item_id": [7, 8, 7], "position": [2, 1, 1], "other": [1, 2, 3]},
    ],
)
@pytest.mark.parametrize("reward", [None, "all"])
def test_log_is_that_of_the_csv(
    columns: dict[str, Any], reward: str | None, tmp_path: Path
) -> None:
    frame = pd.DataFrame(columns)
    before = frame.copy()
    dataset, of_csv = load(frame, reward), load_csv(frame, tmp_path, reward)
    assert dataset.log.fingerprint() == of_csv.log.fingerprint()
    assert (dataset.default_split, dataset.order) == (of_csv.default_split, of_csv.order)
    assert dataset.notes[:-1] == of_csv.notes
    pd.testing.assert_frame_equal(frame, before)


def test_index_does_not_count(tmp_path: Path) -> None:
    frame = pd.DataFrame(PLAIN)
    shuffled = frame.set_index(pd.Index([9, 9, 0, 4]))
    assert load(shuffled).log.fingerprint() == load(frame).log.fingerprint()
    kept = frame[frame["time"] > 1]
    assert load(kept).log.n_events == 3


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({**PLAIN, "item_id": ["a", None, "b", "c"]}, "row 2 has a blank item_id"),
        ({**PLAIN, "time": [1, 2, None, 4]}, "row 3 has a time that is blank"),
        ({**PLAIN, "reward": [1, 1, "two", 1]}, "row 3 has a reward that is 'two', not a number"),
        ({**PLAIN, "propensity": [1, 0.5, 0.5, 0]}, "row 4 has a propensity of 0"),
        ({**PLAIN, "timestamp": [1, 2, 3, 4]}, "it has a time and a timestamp column"),
        ({"session": [1], "item_id": [1]}, "there is no column session_id among its columns"),
    ],
)
def test_fault_is_the_csvs(columns: dict[str, Any], reason: str, tmp_path: Path) -> None:
    frame = pd.DataFrame(columns)
    with pytest.raises(InputError, match=f"^the frame: .*{reason}"):
        load(frame)
    with pytest.raises(InputError) as of_csv:
        load_csv(frame, tmp_path)
    # A header line stands before the rows of a file.
    assert reason.partition(" has ")[2] in str(of_csv.value)


def test_frame_without_rows_and_kind_of_reward_are_refused() -> None:
    with pytest.raises(InputError, match="the frame has no rows"):
        load(pd.DataFrame(PLAIN).iloc[:0])
    with pytest.raises(InputError, match="--reward rating: the frame is a table without ratings"):
        load(pd.DataFrame(PLAIN), "rating")


def test_name_tells_frames_apart_and_the_file_is_the_source() -> None:
    first, other = load(pd.DataFrame(PLAIN)), load(pd.DataFrame(PLAIN).iloc[:3])
    assert first.name == load(pd.DataFrame(PLAIN)).name != other.name
    assert first.source == Path(f"{first.name}.csv")
    assert f"commands find it as {first.source}" in first.notes[-1]
