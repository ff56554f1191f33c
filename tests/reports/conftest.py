"""A page written once for all tests that read it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.figures.benchmark import Benchmark
from tests.reports.policies import with_policies
from tests.reports.written import written_benchmark

AWKWARD = ("a|b", "<script>alert(1)</script>", "推荐模型", "_x", '$x$ & "y"', "w" * 60)


@dataclass(frozen=True)
class WrittenPage:
    """A benchmark of thirteen models and the folder with its page."""

    benchmark: Benchmark
    folder: Path

    @property
    def html(self) -> str:
        """Text of the page."""
        return (self.folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def written_page(tmp_path_factory: pytest.TempPathFactory) -> WrittenPage:
    """Two models that learn, eleven that learn in one pass, six with awkward labels.

    Two of them are policies in a simulated world.
    """
    from reports.page.page import write_page

    models = {"gru4rec": (0.1, 0.3, 0.2), "tocr": (0.1, 0.15)}
    models |= dict.fromkeys((*AWKWARD, *(f"model{i}" for i in range(5))), (0.1,))
    folder = tmp_path_factory.mktemp("page")
    found = written_benchmark(folder, models)
    record = dataclasses.replace(
        found.record, failures={"sqn seed 1": "it <b>raised</b> DivergedError"}
    )
    found = dataclasses.replace(found, record=record)
    found = with_policies(found, "simulated", good="tocr", sure='$x$ & "y"', world=True)
    write_page([found], folder)
    return WrittenPage(found, folder)
