"""Names of data sets, and loading by name or path.

A data set is one module of this folder with a literal `NAMES: dict[str, str]` (name to a line for
`--list`) and `load(name, *, reward, notify)`; a name that ends in a colon is the start of a
description, and `load` gets all of it. One that also reads users' own copies has
`recognises(path)` and `load_path(path, *, reward, notify)`.
"""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from datasets.errors import InputError, nearest_hint

if TYPE_CHECKING:
    from datasets.dataset import Dataset, Notify


def list_datasets() -> dict[str, str]:
    """Name of each data set and a line about it, found without importing any of them."""
    return {name: line for names in _modules().values() for name, line in names.items()}


def load_dataset(name_or_path: str, *, reward: str | None = None, notify: Notify) -> Dataset:
    """Load a data set by name, or a table, MovieLens folder or zip by path; a name goes first.

    `reward` is one of the data set's own kinds of reward, None its default. `notify` takes lines
    for stderr. Raises InputError if there is no such data set or it cannot be read.
    """
    dataset = _load(name_or_path, reward, notify)
    notify(dataset.size)
    return dataset


def load_event_table(path: Path, *, reward: str | None = None, notify: Notify) -> Dataset:
    """Load a table of events (see `datasets.reading.event_table`)."""
    from datasets.reading import event_table

    return event_table.load_event_table(path, reward=reward, notify=notify)


def _load(name_or_path: str, reward: str | None, notify: Notify) -> Dataset:
    modules = _modules()
    for module_name, names in modules.items():
        if any(_names(name, name_or_path) for name in names):
            module = importlib.import_module(f"datasets.{module_name}")
            try:
                named: Dataset = module.load(name_or_path, reward=reward, notify=notify)
            except OSError as error:
                raise InputError(
                    f"{name_or_path}: {error.filename or 'its file'} cannot be read "
                    f"({error.strerror or error}); put the file there"
                ) from error
            return named
    path = Path(name_or_path).expanduser()
    if not path.exists():
        raise _unknown(name_or_path)
    for module_name in modules:
        module = importlib.import_module(f"datasets.{module_name}")
        if hasattr(module, "recognises") and module.recognises(path):
            own: Dataset = module.load_path(path, reward=reward, notify=notify)
            return own
    if path.is_file() and path.suffix != ".zip":
        return load_event_table(path, reward=reward, notify=notify)
    raise InputError(
        f"{path}: there is no MovieLens ratings file (ratings.csv, ratings.dat or u.data) in it; "
        "give a table of events, or a MovieLens folder or zip"
    )


def _names(name: str, given: str) -> bool:
    return given.startswith(name) if name.endswith(":") else given == name


def _modules() -> dict[str, dict[str, str]]:
    """Module name to the data sets it offers, from the source alone: imports would take seconds."""
    found = {}
    for file in sorted(Path(__file__).parent.glob("*.py")):
        source = file.read_text(encoding="utf-8")
        if "\nNAMES: dict[str, str] =" not in source:
            continue
        for statement in ast.parse(source).body:
            if (
                isinstance(statement, ast.AnnAssign)
                and isinstance(statement.target, ast.Name)
                and statement.target.id == "NAMES"
                and statement.value is not None
            ):
                found[file.stem] = dict(ast.literal_eval(statement.value))
    return found


def _unknown(name: str) -> InputError:
    path_like = Path(name)
    described = ":" in name and "=" in name
    if not described and (path_like.suffix or len(path_like.parts) > 1):
        return InputError(f"{name}: there is no such file or folder; check the path")
    names = list_datasets()
    start = name.partition(":")[0] + ":" if described else name
    hint = nearest_hint(start, names, "choose one of")
    return InputError(
        f"'{name}' is no data set; {hint} "
        "(the path of a CSV, CSV.gz or Parquet table or of a MovieLens folder or zip is taken too)"
    )
