"""Provenance: the commit, the versions, and a fingerprint that follows a model's source."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.store.provenance import git_commit, machine, source_fingerprint, versions
from datasets.errors import InputError

REPOSITORY = Path(__file__).parents[3]
FILES = {
    "datasets/__init__.py": "",
    "datasets/log.py": "SIZE = 1\n",
    "models/__init__.py": "",
    "models/common/__init__.py": "",
    "models/common/cells.py": "from datasets.log import SIZE\n",
    "models/common/losses.py": "LOSS = 1\n",
    "models/common/unused.py": "UNUSED = 1\n",
    "models/gru.py": (
        "import json\nfrom models.common import cells\n\n"
        "def fit():\n    from .common.losses import LOSS\n    return LOSS\n"
    ),
}


def repository(folder: Path, changes: dict[str, str] | None = None) -> Path:
    for name, text in {**FILES, **(changes or {})}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text.encode())
    return folder


def fingerprint(folder: Path, model: str = "models/gru.py") -> str:
    return source_fingerprint(folder / model, [folder / "models", folder / "datasets"])


@pytest.mark.parametrize(
    "edited",
    [
        "models/gru.py",
        "models/common/cells.py",
        "models/common/losses.py",
        "models/common/__init__.py",
        "datasets/log.py",
    ],
)
def test_edit_of_the_model_or_of_what_it_imports_changes_the_fingerprint(
    tmp_path: Path, edited: str
) -> None:
    before = fingerprint(repository(tmp_path))
    assert fingerprint(repository(tmp_path, {edited: FILES[edited] + "EDITED = 1\n"})) != before


def test_edit_of_a_file_that_is_not_imported_changes_nothing(tmp_path: Path) -> None:
    before = fingerprint(repository(tmp_path))
    assert fingerprint(repository(tmp_path, {"models/common/unused.py": "UNUSED = 2\n"})) == before


def test_fingerprint_does_not_depend_on_place_or_line_ends(tmp_path: Path) -> None:
    unix = repository(tmp_path / "one")
    windows = repository(
        tmp_path / "else where" / "two",
        {name: text.replace("\n", "\r\n") for name, text in FILES.items()},
    )
    assert fingerprint(unix) == fingerprint(windows)


def test_fingerprint_does_not_depend_on_the_hash_seed(tmp_path: Path) -> None:
    folder = repository(tmp_path)
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]);"
        "from bench.store.provenance import source_fingerprint as f; r = Path(sys.argv[2]);"
        "print(f(r / 'models/gru.py', [r / 'datasets', r / 'models']))"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code, str(REPOSITORY), str(folder)],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert seen == {fingerprint(folder)}


def test_plugin_from_outside_follows_the_shared_code_but_not_its_own_neighbours(
    tmp_path: Path,
) -> None:
    plugin = tmp_path / "elsewhere" / "mine.py"
    plugin.parent.mkdir()
    plugin.write_text("import models.common.cells\nfrom .models import x\nimport helper\n")
    folder = repository(tmp_path / "clone")
    roots = [folder / "models", folder / "datasets"]
    before = source_fingerprint(plugin, roots)
    (plugin.parent / "helper.py").write_text("x = 1\n")
    assert source_fingerprint(plugin, roots) == before
    repository(folder, {"datasets/log.py": "SIZE = 2\n"})
    assert source_fingerprint(plugin, roots) != before


def test_imports_in_a_circle_end(tmp_path: Path) -> None:
    circle = {"models/common/cells.py": "import models.gru\n"}
    assert len(fingerprint(repository(tmp_path, circle))) == 64


def test_source_that_is_not_python_names_file_and_line(tmp_path: Path) -> None:
    folder = repository(tmp_path, {"models/common/cells.py": "x = 1\ndef broken(:\n"})
    with pytest.raises(InputError, match=r"cells\.py, line 2"):
        fingerprint(folder)


def test_missing_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.py"):
        fingerprint(repository(tmp_path), "models/nowhere.py")


needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    ).stdout.strip()


@needs_git
def test_commit_is_dirty_once_a_tracked_file_is_edited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "code.py").write_text("x = 1\n")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "commit", "--quiet", "-m", "Begin")
    head = git(tmp_path, "rev-parse", "HEAD")
    (tmp_path / "results.txt").write_text("not code\n")
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert git_commit(tmp_path) == head
    (tmp_path / "code.py").write_text("x = 2\n")
    assert git_commit(tmp_path) == f"{head}-dirty"


@needs_git
def test_commit_of_a_repository_that_does_not_track_the_folder_is_unknown(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "own.txt").write_text("own\n")
    git(tmp_path, "add", "own.txt")
    git(tmp_path, "commit", "--quiet", "-m", "Begin")
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    (unpacked / "code.py").write_text("x = 1\n")
    assert git_commit(unpacked) == "unknown"


def test_commit_without_a_repository_or_without_git_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert git_commit(tmp_path) == "unknown"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_commit(REPOSITORY) == "unknown"


def test_versions_and_machine_are_told() -> None:
    import numpy as np

    found = versions()
    assert found["numpy"] == np.__version__
    assert set(found) == {"python", "torch", "numpy", "pandas", "mlflow", "numba"}
    told = machine()
    assert told["cpu"]
    assert int(told["cores"]) >= 1
    assert int(told["memory_bytes"]) > 2**26
