"""Cores that others keep busy: the arithmetic, the counters, and a process that is busy."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
import pytest

from bench.processes.fork_server import worker_context
from bench.processes.machine_load import (
    LoadReading,
    core_seconds,
    others_load,
    processes_beside,
    read_load,
)

PROC_STAT = """\
cpu  1000 20 300 4000 50 6 7 8 900 10
cpu0 600 10 100 1000 20 1 2 3 500 10
cpu1 400 10 200 3000 30 5 5 5 400 0
cpu2 9 9 9 9 9 9 9 9 9 9
intr 12345 1 2 3
ctxt 678
"""
BEFORE = LoadReading(clock=100.0, cores=2, idle=50.0, counted=200.0, own=7.0)
AFTER = LoadReading(clock=110.0, cores=2, idle=55.0, counted=218.0, own=17.0)
"""Of 20 core seconds 5 were idle and 10 one's own."""
needs_proc_stat = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc/stat")


@needs_proc_stat
def test_seconds_of_cores_leave_out_other_cores_and_what_is_counted_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(tmp_path))
    assert core_seconds({0}) is None, "no /proc/stat"
    (tmp_path / "stat").write_text(PROC_STAT)
    tick = 1 / os.sysconf("SC_CLK_TCK")
    assert core_seconds({1}) == pytest.approx((3030 * tick, 3655 * tick))
    assert core_seconds({0, 1}) == pytest.approx((4050 * tick, 5391 * tick))
    assert core_seconds({0, 5}) is None, "cores are numbered with gaps"


def test_what_is_neither_idle_nor_own_is_others() -> None:
    assert others_load(BEFORE, AFTER) == pytest.approx(0.5)
    assert others_load(BEFORE, replace(AFTER, own=22.5)) == 0.0
    assert others_load(BEFORE, replace(AFTER, idle=70.0)) == 0.0


def test_ticks_that_a_host_swallowed_count_as_others() -> None:
    # The counters would add up to 20 on a machine that runs all the time.
    assert others_load(BEFORE, replace(AFTER, counted=206.0)) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, AFTER),
        (BEFORE, None),
        (BEFORE, replace(AFTER, clock=100.9)),
        (BEFORE, replace(AFTER, counted=200.0)),
    ],
    ids=["no first reading", "no second reading", "too short", "counters stand still"],
)
def test_what_cannot_be_known_is_none(
    before: LoadReading | None, after: LoadReading | None
) -> None:
    assert others_load(before, after) is None


@needs_proc_stat
def test_a_second_busy_process_is_seen() -> None:
    # Over one stretch, so that whatever else is busy on this machine is the same in both readings.
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as spinning:
        try:
            as_other, as_own = read_load(), read_load((spinning.pid,))
            for _ in range(50):
                time.sleep(1.2)
                after, after_as_own = read_load(), read_load((spinning.pid,))
                assert after is not None
                assert after_as_own is not None
                spent = after_as_own.beside[spinning.pid]
                if spent > 0.5:
                    break
        finally:
            spinning.kill()
    assert as_other is not None
    share = spent / (after.clock - as_other.clock)
    found, without = others_load(as_other, after), others_load(as_own, after_as_own)
    assert found is not None
    assert without is not None
    assert found > max(0.5 * share, without)


@needs_proc_stat
def test_own_work_is_not_others() -> None:
    before = read_load()
    assert before is not None
    while time.process_time() < before.own + 0.5 or time.perf_counter() < before.clock + 1:
        pass
    after = read_load()
    found = others_load(before, after)
    assert found is not None
    assert after is not None
    busy = others_load(replace(before, own=0.0), replace(after, own=0.0))
    assert busy is not None
    own = (after.own - before.own) / (after.clock - before.clock)
    assert found <= busy - own / 2


@needs_proc_stat
def test_a_process_that_has_gone_adds_nothing() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    reading = read_load((gone.pid,))
    assert reading is not None
    assert reading.beside == {gone.pid: 0.0}


def test_what_a_process_did_before_it_ended_is_not_laid_on_others() -> None:
    before = LoadReading(0.0, 2, idle=0.0, counted=0.0, own=0.0, beside={7: 30.0, 8: 5.0})
    after = LoadReading(10.0, 2, idle=8.0, counted=20.0, own=8.0, beside={7: 0.0, 8: 7.0, 9: 1.0})
    assert others_load(before, after) == pytest.approx((12 - 8 - 2 - 1) / 10)


@needs_proc_stat
def test_what_else_runs_for_the_same_benchmark_is_not_others() -> None:
    context = worker_context()
    receiver, sender = context.Pipe(duplex=False)
    beside = context.Process(target=time.sleep, args=(600,), daemon=True)
    beside.start()
    asked = context.Process(target=_send_processes_beside, args=(sender,), daemon=True)
    asked.start()
    sender.close()
    try:
        found = receiver.recv()
    finally:
        beside.kill()
    assert {os.getpid(), beside.pid} <= set(found)
    assert asked.pid not in found


def _send_processes_beside(sender: Connection) -> None:
    sender.send(processes_beside())
