"""The code in CONTRIBUTING.md, run as its reader would run it."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from datasets import registry
from datasets.errors import InputError
from datasets.session_log import SessionLog
from models.conformance import check_recommender
from models.registry import load_model

REPOSITORY = Path(__file__).resolve().parent.parent


def code_block(heading: str) -> str:
    """The Python block of a section of CONTRIBUTING.md."""
    text = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    (block,) = re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    return str(block)


@pytest.mark.parametrize(("heading", "most"), [("Add a model", 29), ("Add a data set", 10)])
def test_code_has_few_lines(heading: str, most: int) -> None:
    code = code_block(heading).partition('"""\n')[2]
    assert len([line for line in code.splitlines() if line.strip()]) <= most


@pytest.fixture
def markov(tmp_path: Path) -> Any:
    file = tmp_path / "my_markov.py"
    file.write_text(code_block("Add a model"), encoding="utf-8")
    return load_model(f"{file}:Markov").model_class


def test_model_conforms(markov: Any) -> None:
    check_recommender(markov)


def test_model_counts_what_followed_the_last_item(markov: Any) -> None:
    # a b | a b | a c: after a came b twice and c once; nothing followed b.
    log = SessionLog(
        items=np.array([0, 1, 0, 1, 0, 2], dtype=np.int32),
        rewards=np.ones(6, dtype=np.float32),
        offsets=np.array([0, 2, 4, 6]),
        item_ids=np.array(["a", "b", "c"]),
        session_ids=np.array(["1", "2", "3"]),
    )
    model = markov(markov.Config(popularity_weight=0.25), seed=1, device="cpu")
    (progress,) = model.fit(log)
    assert progress.events == 3
    assert model.score(log.sessions(0, 1)).tolist() == [[0.0, 2.5, 1.25]]


@pytest.fixture
def beauty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("BENCH_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "cache" / "downloads").mkdir(parents=True)
    file = tmp_path / "amazon_beauty.py"
    file.write_text(code_block("Add a data set"), encoding="utf-8")
    specification = importlib.util.spec_from_file_location("amazon_beauty", file)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_data_set_is_read_in_time_order(beauty: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "cache" / "downloads" / "ratings_Beauty.csv"
    file.write_text("u1,B2,5.0,30\nu2,B1,3.0,20\nu1,B1,2.0,10\nu2,B3,4.0,25\n", encoding="utf-8")
    dataset = beauty.load("amazon-beauty", reward=None, notify=print)
    log = dataset.log
    assert log.session_ids.tolist() == ["u1", "u2"]
    assert log.item_ids[log.items].tolist() == ["B1", "B2", "B1", "B3"]
    assert log.rewards.tolist() == [0, 1, 0, 1]
    assert (dataset.default_split, dataset.order) == ("temporal", "time")
    ones = beauty.load("amazon-beauty", reward="all", notify=print)
    assert ones.log.rewards.tolist() == [1, 1, 1, 1]


def test_data_set_names_the_wrong_row(beauty: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "cache" / "downloads" / "ratings_Beauty.csv"
    file.write_text("u1,B2,5.0,30\nu2,B1,many,20\n", encoding="utf-8")
    with pytest.raises(InputError, match="row 2 has a rating that is 'many'"):
        beauty.load("amazon-beauty", reward=None, notify=print)


def test_data_set_names_the_file_that_is_missing(
    beauty: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_modules", lambda: {"amazon_beauty": beauty.NAMES})
    monkeypatch.setitem(sys.modules, "datasets.amazon_beauty", beauty)
    with pytest.raises(InputError, match=r"downloads/ratings_Beauty\.csv cannot be read \(No such"):
        registry.load_dataset("amazon-beauty", notify=print)


def test_list_finds_the_data_set_and_a_model_that_is_built_in(tmp_path: Path) -> None:
    for folder in ("datasets", "models", "bench", "reports"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder)
    shutil.copy(REPOSITORY / "run_bench.py", tmp_path)
    block = code_block("Add a data set")
    (tmp_path / "datasets" / "amazon_beauty.py").write_text(block, encoding="utf-8")
    (tmp_path / "models" / "markov.py").write_text(code_block("Add a model"), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "run_bench.py", "--list"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    listed = [line.split()[0] for line in done.stdout.splitlines()]
    assert {"markov", "amazon-beauty"} <= set(listed)
