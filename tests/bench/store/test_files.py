"""A file is whole or it is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.store.files import replacing, write_whole
from datasets.errors import InputError


def test_a_block_that_raises_leaves_the_older_file_alone(tmp_path: Path) -> None:
    file = tmp_path / "table.md"
    write_whole(file, "older")
    with pytest.raises(ZeroDivisionError), replacing(file) as opened:
        opened.write(b"half")
        opened.write(bytes(1 // 0))
    assert file.read_text() == "older"
    write_whole(file, b"newer")
    assert file.read_text() == "newer"
    assert list(tmp_path.iterdir()) == [file], "nothing half-written is left"


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent/table\.md cannot be written"):
        write_whole(tmp_path / "absent" / "table.md", "")
