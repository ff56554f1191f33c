"""Cost of a trial: time that adds up, and memory that is the process's own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bench.store.cost import Cost, Stopwatch, peak_memory_bytes, synchroniser
from datasets.errors import InputError

REPOSITORY = Path(__file__).parents[3]
COST = Cost(
    train_seconds=12.5,
    seconds_to_best_epoch=10.0,
    epochs=5,
    best_epoch=4,
    train_events=5000,
    events_per_second=400.0,
    ranking_seconds=0.5,
    milliseconds_per_scored_event=0.25,
    peak_memory_bytes=123_456_789,
    device="cpu",
    threads=2,
    others_load=0.5,
    cores=4,
)


def ticking(*readings: float) -> Callable[[], float]:
    remaining = iter(readings)
    return lambda: next(remaining)


def test_cost_survives_json() -> None:
    assert Cost.from_json(COST.to_json()) == COST


def test_cost_from_before_load_was_measured_has_none() -> None:
    record = json.loads(COST.to_json())
    del record["others_load"], record["cores"]
    assert Cost.from_json(json.dumps(record)) == replace(COST, others_load=None, cores=None)


def test_cost_without_a_number_is_not_written() -> None:
    with pytest.raises(ValueError, match="JSON"):
        replace(COST, events_per_second=float("inf")).to_json()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{", "not JSON"),
        ("[1]", "not a JSON object"),
        (json.dumps({"epochs": 3}), "train_seconds"),
        (COST.to_json().replace("{", '{"colour": 1,', 1), "colour"),
    ],
)
def test_damaged_cost_names_its_file(text: str, named: str) -> None:
    with pytest.raises(InputError, match=named) as caught:
        Cost.from_json(text, "trials/a/cost.json")
    assert str(caught.value).startswith("trials/a/cost.json")


def test_stopwatch_adds_up_its_stretches_and_nothing_between() -> None:
    watch = Stopwatch(clock=ticking(1.0, 3.0, 10.0, 10.5))
    watch.start()
    watch.stop()
    with watch:
        pass
    assert watch.elapsed == 2.5


def test_running_stopwatch_tells_the_time_so_far() -> None:
    watch = Stopwatch(clock=ticking(1.0, 4.0, 6.0))
    watch.start()
    assert watch.elapsed == 3.0
    watch.stop()
    assert watch.elapsed == 5.0


def test_stopwatch_waits_for_the_device_before_each_reading() -> None:
    order: list[str] = []

    def clock() -> float:
        order.append("clock")
        return 0.0

    watch = Stopwatch(synchronise=lambda: order.append("device"), clock=clock)
    watch.start()
    watch.stop()
    assert order == ["device", "clock", "device", "clock"]


def test_stopwatch_refuses_a_second_start_and_a_stop_without_one() -> None:
    watch = Stopwatch()
    with pytest.raises(RuntimeError, match="does not run"):
        watch.stop()
    watch.start()
    with pytest.raises(RuntimeError, match="runs already"):
        watch.start()


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
        "from bench.store.cost import peak_memory_bytes;"
        "print(peak_memory_bytes(), 'torch' in sys.modules)"
    )
    child = subprocess.run(
        [sys.executable, "-c", code, str(REPOSITORY)], capture_output=True, text=True, check=True
    )
    peak, torch_imported = child.stdout.split()
    assert 1_000_000 < int(peak) < len(block)
    assert torch_imported == "False"
