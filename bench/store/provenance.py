"""Where a result comes from: commit, versions, machine, and the source of the model."""

from __future__ import annotations

import ast
import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

from datasets.errors import InputError
from models.registry import LoadedModel

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("torch", "numpy", "pandas", "mlflow", "numba")
UNKNOWN = "unknown"


class _Import(NamedTuple):
    level: int
    """Dots in front of a `from` import."""
    module: tuple[str, ...]
    names: tuple[tuple[str, ...], ...]
    """What is imported from the module, each a path; one empty path for a plain import."""


def git_commit(folder: Path) -> str:
    """Commit of the code in `folder`, with "-dirty" if tracked files differ from it.

    "unknown" without git, or if no repository tracks the folder.
    """
    commit = _git(folder, "rev-parse", "--verify", "HEAD")
    if not commit or not _git(folder, "ls-files"):
        return UNKNOWN
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return commit if changes == "" else f"{commit}-dirty"


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on; imports none of them."""
    return {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}}


def machine() -> dict[str, str | int]:
    """CPU model, cores and bytes of memory that this process may use, and the platform."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1,
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "platform": platform.platform(),
    }


def source_fingerprint(module_file: Path, roots: Sequence[Path]) -> str:
    """SHA-256 of a model's source and of all that it imports, transitively, from `roots`.

    A root is a top-level package folder (`models`, `datasets`). Files count by their path within
    the root's parent and their text, except for its line ends. Dynamic imports are not seen. Raises
    InputError for a file that cannot be read or parsed.
    """
    main_file = module_file.resolve()
    sources = _sources([main_file], roots)
    main_source = sources.pop(main_file)
    shared = sorted((_name_in_roots(file, roots), text) for file, text in sources.items())
    digest = hashlib.sha256()
    for name, text in [("", main_source), *shared]:
        for part in (name, text):
            encoded = part.encode()
            # The length prefix keeps the boundary between two parts unambiguous.
            digest.update(f"{len(encoded)}:".encode() + encoded)
    return digest.hexdigest()


def source_files(module_files: Sequence[Path], roots: Sequence[Path]) -> dict[str, Path]:
    """The files that `source_fingerprint` counts, for several modules, by their names in it."""
    return {_name_in_roots(file, roots): file for file in _sources(module_files, roots)}


def imported_packages(files: Iterable[Path]) -> set[str]:
    """Top-level names of what the files import, the standard library's among them."""
    return {
        found.module[0]
        for file in files
        for found in _imports_of(file, _source(file))
        if found.level == 0
    }


def module_files(module: str, roots: Sequence[Path]) -> list[Path]:
    """Files from `roots` that importing `module` runs: the packages around it too."""
    return list(_module_files(module.split("."), [root.resolve() for root in roots]))


def source_roots(model: LoadedModel) -> list[Path]:
    """Folders whose modules count as a model's source: this repository's and its own package's."""
    roots = [REPOSITORY / "models", REPOSITORY / "datasets"]
    depth = model.model_class.__module__.count(".")
    package = model.file.resolve().parents[depth - 1]
    return roots if depth == 0 or package in roots else [*roots, package]


def _git(folder: Path, *arguments: str) -> str | None:
    """Output of a git command, or None where it fails."""
    # A hook's GIT_DIR may be another repository; without optional locks git does not write.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment["GIT_OPTIONAL_LOCKS"] = "0"
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            env=environment,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def _sources(module_files: Sequence[Path], roots: Sequence[Path]) -> dict[Path, str]:
    """Text of each file and of all that they import, transitively, from `roots`."""
    roots = [root.resolve() for root in roots]
    sources: dict[Path, str] = {}
    waiting = [file.resolve() for file in module_files]
    while waiting:
        file = waiting.pop()
        if file not in sources:
            sources[file] = _source(file)
            waiting += _imported_files(file, sources[file], roots)
    return sources


def _source(file: Path) -> str:
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"The model source {file} cannot be read ({error}); fix the file."
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _imported_files(file: Path, source: str, roots: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for level, module, names in _imports_of(file, source):
        package = _package_of_import(file, level, roots)
        if package is not None:
            for name in names:
                found += _module_files([*package, *module, *name], roots)
    return found


def _imports_of(file: Path, source: str) -> tuple[_Import, ...]:
    try:
        return _imports(source)
    except SyntaxError as error:
        raise InputError(
            f"The model source {file}, line {error.lineno}, is not valid Python ({error.msg}); "
            "fix the line."
        ) from error


@cache
def _imports(source: str) -> tuple[_Import, ...]:
    """Imports of a source, also inside functions; cached, as models share many."""
    found: list[_Import] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [_Import(0, tuple(alias.name.split(".")), ((),)) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = tuple(node.module.split(".")) if node.module else ()
            # A name taken from a package may be one of its modules.
            found.append(_Import(node.level, module, tuple((alias.name,) for alias in node.names)))
    return tuple(found)


def _package_of_import(file: Path, level: int, roots: Sequence[Path]) -> list[str] | None:
    """Package that a `from` import of so many dots starts in; None where that is in no root."""
    if level == 0:
        return []
    folder = file.parents[level - 1]
    for root in roots:
        if folder.is_relative_to(root):
            return list(folder.relative_to(root.parent).parts)
    return None


def _module_files(module: Sequence[str], roots: Sequence[Path]) -> Iterator[Path]:
    """Files that importing `module` runs: the packages around it too, as far as they exist."""
    for root in roots:
        if module[0] != root.name:
            continue
        place = root.parent
        for part in module:
            place /= part
            for file in (place / "__init__.py", place.with_name(f"{part}.py")):
                if file.is_file():
                    yield file.resolve()
                    break


def _name_in_roots(file: Path, roots: Sequence[Path]) -> str:
    for root in (root.resolve() for root in roots):
        if file.is_relative_to(root):
            return file.relative_to(root.parent).as_posix()
    return file.name
