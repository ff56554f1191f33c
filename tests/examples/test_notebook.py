"""The notebook, run cell by cell in a Jupyter kernel and in a clone of its own."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

REPOSITORY = Path(__file__).resolve().parents[2]
NOTEBOOK = REPOSITORY / "examples" / "benchmark.ipynb"


class ThisPython(AsyncKernelManager):
    """A kernel of the Python that runs the tests, whichever kernels are installed."""

    @property
    def kernel_spec(self) -> KernelSpec:
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=command, display_name="this Python", language="python")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clone")
    for name in ("datasets", "models", "bench", "reports", "run_bench.py"):
        (folder / name).symlink_to(REPOSITORY / name)
    (folder / "examples").mkdir()
    shutil.copy(NOTEBOOK, folder / "examples")
    return folder


@pytest.fixture(scope="module")
def executed(clone: Path) -> Any:
    notebook = nbformat.read(clone / "examples" / NOTEBOOK.name, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=120,
        resources={"metadata": {"path": str(clone / "examples")}},
        kernel_manager_class=ThisPython,
    )
    client.execute()
    return notebook


def outputs(notebook: Any, line: str) -> dict[str, str]:
    """What the one code cell with `line` shows, by kind; its streams by their names."""
    (cell,) = [
        cell for cell in notebook.cells if cell.cell_type == "code" and line in cell["source"]
    ]
    shown: dict[str, str] = {}
    for output in cell["outputs"]:
        data = output.get("data", {output.get("name"): output.get("text")})
        for kind, text in data.items():
            shown[kind] = shown.get(kind, "") + str(text)
    return shown


def test_committed_notebook_has_no_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells)


def test_run_shows_a_bar_and_the_table(executed: Any) -> None:
    shown = outputs(executed, "result = run(")
    assert "application/vnd.jupyter.widget-view+json" in shown
    assert "gru4rec seed 1: 3 epochs" in shown["stderr"]
    assert "epoch 1/3" not in shown["stderr"], "epochs are the bar's"
    assert "<td>gru4rec" in shown["text/html"]
    assert "<td>markov" in shown["text/html"]
    assert "<th>Recall@20 (positive)</th>" in shown["text/html"]


def test_frames_and_the_page(executed: Any, clone: Path) -> None:
    assert "Recall@20 low" in outputs(executed, "result.table")["text/html"]
    assert "adjusted_p" in outputs(executed, "result.comparisons")["text/html"]
    assert outputs(executed, "result.trials")["text/html"].count("finished") == 2
    page = clone / "examples" / "results" / "report.html"
    assert "href='results/report.html'" in outputs(executed, "FileLink(result")["text/html"]
    assert "<svg" in page.read_text(encoding="utf-8")
