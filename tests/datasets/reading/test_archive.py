"""Zip archives: read in place, and refused if they would write elsewhere."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest

from datasets.errors import InputError
from datasets.reading.archive import members, open_member
from datasets.registry import load_dataset

RATINGS = "1\t10\t5\t100\n1\t11\t3\t101\n"


def write_zip(path: Path, *entries: tuple[zipfile.ZipInfo | str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for entry, content in entries:
            archive.writestr(entry, content)
    return path


def linked(name: str, mode: int = stat.S_IFLNK) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.create_system = 3
    entry.external_attr = (mode | 0o777) << 16
    return entry


def test_members_and_their_bytes(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", ("folder/", ""), ("folder/x..y", "hello"), ("b", ""))
    assert members(path) == ["folder/x..y", "b"]
    with open_member(path, "folder/x..y") as stream:
        assert stream.read() == b"hello"


@pytest.mark.parametrize(
    "bad",
    [
        "../escape.txt",
        "ml-100k/../../escape.txt",
        "..\\escape.txt",
        "/abs_escape.txt",
        "\\abs_escape.txt",
        "C:/abs_escape.txt",
        linked("ml-100k/link"),
        linked("ml-100k/pipe", stat.S_IFIFO),
    ],
)
def test_an_archive_with_one_bad_member_is_refused_whole(
    tmp_path: Path, bad: zipfile.ZipInfo | str, cache: Path
) -> None:
    path = write_zip(tmp_path / "crafted.zip", ("ml-100k/u.data", RATINGS), (bad, "x"))
    name = bad if isinstance(bad, str) else bad.filename
    with pytest.raises(InputError) as caught:
        load_dataset(str(path), notify=lambda line: None)
    assert f"member '{name}'" in str(caught.value)
    assert not cache.exists()
    assert [file.name for file in tmp_path.iterdir()] == ["crafted.zip"]


def test_the_case_r067(cases_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"member '\.\./escape\.txt'"):
        load_dataset(str(cases_dir / "R067-zip-slip" / "crafted.zip"), notify=lambda line: None)
    assert not list(tmp_path.iterdir())
    assert not (tmp_path.parent / "escape.txt").exists()
    assert not Path("/abs_escape.txt").exists()


def test_a_broken_archive_is_refused(tmp_path: Path) -> None:
    whole = write_zip(tmp_path / "whole.zip", ("u.data", RATINGS * 200)).read_bytes()
    broken = {
        "cut": whole[: len(whole) // 2],
        "empty": b"",
        # One byte inside the stored content: the directory is whole, the checksum is not.
        "flipped": whole[:100] + bytes([whole[100] ^ 1]) + whole[101:],
    }
    for name, content in broken.items():
        path = tmp_path / f"{name}.zip"
        path.write_bytes(content)
        with pytest.raises(InputError, match=f"{name}.zip: not a readable zip archive"):
            load_dataset(str(path), notify=lambda line: None)


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", ("u.data", RATINGS))
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"member 'u\.data' is encrypted"):
        members(path)
