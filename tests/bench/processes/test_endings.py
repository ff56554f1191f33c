"""Whether the process that wrote a record is gone."""

from __future__ import annotations

import subprocess
import sys

import psutil

from bench.processes.process_identity import has_ended, own_process_tags


def test_a_running_process_has_not_ended() -> None:
    assert not has_ended(own_process_tags())


def test_a_reused_number_belongs_to_another_process() -> None:
    assert has_ended({**own_process_tags(), "process_started": "1"})


def test_what_cannot_be_known_counts_as_running() -> None:
    assert not has_ended({})
    assert not has_ended({**own_process_tags(), "host": "elsewhere", "process_started": "1"})


def test_a_process_has_ended_before_and_after_it_is_waited_for() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        tags = {**own_process_tags(), "process_id": str(process.pid)}
        del tags["process_started"]
        assert not has_ended(tags)
        assert process.stdin is not None
        process.stdin.close()
        while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
            pass
        assert has_ended(tags)
    assert has_ended(tags)
