"""The command line as a user types it, in a folder of its own."""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import run_bench

REPOSITORY = Path(run_bench.__file__).parent


@dataclass(frozen=True)
class Run:
    """What a command left on the terminal."""

    status: int
    table: str
    stderr: str

    def row(self, model: str) -> list[str]:
        """Cells of the model's row, without the marks of the best value."""
        (line,) = [line for line in self.table.splitlines() if re.match(rf"\| {model}‡? ", line)]
        return [cell.strip().replace("**", "") for cell in line.strip("|").split("|")]

    @property
    def models(self) -> list[str]:
        """Models in the table, in its order, without the mark of those that still improve."""
        lines = [line for line in self.table.splitlines() if line.startswith("| ")]
        return [line.strip("|").split("|")[0].strip().rstrip("‡") for line in lines[1:]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, no cache of the user's, no MLflow address."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


@pytest.fixture
def bench(folder: Path) -> Callable[..., Run]:
    """Runs the command line in this process, without MLflow unless its address is given."""

    def run(*arguments: str) -> Run:
        if "--tracking-uri" not in arguments:
            arguments = (*arguments, "--tracking-uri", "none")
        arguments = (*arguments, "--no-page")
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                status = run_bench.main(list(arguments))
            except SystemExit as end:  # argparse's own way to refuse
                status = int(end.code or 0)
        return Run(status, out.getvalue(), err.getvalue())

    return run


def start(
    folder: Path, *arguments: str, page: bool = False, **environment: str
) -> subprocess.Popen[str]:
    """The command in a process of its own, as a shell starts it; the page only where it is asked.

    `environment` changes the environment; an empty value takes a variable away.
    """
    if not page:
        arguments = (*arguments, "--no-page")
    variables = {**os.environ, **environment}
    return subprocess.Popen(
        [sys.executable, str(REPOSITORY / "run_bench.py"), *arguments],
        cwd=folder,
        env={name: value for name, value in variables.items() if value},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell starts background jobs, such as a whole test run, with Ctrl-C ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def write_table(file: Path, sessions: list[str], first_session: int = 0, start: int = 0) -> Path:
    """A table with one letter an item, one event a second."""
    lines = ["session_id,item_id,time"]
    time = start
    for number, session in enumerate(sessions, start=first_session):
        for item in session:
            time += 1
            lines.append(f"{number},{item},{time}")
    file.write_text("\n".join(lines) + "\n")
    return file


@pytest.fixture
def log(folder: Path) -> Path:
    """Sixty sessions in which what follows B depends on what came before it."""
    return write_table(folder / "log.csv", ["ABC", "XBD"] * 30)
