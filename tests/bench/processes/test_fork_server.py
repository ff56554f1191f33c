"""Workers start with what is slow to load, in the folder of their caller."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench.processes.fork_server import start_worker, worker_context


@pytest.mark.skipif(sys.platform != "linux", reason="workers start afresh")
def test_workers_have_numba_s_target_wherever_they_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("numba")
    monkeypatch.chdir(tmp_path)
    code = (
        "import os, sys; loaded = 'numba.np.linalg' in sys.modules;"
        f"sys.exit(not (loaded and os.getcwd() == {str(tmp_path)!r}))"
    )
    process = worker_context().Process(target=exec, args=(code,))
    start_worker(process)
    process.join()
    assert process.exitcode == 0
