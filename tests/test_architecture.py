"""What holds the code together: the order of imports, a frozen command line, one version."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from bench import VERSION

REPOSITORY = Path(__file__).resolve().parent.parent
ORDER = ("datasets", "models", "bench", "reports", "run_bench")
"""Each may import those before it and itself."""
ROOMS = {
    "datasets": ("splitting", "reading", "simulation"),
    "models/common": (
        "options", "sessions", "training", "sampling", "recurrent", "neighbours", "policy",
    ),
    "bench": (
        "processes", "stats", "store", "ranking", "planning", "policy_value", "figures",
        "serving", "mlflow_mirror", "running", "tuning",
    ),
    "reports": ("tables", "plots", "page"),
}  # fmt: skip
"""The rooms of each folder; each room may import those before it and itself."""
TRAINERS = {"torch", "mlflow", "optuna"}
"""What reading results does without."""

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
            is_folder_of_folders = node.module in {*ORDER, "models.common"}
            modules |= in_package if is_folder_of_folders else {str(node.module)}
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


@pytest.mark.parametrize("folder", ROOMS)
def test_every_room_is_declared(folder: str) -> None:
    found = {file.parent.name for file in (REPOSITORY / folder).glob("*/*.py")}
    assert found == set(ROOMS[folder])


def test_bench_holds_rooms_alone() -> None:
    assert [file.name for file in (REPOSITORY / "bench").glob("*.py")] == ["__init__.py"]


@pytest.mark.parametrize(
    ("folder", "room"), [(folder, room) for folder, rooms in ROOMS.items() for room in rooms]
)
def test_rooms_import_those_before_them(folder: str, room: str) -> None:
    rooms, prefix = ROOMS[folder], folder.replace("/", ".") + "."
    later = tuple(f"{prefix}{other}" for other in rooms[rooms.index(room) + 1 :])
    for file in sources(f"{folder}/{room}"):
        wrong = {
            module
            for module in imported_modules(file)
            if ".".join(module.split(".")[: prefix.count(".") + 1]) in later
        }
        assert not wrong, f"{file} imports {wrong}, which stands below {room}"


@pytest.mark.parametrize(
    "room", [f"{folder}/{room}" for folder, rooms in ROOMS.items() for room in rooms]
)
def test_a_room_says_what_it_is_for_and_nothing_else(room: str) -> None:
    (statement,) = ast.parse((REPOSITORY / room / "__init__.py").read_text(encoding="utf-8")).body
    assert isinstance(statement, ast.Expr)
    assert isinstance(statement.value, ast.Constant)
    sentences = re.findall(r"[.!?](?=\s|$)", str(statement.value.value))
    assert len(sentences) in (1, 2)


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


def loaded_after(code: str) -> set[str]:
    """Names of the modules that a fresh Python has loaded once it has run `code`."""
    code += "\nimport sys; print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


@pytest.mark.parametrize("module", ["report", "page.page", "verification"])
def test_a_module_that_reads_results_needs_no_trainer(module: str) -> None:
    loaded = loaded_after(f"import reports.{module}")
    assert f"reports.{module}" in loaded
    assert not loaded & TRAINERS


@pytest.mark.parametrize("command", ["report", "verify"])
def test_reading_results_needs_no_trainer(
    command: str, finished_benchmark: Path, tmp_path: Path
) -> None:
    shutil.copytree(finished_benchmark, tmp_path / "results")
    arguments = [command, str(tmp_path / "results")]
    loaded = loaded_after(f"import run_bench; assert run_bench.main({arguments!r}) == 0")
    assert "bench.figures.benchmark" in loaded
    assert not loaded & TRAINERS


def test_options_are_frozen() -> None:
    command = [sys.executable, str(REPOSITORY / "run_bench.py"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert set(re.findall(r"--[a-z][a-z-]*", done.stdout)) == OPTIONS


def test_one_version() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = (REPOSITORY / "CITATION.cff").read_text(encoding="utf-8")
    assert project["version"] == VERSION
    assert f"\nversion: {VERSION}\n" in citation
