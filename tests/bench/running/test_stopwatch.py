"""Time that adds up, and memory that is the process's own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from bench.running.stopwatch import Stopwatch, peak_memory_bytes, synchroniser

REPOSITORY = Path(__file__).parents[3]


def ticking(*readings: float) -> Callable[[], float]:
    remaining = iter(readings)
    return lambda: next(remaining)


def test_stopwatch_adds_up_its_stretches_and_nothing_between() -> None:
    watch = Stopwatch(clock=ticking(1.0, 3.0, 10.0, 10.5))
    for _ in range(2):
        with watch:
            pass
    assert watch.elapsed == 2.5


def test_stopwatch_waits_for_the_device_before_each_reading() -> None:
    order: list[str] = []

    def clock() -> float:
        order.append("clock")
        return 0.0

    watch = Stopwatch(synchronise=lambda: order.append("device"), clock=clock)
    with watch:
        assert order == ["device", "clock"]
    assert order == ["device", "clock", "device", "clock"]


def test_cpu_needs_no_synchronisation() -> None:
    assert synchroniser("cpu") is None


def test_peak_memory_sees_memory_that_was_given_back() -> None:
    before = peak_memory_bytes()
    block = bytearray(before + 50_000_000)
    block[::4096] = b"x" * len(block[::4096])
    del block
    assert peak_memory_bytes() >= before + 50_000_000


def test_peak_memory_of_a_child_is_its_own() -> None:
    # ru_maxrss of a small child would be that of this larger parent.
    block = b"x" * 200_000_000
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from bench.running.stopwatch import peak_memory_bytes;"
        "print(peak_memory_bytes(), 'torch' in sys.modules)"
    )
    child = subprocess.run(
        [sys.executable, "-c", code, str(REPOSITORY)], capture_output=True, text=True, check=True
    )
    peak, torch_imported = child.stdout.split()
    assert 1_000_000 < int(peak) < len(block)
    assert torch_imported == "False"
