"""Data sets by name or path."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from datasets.errors import InputError
from datasets.movielens import NAMES
from datasets.registry import list_datasets, load_dataset, load_event_table


def refusal(name: str) -> str:
    with pytest.raises(InputError) as caught:
        load_dataset(name, notify=lambda line: None)
    return str(caught.value)


def test_every_movielens_set_is_listed() -> None:
    assert NAMES.items() <= list_datasets().items()
    assert len(NAMES) == 8


def test_listing_imports_no_numerical_library() -> None:
    program = (
        "import sys; from datasets.registry import list_datasets;"
        "assert 'ml-1m' in list_datasets();"
        "print([name for name in ('numpy', 'pandas', 'pyarrow', 'torch') if name in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout == "[]\n"


def test_an_unknown_name_offers_the_nearest_and_says_that_paths_are_taken() -> None:
    message = refusal("ml-latest-smal")
    assert "did you mean 'ml-latest-small'?" in message
    assert "the path of a CSV" in message
    assert "ml-latest-small, " in refusal("zzz")


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    assert "there is no such file or folder" in refusal(str(tmp_path / "log.csv"))
    assert "there is no such file or folder" in refusal("log.csv")


def test_a_table_is_loaded_by_path_and_its_size_is_said(tmp_path: Path) -> None:
    path = tmp_path / "shop" / "clicks.csv"
    path.parent.mkdir()
    path.write_text("session_id,item_id,time\n1,a,1\n1,b,2\n2,a,3\n")
    said: list[str] = []
    dataset = load_dataset(str(path), notify=said.append)
    assert (dataset.name, dataset.source) == ("shop-clicks", path)
    assert said == ["shop-clicks: 3 events, 2 sessions, 2 items"]
    direct = load_event_table(path, reward=None, notify=said.append)
    assert direct.log.fingerprint() == dataset.log.fingerprint()


def test_a_table_may_be_called_ratings(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text("session_id,item_id,time\n1,a,1\n1,b,2\n")
    assert load_dataset(str(path), notify=lambda line: None).log.n_events == 2


def test_a_folder_or_zip_without_ratings_is_refused(tmp_path: Path) -> None:
    assert "there is no MovieLens ratings file" in refusal(str(tmp_path))
    (tmp_path / "a.zip").write_bytes(b"PK\x05\x06" + bytes(18))
    assert "there is no MovieLens ratings file" in refusal(str(tmp_path / "a.zip"))
