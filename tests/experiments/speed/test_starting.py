"""The first step of training is seen on a terminal; no time is asserted.

A whole round of the script starts six commands, and is left to whoever measures.
"""

from __future__ import annotations

import sys
import time

import pytest

from experiments.speed.starting import seconds_to_first_step


def test_the_first_report_on_the_bar_is_the_first_step_and_ends_the_command() -> None:
    waits = "import sys, time; print('model  epoch 1/30', file=sys.stderr, flush=True)"
    start = time.perf_counter()
    seconds = seconds_to_first_step((sys.executable, "-c", f"{waits}; time.sleep(3600)"))
    assert 0 < seconds < time.perf_counter() - start


def test_a_command_that_never_trains_is_no_first_step() -> None:
    refused = (sys.executable, "-c", "import sys; sys.exit('no such model')")
    with pytest.raises(RuntimeError, match="no such model"):
        seconds_to_first_step(refused)
