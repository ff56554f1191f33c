"""MovieLens in its three layouts, by path and by name."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from datasets.errors import InputError
from datasets.reading import movielens_archives
from datasets.reading.download import Checksum
from datasets.registry import load_dataset
from datasets.session_log import SessionLog

HALF_STARS = (
    "userId,movieId,rating,timestamp\r\n1,10,3.5,1000\r\n1,11,4.0,1001\r\n1,12,4.5,1002\r\n"
    "1,13,0.5,1003\r\n2,11,5.0,1004\r\n2,10,3.0,1005\r\n2,12,4.0,1006\r\n"
)
U_DATA = (
    "1\t10\t3\t880000049\n1\t11\t5\t880000040\n1\t12\t1\t880000060\n1\t13\t4\t880000045\n"
    "2\t10\t2\t879000116\n2\t14\t5\t879000000\n2\t11\t4\t879000200\n2\t15\t3\t879000150\n"
)
RATINGS_DAT = (
    "1::1::5::975000010\n1::2::3::975000900\n1::3::4::975000700\n2::2::5::975000500\n"
    "2::1::2::975000400\n2::3::4::975000300\n"
)


def load(path: Path | str, reward: str | None = None) -> Any:
    return load_dataset(str(path), reward=reward, notify=lambda line: None)


def folder_with(parent: Path, name: str, file: str, text: str) -> Path:
    folder = parent / name
    folder.mkdir()
    (folder / file).write_text(text, encoding="ascii", newline="")
    return folder


def zip_of(name: str, file: str, text: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{name}/", "")
        archive.writestr(f"{name}/README", "read me")
        archive.writestr(f"{name}/{file}", text)
    return packed.getvalue()


def users(log: SessionLog) -> dict[str, list[str]]:
    return {
        str(log.session_ids[s]): log.item_ids[
            log.items[log.offsets[s] : log.offsets[s + 1]]
        ].tolist()
        for s in range(log.n_sessions)
    }


def rewards(log: SessionLog) -> dict[str, list[float]]:
    return {
        str(log.session_ids[s]): log.rewards[log.offsets[s] : log.offsets[s + 1]].tolist()
        for s in range(log.n_sessions)
    }


def test_half_stars_become_rewards_r049(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, "ml-latest-small", "ratings.csv", HALF_STARS)
    dataset = load(folder)
    assert dataset.log.n_events == 7
    assert users(dataset.log) == {"1": ["10", "11", "12", "13"], "2": ["11", "10", "12"]}
    assert rewards(dataset.log) == {"1": [0, 1, 1, 0], "2": [1, 0, 1]}
    assert "4 of 7 events have reward 1 (a rating of 4 or more), the others 0" in dataset.notes
    assert load(folder, "rating").log.fingerprint() == dataset.log.fingerprint()
    assert load(folder, "all").log.rewards.tolist() == [1] * 7
    assert (dataset.name, dataset.default_split, dataset.order) == (
        "ml-latest-small",
        "temporal",
        "time",
    )
    with pytest.raises(InputError, match="--reward stars"):
        load(folder, "stars")


def test_u_data_is_put_in_time_order_r054(tmp_path: Path) -> None:
    log = load(folder_with(tmp_path, "ml-100k", "u.data", U_DATA)).log
    assert (log.n_events, log.n_sessions, log.n_items) == (8, 2, 6)
    # The second user was there first.
    assert list(users(log).items()) == [
        ("2", ["14", "10", "15", "11"]),
        ("1", ["11", "13", "10", "12"]),
    ]
    assert rewards(log) == {"1": [1, 1, 0, 0], "2": [1, 0, 0, 1]}


def test_double_colons_r060(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = folder_with(tmp_path, "ml-1m", "ratings.dat", RATINGS_DAT)
    (folder / "movies.dat").write_bytes("1::Café Rouge (1995)::Drama\n".encode("latin-1"))
    log = load(folder).log
    assert (log.n_events, log.n_items) == (6, 3)
    assert users(log) == {"1": ["1", "3", "2"], "2": ["3", "1", "2"]}
    assert log.times is not None
    assert log.times.dtype == np.int64
    assert sorted(log.times.tolist())[0] == 975000010
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("case", "users_of_case"),
    [
        ("R049-half-stars/ml-latest-small", {"1": ["10", "11", "12", "13"]}),
        ("R054-ml100k-shuffled/ml-100k", {"2": ["14", "10", "15", "11"]}),
        ("R060-ml1m-format/ml-1m", {"2": ["3", "1", "2"]}),
    ],
)
def test_the_cases_load(cases_dir: Path, case: str, users_of_case: dict[str, list[str]]) -> None:
    assert users_of_case.items() <= users(load(cases_dir / case).log).items()


@pytest.mark.parametrize(
    ("file", "text"),
    [("ratings.csv", HALF_STARS), ("u.data", U_DATA), ("ratings.dat", RATINGS_DAT)],
)
def test_folder_zip_and_file_give_the_same_log(tmp_path: Path, file: str, text: str) -> None:
    folder = folder_with(tmp_path, "mine", file, text)
    packed = tmp_path / "mine.zip"
    packed.write_bytes(zip_of("another-name", file, text))
    logs = [load(place) for place in (folder, packed, folder / file)]
    assert {dataset.log.fingerprint() for dataset in logs} == {logs[0].log.fingerprint()}
    assert [dataset.name for dataset in logs] == ["mine"] * 3


@pytest.mark.parametrize(
    ("file", "text", "found"),
    [
        ("ratings.csv", HALF_STARS.replace("0.5", "good"), "line 5 has a rating that is 'good'"),
        ("ratings.csv", HALF_STARS.replace("1005", ""), "line 7 has a timestamp that is blank"),
        ("ratings.csv", "userId,movieId,stars\n1,2,3\n", "there is no column rating"),
        ("u.data", U_DATA.replace("1\t12\t", "1\t\t"), "line 3 has a blank movieId"),
        ("ratings.dat", RATINGS_DAT.replace("::", ":"), "line 1 has not the separators"),
        ("ratings.dat", RATINGS_DAT.replace("2::3::4", "2:3::4"), "line 6 has not the separators"),
        ("ratings.dat", "1::1::5::9::7\n", "line 1 has 9 fields, not 7"),
        ("u.data", "", "the file is empty"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, file: str, text: str, found: str) -> None:
    folder = folder_with(tmp_path, "mine", file, text)
    with pytest.raises(InputError) as caught:
        load(folder)
    assert str(folder / file) in str(caught.value)
    assert found in str(caught.value)


def test_two_ratings_files_in_one_place_are_refused(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, "mine", "u.data", U_DATA)
    (folder / "ratings.dat").write_text(RATINGS_DAT)
    with pytest.raises(InputError, match=r"more than one ratings file \(ratings\.dat, u\.data\)"):
        load(folder)


def test_the_embedded_archive_is_the_published_one_and_loads() -> None:
    dataset = load("ml-latest-small")
    log = dataset.log
    assert (log.n_events, log.n_sessions, log.n_items) == (100_836, 610, 9_724)
    assert dataset.source.name == "ml-latest-small.zip"
    with zipfile.ZipFile(dataset.source) as archive:
        table = pd.read_csv(archive.open("ml-latest-small/ratings.csv"))
    assert int(log.rewards.sum()) == int((table["rating"] >= 4).sum()) == 48_580
    by_time = table.sort_values(["userId", "timestamp"])
    neighbours = by_time["userId"].diff().eq(0)
    share = (neighbours & by_time["timestamp"].diff().eq(0)).sum() / neighbours.sum()
    assert dataset.equal_time_share == pytest.approx(share, abs=1e-12)
    assert dataset.notes[0] == (
        "order inside a session: by time; 15.8 % of neighbours share a time and stand in an order "
        "drawn with seed 42, because file order is the order of item ids"
    )
    assert log.times is not None
    inside = log.position_in_session[1:] > 0
    steps = np.diff(log.times)[inside]
    assert (steps >= 0).all()
    # Drawn, not sorted: among events of one time as many ids rise as fall.
    ids = log.item_ids[log.items].astype(int)
    rising = (np.diff(ids)[inside][steps == 0] > 0).mean()
    assert 0.48 < rising < 0.52


def test_a_damaged_embedded_archive_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = tmp_path / "ml-latest-small.zip"
    damaged.write_bytes(b"PK")
    monkeypatch.setattr(movielens_archives, "_EMBEDDED", damaged)
    with pytest.raises(InputError, match="it has 2 bytes where 978,202 belong"):
        load("ml-latest-small")


ML_32M = zip_of("ml-32m", "ratings.csv", HALF_STARS)


@pytest.mark.parametrize("form", ["MD5 (ml-32m.zip) = {}\n", "{}  ml-32m.zip\n"])
def test_a_named_set_is_downloaded_once_and_checked_by_its_md5(
    server: Any, cache: Path, form: str
) -> None:
    server.files["/ml-32m.zip"] = ML_32M
    server.files["/ml-32m.zip.md5"] = form.format(hashlib.md5(ML_32M).hexdigest()).encode()
    first = load("ml-32m")
    assert (first.name, first.log.n_events) == ("ml-32m", 7)
    assert first.source == cache / "downloads" / "ml-32m.zip"
    assert server.asked == ["/ml-32m.zip.md5", "/ml-32m.zip"]
    assert load("ml-32m").log.fingerprint() == first.log.fingerprint()
    assert len(server.asked) == 2


def test_ml_10m_has_double_colons_in_a_folder_of_another_name(server: Any) -> None:
    packed = zip_of("ml-10M100K", "ratings.dat", RATINGS_DAT.replace("::5::", "::4.5::"))
    server.files["/ml-10m.zip"] = packed
    server.files["/ml-10m.zip.md5"] = hashlib.md5(packed).hexdigest().encode()
    assert rewards(load("ml-10m").log)["1"] == [1, 1, 0]


def test_a_wrong_archive_is_refused(server: Any, cache: Path) -> None:
    server.files["/ml-32m.zip"] = ML_32M
    server.files["/ml-32m.zip.md5"] = b"0" * 32
    with pytest.raises(InputError, match="not the published file"):
        load("ml-32m")
    server.files["/ml-32m.zip.md5"] = b"<html>"
    with pytest.raises(InputError, match="no MD5 sum"):
        load("ml-32m")
    server.files["/ml-1m.zip"] = ML_32M
    with pytest.raises(InputError, match="where 5,917,549 belong"):
        load("ml-1m")
    assert not list((cache / "downloads").iterdir())


def test_a_truncated_archive_in_the_cache_is_fetched_anew_r065(
    server: Any, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = zip_of("ml-100k", "u.data", U_DATA)
    checksum = Checksum("sha256", hashlib.sha256(packed).hexdigest(), len(packed))
    monkeypatch.setitem(movielens_archives._RECORDED, "ml-100k", checksum)
    server.files["/ml-100k.zip"] = packed
    cached = cache / "downloads" / "ml-100k.zip"
    cached.parent.mkdir(parents=True)
    same_size = packed[:-1] + bytes([packed[-1] ^ 1])
    for broken in (packed[: len(packed) // 2], same_size):
        cached.write_bytes(broken)
        said: list[str] = []
        assert load_dataset("ml-100k", notify=said.append).log.n_events == 8
        assert cached.read_bytes() == packed
        assert str(cached) in said[0]
        assert "fetching it anew" in said[0]


def test_a_truncated_archive_in_the_cache_offline_r065(
    dead_url: str, cache: Path, cases_dir: Path
) -> None:
    cached = cache / "downloads" / "ml-100k.zip"
    cached.parent.mkdir(parents=True)
    cached.write_bytes((cases_dir / "R065-truncated-zip" / "ml-latest-small.zip").read_bytes())
    with pytest.raises(InputError) as caught:
        load("ml-100k")
    assert str(cached) in str(caught.value)
    assert f"{dead_url}/ml-100k.zip" in str(caught.value)


@pytest.mark.parametrize("name", ["ml-1m", "ml-latest"])
def test_offline_the_address_and_the_place_are_named(dead_url: str, cache: Path, name: str) -> None:
    with pytest.raises(InputError) as caught:
        load(name)
    assert f"{dead_url}/{name}.zip" in str(caught.value)
    assert f"put the file at {cache / 'downloads' / name}.zip" in str(caught.value)


def test_an_archive_put_in_place_by_hand_works_offline(dead_url: str, cache: Path) -> None:
    cached = cache / "downloads" / "ml-32m.zip"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(ML_32M)
    said: list[str] = []
    assert load_dataset("ml-32m", notify=said.append).log.n_events == 7
    assert "used without a check" in said[0]


def test_the_files_of_ml_100k_load(data_dir: Path) -> None:
    log = load(data_dir / "ml-100k").log
    assert (log.n_events, log.n_sessions, log.n_items) == (100_000, 943, 1_682)
    assert int(log.rewards.sum()) == 55_375
