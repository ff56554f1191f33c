"""What a user waits for before training, and what MLflow adds to a run.

Rounds take turns over all measures; a figure is the median over rounds, its difference with and
without MLflow the median of the differences within rounds. The first step of training is seen on
the live bar, which the command draws on a terminal: it names an epoch at the model's first report,
for `gru4rec` after a twentieth of its first epoch, so that the figure is an upper bound. Processor
seconds stand beside wall seconds, as those of a shared machine say little. MLflow's own calls are
timed apart from a run, in a process that does nothing else: opening a new store, its import
included, and writing an epoch. The last line is one JSON object. Linux and macOS.

    python experiments/starting.py --rounds 5
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import pty
import resource
import statistics
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tabulate import tabulate

REPOSITORY = Path(__file__).resolve().parent.parent
RUN_BENCH = (sys.executable, str(REPOSITORY / "run_bench.py"))
FIRST_REPORT = b"epoch 1/"
ADOPT_ORPHANS = 36
"""PR_SET_CHILD_SUBREAPER of Linux' prctl."""
STORE_CALLS = """
import json, statistics, sys, time
from bench.tracking import make_tracker
from bench.mlflow_store import MlflowStore

make_tracker("none", "starting", print).close(0)
def seconds(work, *arguments):
    start = time.perf_counter()
    found = work(*arguments)
    return time.perf_counter() - start, found

opening, store = seconds(MlflowStore, sys.argv[1], "starting", print)
store.start_trial("trial", "trial", {}, {}, time.time())
figures = {f"figure {number}": 0.5 for number in range(6)}
epochs = [seconds(store.log_epoch, "trial", n, figures, time.time())[0] for n in range(1, 31)]
print(json.dumps({"start": opening, "epoch": statistics.median(epochs)}))
"""


def wall_seconds(command: Sequence[str]) -> float:
    """Wall seconds of a command that succeeds."""
    start = time.perf_counter()
    _run(command)
    return time.perf_counter() - start


def seconds_to_first_step(command: Sequence[str]) -> float:
    """Wall seconds until the command's bar shows an epoch, after which the command is ended.

    Raises RuntimeError where it ends before.
    """
    ours, theirs = pty.openpty()
    # A terminal without a size shows no bar.
    termios.tcsetwinsize(theirs, (24, 160))
    start = time.perf_counter()
    environment = os.environ | {"TERM": "xterm"}
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=theirs, cwd=REPOSITORY, env=environment
    )
    os.close(theirs)
    shown, seconds = b"", None
    for part in _parts(ours):
        shown += part
        if seconds is None and FIRST_REPORT in shown:
            seconds = time.perf_counter() - start
            process.terminate()
    os.close(ours)
    process.wait()
    if seconds is None:
        raise RuntimeError(f"no step of training was shown: {shown.decode(errors='replace')}")
    return seconds


def run_seconds(command: Sequence[str]) -> tuple[float, float]:
    """Wall seconds, and processor seconds of the command and all the processes it starts."""
    before = _processor_seconds()
    seconds = wall_seconds(command)
    # The server that forks the workers ends a little after the command.
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    return seconds, _processor_seconds() - before


def store_seconds(folder: Path) -> dict[str, float]:
    """Wall seconds to open a new store, and to write an epoch to it: "start" and "epoch"."""
    done = _run((sys.executable, "-c", STORE_CALLS, f"sqlite:///{folder}/store.db"))
    seconds: dict[str, float] = json.loads(done.splitlines()[-1])
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
        output = folder / name
        whole = (*run, f"gru4rec.epochs={epochs}", "--tracking-uri", uri, "--output", str(output))
        found[f"{name} wall"], found[f"{name} cpu"] = run_seconds(whole)
        (cost,) = output.glob("trials/*/cost.json")
        record = json.loads(cost.read_text(encoding="utf-8"))
        found[f"{name} epoch"] = record["train_seconds"] / record["epochs"]
    found |= {f"store {name}": value for name, value in store_seconds(folder).items()}
    found["added wall"] = found["with wall"] - found["without wall"]
    found["added cpu"] = found["with cpu"] - found["without cpu"]
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", default="ml-latest-small", help="name or table")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds")
    parser.add_argument("--epochs", type=int, default=3, help="epochs of the runs with MLflow")
    options = parser.parse_args()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(ADOPT_ORPHANS, 1, 0, 0, 0)
    rounds = []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            rounds.append(measure_round(options.dataset, options.epochs, Path(folder)))
    median = {name: statistics.median(found[name] for found in rounds) for name in rounds[0]}
    figures = {
        "help_seconds": median["help"],
        "list_seconds": median["list"],
        "first_step_seconds": median["first step"],
        "run_seconds": median["without wall"],
        "run_cpu_seconds": median["without cpu"],
        "mlflow_added_seconds": median["added wall"],
        "mlflow_added_cpu_seconds": median["added cpu"],
        "mlflow_added_share": median["added wall"] / median["without wall"],
        "mlflow_added_cpu_share": median["added cpu"] / median["without cpu"],
        "mlflow_start_seconds": median["store start"],
        "mlflow_epoch_seconds": median["store epoch"],
        "mlflow_share_of_an_epoch": median["store epoch"] / median["without epoch"],
    }
    print(tabulate(figures.items(), ("figure", "median"), floatfmt=",.3f", tablefmt="github"))
    run = {"dataset": options.dataset, "rounds": options.rounds, "epochs": options.epochs}
    print(json.dumps(figures | run))


def _run(command: Sequence[str]) -> str:
    """What a command prints to stdout; raises CalledProcessError where it fails."""
    return subprocess.run(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        check=True,
    ).stdout  # fmt: skip


def _parts(terminal: int) -> Iterator[bytes]:
    """What is written to a terminal, until all that held it have ended."""
    # Linux ends with an error, macOS with nothing read.
    with contextlib.suppress(OSError):
        while part := os.read(terminal, 4096):
            yield part


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
