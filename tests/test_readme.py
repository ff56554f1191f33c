"""The Python code in the README, run as its reader would run it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.commands.conftest import write_table

README = Path(__file__).resolve().parent.parent / "README.md"


def test_section_on_python_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = README.read_text(encoding="utf-8")
    (section,) = re.findall(r"^## From Python\n(.*?)^## ", text, re.MULTILINE | re.DOTALL)
    (block,) = re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path / "clicks.csv", ["ABC", "XBD"] * 30)
    names: dict[str, Any] = {}
    exec(block, names)
    assert capsys.readouterr().out == Path("results/table.md").read_text() + "\n"
    assert names["best"] in {"markov", "gru4rec"}
    assert len(names["open_pairs"]) <= 2
    assert names["failed"].empty
    assert names["page"].exists()
