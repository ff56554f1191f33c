"""`--tune` from the command to the table, with candidates in processes of their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.commands.conftest import Run

MODELS = Path(__file__).parents[1] / "bench" / "tuning" / "tunable_models.py"


def test_tuned_table_and_the_preset_that_repeats_it(bench: Callable[..., Run], log: Path) -> None:
    models = f"{MODELS}:Few,{MODELS}:Diverging"
    run = bench("--models", models, "--dataset", str(log), "--tune", "1")
    assert run.status == 1
    assert run.models == ["few"]
    assert "**diverging** failed: 0 of 1 candidates of its tuning are whole" in run.table
    assert "few: candidate 1 of 1 chosen" in run.stderr
    (final,) = Path("results/trials").iterdir()
    (candidate,) = Path("results/candidates").glob("few-*")
    record = json.loads((candidate / "trial.json").read_text())
    assert (
        record["tags"]["data_fingerprint"]
        != json.loads((final / "trial.json").read_text())["tags"]["data_fingerprint"]
    )
    assert not (candidate / "weights").exists()

    again = bench("--config", "results/tuned.toml")
    assert again.status == 0
    assert f"few seed 1: reused from {final}" in again.stderr
    assert again.row("few") == run.row("few")
