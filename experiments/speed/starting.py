"""What a user waits for before training, and what MLflow adds to a run.

Rounds take turns over all measures; a figure is the median over rounds, what MLflow adds the median
of the differences within rounds. The first step of training is seen on the live bar, which the
command draws on a terminal: it names an epoch at the model's first report, for `gru4rec` after a
twentieth of its first epoch, so that the figure is an upper bound. The last line is one JSON
object. Linux and macOS.

    python experiments/speed/starting.py --rounds 5
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pty
import statistics
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tabulate import tabulate

REPOSITORY = Path(__file__).resolve().parents[2]
RUN_BENCH = (sys.executable, str(REPOSITORY / "run_bench.py"))
FIRST_REPORT = b"epoch 1/"


def wall_seconds(command: Sequence[str]) -> float:
    """Wall seconds of a command; raises CalledProcessError where it fails."""
    start = time.perf_counter()
    subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=True)
    return time.perf_counter() - start


def seconds_to_first_step(command: Sequence[str]) -> float:
    """Wall seconds until the command's bar shows an epoch, after which the command is ended.

    Raises RuntimeError where it ends before.
    """
    terminal, of_child = pty.openpty()
    # A terminal without a size shows no bar.
    termios.tcsetwinsize(of_child, (24, 160))
    start = time.perf_counter()
    environment = os.environ | {"TERM": "xterm"}
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=of_child, cwd=REPOSITORY, env=environment
    )
    os.close(of_child)
    shown, seconds = b"", None
    for part in _parts(terminal):
        shown += part
        if seconds is None and FIRST_REPORT in shown:
            seconds = time.perf_counter() - start
            process.terminate()
    os.close(terminal)
    process.wait()
    if seconds is None:
        raise RuntimeError(f"no step of training was shown: {shown.decode(errors='replace')}")
    return seconds


def measure_round(dataset: str, epochs: int, folder: Path) -> dict[str, float]:
    """One figure of each kind; `folder` exists and is empty."""
    run = (*RUN_BENCH, "--models", "gru4rec", "--dataset", dataset, "--set")
    once = (*run, "gru4rec.epochs=1", "--tracking-uri", "none", "--output", str(folder / "step"))
    found = {
        "help": wall_seconds((*RUN_BENCH, "--help")),
        "list": wall_seconds((*RUN_BENCH, "--list")),
        "first step": seconds_to_first_step(once),
    }
    for name, uri in (("without", "none"), ("with", f"sqlite:///{folder}/runs.db")):
        training = (*run, f"gru4rec.epochs={epochs}", "--tracking-uri", uri)
        found[name] = wall_seconds((*training, "--output", str(folder / name)))
    found["added"] = found["with"] - found["without"]
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="ml-latest-small", help="name or table")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds")
    parser.add_argument("--epochs", type=int, default=3, help="epochs of the runs with MLflow")
    options = parser.parse_args()
    rounds = []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            rounds.append(measure_round(options.dataset, options.epochs, Path(folder)))
    median = {name: statistics.median(found[name] for found in rounds) for name in rounds[0]}
    figures = {
        "help_seconds": median["help"],
        "list_seconds": median["list"],
        "first_step_seconds": median["first step"],
        "run_seconds": median["without"],
        "mlflow_added_seconds": median["added"],
        "mlflow_added_share": median["added"] / median["without"],
    }
    print(tabulate(figures.items(), ("figure", "median"), floatfmt=",.2f", tablefmt="github"))
    run = {"dataset": options.dataset, "rounds": options.rounds, "epochs": options.epochs}
    print(json.dumps(figures | run))


def _parts(terminal: int) -> Iterator[bytes]:
    """What is written to a terminal, until all that held it have ended."""
    # Linux ends with an error, macOS with nothing read.
    with contextlib.suppress(OSError):
        while part := os.read(terminal, 4096):
            yield part


if __name__ == "__main__":
    main()
