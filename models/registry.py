"""Names of models, and loading by name or by reference.

A built-in model is a file of this folder, `<name>.py`, with a class of the same letters
(`gru4rec.py`: `Gru4Rec`). Any other is named by reference: `package.module:Class` or
`path/to/file.py:Class`. `alias=` before either gives it another label, so that one model can run
with several sets of options. Names are strings until a model is loaded, so listing imports none.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import hashlib
import importlib
import importlib.util
import inspect
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from datasets.errors import InputError, nearest_hint

_FOLDER = Path(__file__).parent
_NEEDED = ("fit", "score", "save", "load")
_ALIAS = re.compile(r"([^=:/\\]+)=(.+)", re.DOTALL)
"""An alias holds no colon and no slash, so that a path with an equals sign is none."""


@dataclass(frozen=True)
class LoadedModel:
    """A model's class and where it comes from."""

    label: str
    """Name in tables and in `--set label.option=value`."""
    reference: str
    """What finds the class: a built-in name or a reference, without alias."""
    model_class: type[Any]
    file: Path
    """Source file of the class."""
    note: str = ""
    """What the reader of a table must know about the model: the class's `note`, if it has one."""


@dataclass(frozen=True)
class ModelOption:
    """One field of a model's config, read from its source."""

    name: str
    type: str
    default: str
    """As the source writes it; empty where there is none."""
    description: str
    range: str = ""
    """Where tuning looks for it, as the source writes it; empty where it is not tuned."""


def list_models() -> dict[str, str]:
    """Name of each built-in model and the first line of its file, without importing any."""
    trees = {file.stem: _model_tree(file) for file in sorted(_FOLDER.glob("*.py"))}
    return {
        name: (ast.get_docstring(tree) or "").partition("\n")[0]
        for name, tree in trees.items()
        if tree is not None
    }


def list_options(name: str) -> list[ModelOption]:
    """Options of a built-in model or a `path/to/file.py:Class`, without importing it.

    Raises InputError for a model that cannot be found.
    """
    file, class_name = _source_of(name)
    tree = _parse(file)
    classes = _classes(tree)
    model = _class_named_as(file.stem, tree) if class_name is None else classes.get(class_name)
    if model is None:
        raise InputError(f"{file} has no class '{class_name}'; it has {', '.join(classes)}")
    for statement in model.body:
        if (
            isinstance(statement, ast.Assign)
            and [ast.unparse(target) for target in statement.targets] == ["Config"]
            and isinstance(statement.value, ast.Name)
            and statement.value.id in classes
        ):
            return _options(classes[statement.value.id], tree)
    return []


def load_model(name: str) -> LoadedModel:
    """Import a model by name, reference or `alias=` either.

    Raises InputError if it cannot be found or imported, or lacks what `Recommender` asks for.
    """
    aliased = _ALIAS.fullmatch(name)
    if aliased:
        alias, reference = (part.strip() for part in aliased.groups())
        return dataclasses.replace(load_model(reference), label=alias)
    reference = name
    module_name, separator, class_name = reference.rpartition(":")
    if not separator:
        if not reference.isidentifier() or _model_tree(_FOLDER / f"{reference}.py") is None:
            raise _unknown(reference)
        module = _import(f"models.{reference}", reference)
        model_class: Any = next(
            value
            for name, value in vars(module).items()
            if name.lower() == reference.replace("_", "") and inspect.isclass(value)
        )
        label = reference
    else:
        module = (
            _import_file(Path(module_name), reference)
            if module_name.endswith(".py")
            else _import(module_name, reference)
        )
        model_class = getattr(module, class_name, None)
        if not inspect.isclass(model_class):
            raise InputError(f"{reference}: {module_name} has no class '{class_name}'")
        label = getattr(model_class, "name", None) or class_name
    _check(model_class, reference)
    note = str(getattr(model_class, "note", ""))
    return LoadedModel(label, reference, model_class, Path(inspect.getfile(model_class)), note)


def _model_tree(file: Path) -> ast.Module | None:
    """The source of a built-in model, None where `file` holds none."""
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (OSError, SyntaxError):
        return None  # a broken model harms itself alone
    return None if _class_named_as(file.stem, tree) is None else tree


def _class_named_as(stem: str, tree: ast.Module) -> ast.ClassDef | None:
    wanted = stem.replace("_", "")
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name.lower() == wanted:
            # Its methods may come from a base class that stands elsewhere.
            has_config = any(
                isinstance(item, ast.Assign) and ast.unparse(item.targets[0]) == "Config"
                for item in node.body
            )
            methods = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
            if (has_config or "fit" in methods) and "Protocol" not in map(ast.unparse, node.bases):
                return node
    return None


def _source_of(name: str) -> tuple[Path, str | None]:
    path, separator, class_name = name.rpartition(":")
    if not separator:
        file = _FOLDER / f"{name}.py"
        if not file.is_file() or _class_named_as(name, _parse(file)) is None:
            raise _unknown(name)
        return file, None
    if not path.endswith(".py") or not Path(path).is_file():
        raise InputError(f"{path} is no Python file; name a model as path/to/file.py:Class")
    return Path(path), class_name


def _parse(file: Path) -> ast.Module:
    try:
        return ast.parse(file.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise InputError(f"{file}, line {error.lineno}: {error.msg}; fix its source") from error


def _classes(tree: ast.Module) -> dict[str, ast.ClassDef]:
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def _options(config: ast.ClassDef, tree: ast.Module) -> list[ModelOption]:
    """Options of a config and of those it inherits from, in its file or in this repository."""
    options: list[ModelOption] = []
    classes = _classes(tree)
    for base in map(ast.unparse, config.bases):
        if base in classes:
            options += _options(classes[base], tree)
        for statement in tree.body:
            if not isinstance(statement, ast.ImportFrom) or statement.module is None:
                continue
            file = (_FOLDER.parent / Path(*statement.module.split("."))).with_suffix(".py")
            if base in {alias.asname or alias.name for alias in statement.names} and file.exists():
                parent = _parse(file)
                options += _options(_classes(parent)[base], parent)
    own = {option.name: option for option in _fields(config)}
    return [option for option in options if option.name not in own] + list(own.values())


def _fields(config: ast.ClassDef) -> list[ModelOption]:
    options = []
    following = [*config.body[1:], None]
    for statement, after in zip(config.body, following, strict=True):
        if not isinstance(statement, ast.AnnAssign):
            continue
        description = ""
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            description = " ".join(str(after.value.value).split())
        kind, *extras = map(ast.unparse, _annotated(statement.annotation))
        options.append(
            ModelOption(
                name=ast.unparse(statement.target),
                type=kind,
                default="" if statement.value is None else ast.unparse(statement.value),
                description=description,
                range=", ".join(extras),
            )
        )
    return options


def _annotated(annotation: ast.expr) -> list[ast.expr]:
    """The type and what `Annotated` adds to it; the type alone without it."""
    if (
        isinstance(annotation, ast.Subscript)
        and ast.unparse(annotation.value) in ("Annotated", "typing.Annotated")
        and isinstance(annotation.slice, ast.Tuple)
    ):
        return annotation.slice.elts
    return [annotation]


def _import(module_name: str, reference: str) -> ModuleType:
    if module_name in sys.modules:
        return sys.modules[module_name]
    # A module beside which the command was typed is found, as `python -m` would find it.
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        # stdout belongs to the table, whatever a module prints while it is imported.
        with contextlib.redirect_stdout(sys.stderr):
            return importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        raise _import_failed(reference, error) from error


def _import_file(path: Path, reference: str) -> ModuleType:
    if not path.is_file():
        raise InputError(f"{reference}: there is no file {path}; check the path of the model")
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    name = f"model_{path.stem}_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    specification = importlib.util.spec_from_file_location(name, path)
    if specification is None or specification.loader is None:
        raise InputError(f"{reference}: {path} cannot be read as a Python module")
    module = importlib.util.module_from_spec(specification)
    # Dataclasses look their own module up while they are made.
    sys.modules[name] = module
    try:
        with contextlib.redirect_stdout(sys.stderr):
            specification.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise _import_failed(reference, error) from error
    return module


def _import_failed(reference: str, error: BaseException) -> InputError:
    if isinstance(error, ImportError) and getattr(error, "name", None):
        fix = f"install or correct '{error.name}'"
    else:
        fix = "fix its source"
    return InputError(f"{reference} cannot be imported ({type(error).__name__}: {error}); {fix}")


def _check(model_class: type[Any], reference: str) -> None:
    missing = [name for name in _NEEDED if not callable(getattr(model_class, name, None))]
    if not dataclasses.is_dataclass(getattr(model_class, "Config", None)):
        missing.append("Config (a dataclass)")
    if missing:
        raise InputError(
            f"{reference} lacks {', '.join(missing)}; models/recommender.py says what a model has"
        )


def _unknown(name: str) -> InputError:
    names = list_models()
    hint = nearest_hint(name, names, "choose one of")
    return InputError(
        f"'{name}' is no model; {hint} "
        "(one of your own is named package.module:Class or path/to/file.py:Class)"
    )
