"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Before torch is imported, here and in processes that tests start: threads that wait for each other
# on cores shared with others make small products many times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A slow machine is no fault of the code.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


def _folder_from_environment(variable: str) -> Path:
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"{variable} is not set")
    return Path(value)


@pytest.fixture(scope="session")
def cases_dir() -> Path:
    """Folder of small inputs that have tripped other projects."""
    return _folder_from_environment("BENCH_CASES_DIR")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of real logs."""
    return _folder_from_environment("BENCH_DATA_DIR")


@pytest.fixture(scope="session")
def finished_benchmark(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of popularity and markov on sixty sessions; copy it to change it."""
    import run_bench
    from tests.commands.conftest import write_table

    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCH_CACHE_DIR", str(folder / "cache"))
        log = write_table(folder / "log.csv", ["ABC", "XBD"] * 30)
        options = ["--models", "popularity,markov", "--dataset", str(log), "--no-page"]
        options += ["--output", str(folder / "results"), "--tracking-uri", "none"]
        assert run_bench.main(options) == 0
    return folder / "results"
