"""What holds the code together: the order of imports, a frozen command line, one version."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from bench import VERSION

REPOSITORY = Path(__file__).resolve().parent.parent
ORDER = ("datasets", "models", "bench", "reports", "run_bench")
"""Each may import those before it and itself."""

OPTIONS = {
    "--models", "--dataset", "--test", "--split", "--test-share", "--valid-share",
    "--unseen-items", "--ties", "--min-session-length", "--min-item-support", "--reward",
    "--seeds", "--k", "--device", "--config", "--set", "--output", "--tracking-uri",
    "--fresh", "--keep-top", "--no-page", "--tune", "--patience", "--list", "--version", "--help",
}  # fmt: skip


def imported_modules(file: Path) -> set[str]:
    """Full names of what a file imports, also inside functions."""
    modules = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports by dots; write the plain name"
            # `from datasets import errors` takes a module, `from datasets.errors import f` a name.
            in_package = {f"{node.module}.{alias.name}" for alias in node.names}
            modules |= in_package if node.module in ORDER else {str(node.module)}
    return modules


def sources(folder: str) -> list[Path]:
    files = sorted((REPOSITORY / folder).rglob("*.py"))
    assert files
    return files


@pytest.mark.parametrize("folder", ORDER[:-1])
def test_imports_follow_the_data(folder: str) -> None:
    below = ORDER[ORDER.index(folder) + 1 :]
    for file in sources(folder):
        wrong = {module for module in imported_modules(file) if module.split(".")[0] in below}
        assert not wrong, f"{file} imports {wrong}, which stands below {folder}"


def test_models_take_the_session_log_and_nothing_else_from_datasets() -> None:
    for file in sources("models"):
        allowed = {"datasets.session_log"}
        if file.name == "registry.py":
            allowed.add("datasets.errors")
        taken = {name for name in imported_modules(file) if name.split(".")[0] == "datasets"}
        assert taken <= allowed, f"{file} imports {taken - allowed}"


@pytest.mark.parametrize("folder", ["datasets", "models"])
def test_data_and_models_know_neither_mlflow_nor_the_command_line(folder: str) -> None:
    for file in sources(folder):
        roots = {module.split(".")[0] for module in imported_modules(file)}
        assert not roots & {"mlflow", "argparse"}, file


@pytest.mark.parametrize("folder", ORDER[:-1])
def test_every_folder_has_tests(folder: str) -> None:
    assert list((REPOSITORY / "tests" / folder).rglob("test_*.py"))


@pytest.mark.parametrize("arguments", [["--help"], ["--list"], ["--list", "tocr"], ["--version"]])
def test_answers_without_heavy_imports(arguments: list[str]) -> None:
    code = (
        "import contextlib, sys, run_bench\n"
        "with contextlib.suppress(SystemExit):\n"
        f"    run_bench.main({arguments!r})\n"
        "print(*sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout
    assert not {"torch", "mlflow", "pandas", "numpy"} & set(done.stderr.split())


def test_options_are_frozen() -> None:
    command = [sys.executable, str(REPOSITORY / "run_bench.py"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert set(re.findall(r"--[a-z][a-z-]*", done.stdout)) == OPTIONS


def test_one_version() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = (REPOSITORY / "CITATION.cff").read_text(encoding="utf-8")
    assert project["version"] == VERSION
    assert f"\nversion: {VERSION}\n" in citation
