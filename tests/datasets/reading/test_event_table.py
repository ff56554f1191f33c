"""Tables of events: read exactly as they are written, in the order that they name."""

from __future__ import annotations

import gzip
import json
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from datasets.dataset import Dataset
from datasets.errors import InputError
from datasets.reading import delimited_text
from datasets.reading.event_table import load_event_table
from datasets.session_log import SessionLog

REPOSITORY = Path(__file__).parents[3]


def load(path: Path, reward: str | None = None) -> Dataset:
    return load_event_table(path, reward=reward, notify=lambda line: None)


def load_text(folder: Path, text: str, reward: str | None = None) -> Dataset:
    path = folder / "log.csv"
    path.write_text(text, encoding="utf-8")
    return load(path, reward)


def sessions_of(log: SessionLog) -> dict[str, list[str]]:
    return {
        str(log.session_ids[s]): log.item_ids[
            log.items[log.offsets[s] : log.offsets[s + 1]]
        ].tolist()
        for s in range(log.n_sessions)
    }


def times_of(log: SessionLog) -> list[float]:
    assert log.times is not None
    return log.times.tolist()


INTERLEAVED = (
    "session_id,item_id,time\n1,c,16\n1,d,40\n1,b,15\n1,a,5\n3,c,2\n3,c,1\n2,f,30\n2,a,14\n2,e,7\n"
    "3,b,50\n"
)


def test_interleaved_rows_r034(tmp_path: Path) -> None:
    dataset = load_text(tmp_path, INTERLEAVED)
    assert list(sessions_of(dataset.log).items()) == [
        ("3", ["c", "c", "b"]),
        ("1", ["a", "b", "c", "d"]),
        ("2", ["e", "a", "f"]),
    ]
    assert (dataset.log.n_events, dataset.log.n_targets) == (10, 7)
    header, *rows = INTERLEAVED.splitlines()
    rows.sort(key=lambda row: int(row.split(",")[2]))
    resorted = load_text(tmp_path, "\n".join([header, *rows]))
    assert sessions_of(resorted.log) == sessions_of(dataset.log)


def test_the_case_r034(cases_dir: Path) -> None:
    case = cases_dir / "R034-interleaved-rows"
    expected = json.loads((case / "expected_sessions.json").read_text())
    sessions = sessions_of(load(case / "log.csv").log)
    assert sessions == expected
    assert list(sessions) == ["3", "1", "2"]


def test_times_one_second_apart_r050(tmp_path: Path) -> None:
    log = load_text(
        tmp_path,
        "session_id,item_id,time\n1,third,975000190\n1,second,975000124\n1,first,975000123\n"
        "2,first,975000200\n2,third,975000201\n",
    ).log
    assert sessions_of(log) == {"1": ["first", "second", "third"], "2": ["first", "third"]}
    assert times_of(log) == [975000123, 975000124, 975000190, 975000200, 975000201]
    assert log.times is not None
    assert log.times.dtype == np.int64


@pytest.mark.parametrize("unit", ["", "000"])
def test_times_in_seconds_and_milliseconds_r051(tmp_path: Path, unit: str) -> None:
    seconds = {"c": 1, "h": 0, "a": 4, "f": 12, "g": 9, "b": 10, "d": 13, "e": 20}
    rows = [f"5,{item},{1393891200 + second}{unit}" for item, second in seconds.items()]
    log = load_text(tmp_path, "session_id,item_id,time\n" + "\n".join(rows)).log
    assert sessions_of(log)["5"] == list("hcagbfde")


def test_integers_beyond_float64_stay_exact(tmp_path: Path) -> None:
    nanoseconds = [1700000000000000003, 1700000000000000002, 1700000000000000001]
    rows = [f"1,{item},{time}" for item, time in zip("cba", nanoseconds, strict=True)]
    log = load_text(tmp_path, "session_id,item_id,timestamp\n" + "\n".join(rows)).log
    assert sessions_of(log)["1"] == ["a", "b", "c"]
    assert times_of(log) == nanoseconds[::-1]


def test_decimal_times_stay_float64(tmp_path: Path) -> None:
    log = load_text(tmp_path, "session_id,item_id,time\n1,b,1000.25\n1,a,1000\n").log
    assert times_of(log) == [1000.0, 1000.25]
    assert sessions_of(log)["1"] == ["a", "b"]


def test_iso_times_become_utc_milliseconds(tmp_path: Path) -> None:
    log = load_text(
        tmp_path,
        "session_id,item_id,time\n1,c,1970-01-01T00:00:02Z\n1,b,1970-01-01T01:00:01.500+01:00\n"
        "1,a,1970-01-01 00:00:01\n1,d,1970-01-02\n",
    ).log
    assert sessions_of(log)["1"] == ["a", "b", "c", "d"]
    assert times_of(log) == [1000, 1500, 2000, 86400000]


def test_without_time_events_stand_in_file_order_r068(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("session_id,item_id\n1,a\n1,b\n2,b\n2,a\n3,a\n3,b\n")
    for _ in range(2):  # the second time from the cache, which must not silence it
        said: list[str] = []
        dataset = load_event_table(path, reward=None, notify=said.append)
        assert sessions_of(dataset.log) == {"1": ["a", "b"], "2": ["b", "a"], "3": ["a", "b"]}
        assert (dataset.order, dataset.default_split) == ("file", "session-holdout")
        assert "no time or position column: events stand in file order" in dataset.notes
        assert said == [f"{path}: no time or position column, so events stand in file order"]


@pytest.mark.parametrize(
    ("columns", "order", "split"),
    [
        ("time", "time", "temporal"),
        ("timestamp", "time", "temporal"),
        ("position", "position", "session-holdout"),
    ],
)
def test_columns_decide_order_and_default_split(
    tmp_path: Path, columns: str, order: str, split: str
) -> None:
    dataset = load_text(tmp_path, f"{columns},item_id,session_id\n2,b,s\n1,a,s\n")
    assert sessions_of(dataset.log) == {"s": ["a", "b"]}
    assert (dataset.order, dataset.default_split) == (order, split)


def test_the_test_part_of_r070_has_two_integer_ids(tmp_path: Path) -> None:
    log = load_text(tmp_path, "session_id,item_id,time\n9,3,10\n9,1,11\n").log
    assert log.item_ids.tolist() == ["3", "1"]
    assert log.n_targets == 1


def test_leading_zeros_r073(tmp_path: Path) -> None:
    log = load_text(
        tmp_path,
        "session_id,item_id,time\n1,0108775015,1\n1,108775015,2\n2,0108775044,3\n2,0108775015,4\n",
    ).log
    assert log.item_ids.tolist() == ["0108775015", "108775015", "0108775044"]
    assert sessions_of(log)["2"] == ["0108775044", "0108775015"]


def test_a_text_id_after_a_long_numeric_column_r074(
    cases_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(cases_dir / "R074-mixed-type-long-column" / "make_log.py"))
    log = load(tmp_path / "log.csv").log
    assert (log.n_items, log.n_events) == (300_001, 600_001)
    assert capfd.readouterr() == ("", "")


def test_ids_are_the_same_in_every_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited_text, "ROWS_PER_BLOCK", 2)
    log = load_text(
        tmp_path, "session_id,item_id,time\n1,7,1\n1,8,2\n1,7,3.5\n2,x,4\n2,07,5\n2,8,6\n"
    ).log
    assert log.item_ids.tolist() == ["7", "8", "x", "07"]
    assert sessions_of(log) == {"1": ["7", "8", "7"], "2": ["x", "07", "8"]}
    assert times_of(log) == [1, 2, 3.5, 4, 5, 6]


def test_sparse_ids_r077(tmp_path: Path) -> None:
    log = load_text(
        tmp_path,
        "session_id,item_id,time\n1,5,1\n1,70000,2\n2,2000000000,3\n2,5,4\n3,70000,5\n"
        "3,2000000000,6\n",
    ).log
    assert log.item_ids.tolist() == ["5", "70000", "2000000000"]
    assert log.items.tolist() == [0, 1, 2, 0, 1, 2]


def test_item_codes_do_not_hang_on_the_hash_seed_r118(tmp_path: Path) -> None:
    rows = [f"{n // 3},{item},{n}" for n, item in enumerate("XBDABC" * 20)]
    (tmp_path / "log.csv").write_text("session_id,item_id,time\n" + "\n".join(rows))
    program = (
        "import sys; from pathlib import Path;"
        "from datasets.reading.event_table import load_event_table;"
        "log = load_event_table(Path(sys.argv[1]), reward=None, notify=print).log;"
        "print(log.item_ids.tolist(), log.items.tolist(), log.fingerprint())"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / "log.csv")],
            env={"PYTHONHASHSEED": seed, "BENCH_CACHE_DIR": str(tmp_path / seed)},
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1")
    ]
    assert outputs[0] == outputs[1]
    assert "['X', 'B', 'D', 'A', 'C']" in outputs[0]


@pytest.mark.parametrize("text", ["NA", "nan", "null", "None", "True", "1e5", "1_000", " a "])
def test_ids_that_look_like_something_else_stay_as_written(tmp_path: Path, text: str) -> None:
    log = load_text(tmp_path, f"session_id,item_id,time\n{text},{text},1\n{text},b,2\n").log
    assert sessions_of(log) == {text: [text, "b"]}


def test_csv_gz_and_parquet_give_the_log_of_the_csv(tmp_path: Path) -> None:
    text = "session_id,item_id,time,reward,propensity\n1,7,2,0.5,0.1\n1,3,1,0,1\n2,7,9,1,0.5\n"
    plain = load_text(tmp_path, text)
    with gzip.open(tmp_path / "log.csv.gz", "wt") as file:
        file.write(text)
    table = pd.DataFrame(
        {
            "session_id": ["1", "1", "2"],
            "item_id": [7, 3, 7],  # integers become their decimal text
            "time": [2, 1, 9],
            "reward": [0.5, 0.0, 1.0],
            "propensity": [0.1, 1.0, 0.5],
            "unused": [None, "x", "y"],
        }
    )
    table.to_parquet(tmp_path / "log.parquet")
    for name in ("log.csv.gz", "log.parquet"):
        other = load(tmp_path / name)
        assert other.log.fingerprint() == plain.log.fingerprint()
        assert (other.order, other.notes) == (plain.order, plain.notes)
    assert plain.log.propensities is not None
    assert plain.log.propensities.tolist() == pytest.approx([1, 0.1, 0.5])


def test_parquet_timestamps_are_utc_milliseconds(tmp_path: Path) -> None:
    stamps = pd.to_datetime(["1970-01-01T00:00:02", "1970-01-01T00:00:01"])
    table = pd.DataFrame({"session_id": ["1", "1"], "item_id": ["b", "a"], "time": stamps})
    table.to_parquet(tmp_path / "log.parquet")
    assert times_of(load(tmp_path / "log.parquet").log) == [1000, 2000]


def test_rewards_default_to_the_column_else_ones(tmp_path: Path) -> None:
    with_column = "session_id,item_id,time,reward\n1,a,1,0\n1,b,2,0.5\n"
    dataset = load_text(tmp_path, with_column)
    assert dataset.log.rewards.tolist() == [0, 0.5]
    assert "1 of 2 events have a reward above 0" in dataset.notes
    assert load_text(tmp_path, with_column, reward="all").log.rewards.tolist() == [1, 1]
    without = load_text(tmp_path, "session_id,item_id,time\n1,a,1\n1,b,2\n")
    assert without.log.rewards.tolist() == [1, 1]
    assert without.log.rewards.dtype == np.float32
    with pytest.raises(InputError, match="--reward rating"):
        load_text(tmp_path, with_column, reward="rating")


def test_a_real_log_loads_as_it_is(data_dir: Path) -> None:
    dataset = load(data_dir / "yoochoose-part" / "sessions.csv.gz")
    log = dataset.log
    assert (log.n_events, log.n_sessions, log.n_items) == (71_222, 15_324, 6_751)
    assert (dataset.order, dataset.name) == ("position", "yoochoose-part-sessions")
