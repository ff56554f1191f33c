"""Titles of MovieLens items from the three layouts, beside the ratings or in the zip."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from datasets.dataset import Dataset
from datasets.errors import InputError
from datasets.registry import load_dataset

RATINGS = {
    "ratings.csv": "userId,movieId,rating,timestamp\n1,10,3.5,1000\n1,11,4.0,1001\n",
    "ratings.dat": "1::10::5::975000010\n1::11::3::975000900\n",
    "u.data": "1\t10\t3\t880000049\n1\t11\t5\t880000040\n",
}
TITLES = {
    "ratings.csv": (
        "movies.csv",
        'movieId,title,genres\r\n10,"Amélie, Le (2001)",Comedy\r\n11,Se7en (1995),Crime\r\n',
        "utf-8",
    ),
    # Latin-1 has characters, here next line, at which Python would end a line.
    "ratings.dat": (
        "movies.dat",
        "10::Amélie: A|B\x85 (2001)::Comedy|Romance\n11::Se7en (1995)::Crime\n",
        "latin-1",
    ),
    "u.data": (
        "u.item",
        "10|Amélie: A::B (2001)|01-Jan-2001||http://x|0|1\n11|Se7en (1995)|01-Jan-1995||y|0|0\n",
        "latin-1",
    ),
}
FIRST = {
    "ratings.csv": "Amélie, Le (2001)",
    "ratings.dat": "Amélie: A|B\x85 (2001)",
    "u.data": "Amélie: A::B (2001)",
}


def load(path: Path) -> Dataset:
    return load_dataset(str(path), notify=lambda line: None)


def write(folder: Path, ratings: str, *, titles: bool = True) -> Path:
    folder.mkdir()
    (folder / ratings).write_text(RATINGS[ratings])
    if titles:
        name, text, encoding = TITLES[ratings]
        (folder / name).write_bytes(text.encode(encoding))
    return folder


@pytest.mark.parametrize("ratings", RATINGS)
def test_titles_of_a_folder_a_file_and_a_zip(tmp_path: Path, ratings: str) -> None:
    folder = write(tmp_path / "ml", ratings)
    with zipfile.ZipFile(tmp_path / "ml.zip", "w") as archive:
        for file in folder.iterdir():
            archive.write(file, f"ml/{file.name}")
    expected = {"10": FIRST[ratings], "11": "Se7en (1995)"}
    # The second time the log comes from the cache, which has no titles.
    for place in (folder, folder, folder / ratings, tmp_path / "ml.zip"):
        assert load(place).read_titles() == expected


@pytest.mark.parametrize("ratings", RATINGS)
def test_without_a_file_of_titles_there_are_none_and_the_log_is_the_same(
    tmp_path: Path, ratings: str
) -> None:
    without = load(write(tmp_path / "without", ratings, titles=False))
    assert without.read_titles() == {}
    with_titles = load(write(tmp_path / "with", ratings))
    assert with_titles.log.fingerprint() == without.log.fingerprint()


def test_another_table_of_the_same_name_gives_no_titles(tmp_path: Path) -> None:
    folder = write(tmp_path / "ml", "ratings.csv", titles=False)
    (folder / "movies.csv").write_text("id,name\n10,Up\n")
    assert load(folder).read_titles() == {}


def test_titles_that_cannot_be_read_name_their_file(tmp_path: Path) -> None:
    folder = write(tmp_path / "ml", "ratings.csv", titles=False)
    (folder / "movies.csv").write_text(f'movieId,title\n10,"{"x" * 200_000}"\n')
    with pytest.raises(InputError, match=r"movies\.csv: its titles cannot be read .*; fix"):
        load(folder).read_titles()


def test_a_table_of_events_has_no_titles(tmp_path: Path) -> None:
    table = tmp_path / "log.csv"
    table.write_text("session_id,item_id\n1,a\n1,b\n")
    assert load(table).read_titles() == {}


def test_embedded_log() -> None:
    dataset = load_dataset("ml-latest-small", notify=lambda line: None)
    titles = dataset.read_titles()
    assert titles["296"] == "Pulp Fiction (1994)"
    assert titles["11"] == "American President, The (1995)"
    assert set(dataset.log.item_ids.tolist()) <= set(titles)


def test_ml_100k(data_dir: Path) -> None:
    titles = load(data_dir / "ml-100k").read_titles()
    assert len(titles) == 1682
    assert titles["50"] == "Star Wars (1977)"
    assert titles["1633"].startswith("Á köldum klaka")
