"""The comparison with recorded figures: a tiny log that agrees, falls short, or is absent."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from bench.planning.plan import make_plan
from experiments.published import parity

SMALL_PLAN = """
models = ["cross-entropy=gru4rec", "more-draws=gru4rec"]
split = "session-holdout"
valid_share = 0.0
[gru4rec]
epochs = 1
layers = [4]
negatives = 4
[more-draws]
negatives = 8
"""
RECORDED = """
[[logs]]
name = "small"
plan = "plan.toml"
dataset = "small.csv"
predicted_events = {events}
figures = [
    {{ setting = "cross-entropy", recall = {recall}, mrr = {mrr} }},
    {{ setting = "more-draws", recall = 0.001, mrr = 0.001 }},
]
[[logs]]
name = "absent"
plan = "plan.toml"
dataset = "absent/train.csv"
figures = [{{ setting = "cross-entropy", recall = 0.5, mrr = 0.5 }}]
"""


def row(setting: str, by_seed: tuple[float, ...], authors: float, **more: Any) -> dict[str, Any]:
    return {
        "log": "clicks",
        "setting": setting,
        "counting": False,
        "seeds": list(range(1, 1 + len(by_seed))),
        "recall": {"by_seed": list(by_seed), "authors": authors},
        "mrr": {"by_seed": list(by_seed), "authors": authors},
    } | more


@pytest.fixture
def workplace(tmp_path: Path, small_table: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "plan.toml").write_text(SMALL_PLAN, encoding="utf-8")
    monkeypatch.setattr(parity, "CONFIGS", tmp_path)
    return tmp_path


def check(
    folder: Path,
    capfd: pytest.CaptureFixture[str],
    *,
    recall: float = 0.001,
    mrr: float = 0.001,
    events: int = 36,
) -> tuple[int, Any]:
    """Exit status and last line with these figures recorded."""
    file = folder / "recorded.toml"
    file.write_text(RECORDED.format(recall=recall, mrr=mrr, events=events), encoding="utf-8")
    output, page = folder / "trials", folder / "parity.md"
    arguments = ["--data", folder, "--output", output, "--recorded", file, "--page", page]
    status = parity.main([*map(str, arguments), "--seeds", "2"])
    printed = capfd.readouterr().out
    assert "absent: skipped, as" in printed
    return status, json.loads(printed.splitlines()[-1])


def test_a_log_within_the_tolerance_one_short_of_it_and_other_test_events(
    workplace: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    status, found = check(workplace, capfd)
    assert (status, found["skipped"], found["short"]) == (0, ["absent"], [])
    recall, mrr = (found["rows"][0][name] for name in ("recall", "mrr"))
    assert len(recall["by_seed"]) == 2
    page = (workplace / "parity.md").read_text(encoding="utf-8")
    assert (
        f"0.0010 / 0.0010 | {recall['mean']:.4f} ± {recall['sd']:.4f} / {mrr['mean']:.4f}" in page
    )
    assert "Not measured: absent." in page
    assert "more-draws - cross-entropy" in page

    records = sorted((workplace / "trials").rglob("trial.json"))
    written = [record.stat().st_mtime_ns for record in records]
    status, found = check(workplace, capfd, recall=recall["mean"], mrr=mrr["mean"] / 0.9)
    assert (status, found["short"]) == (1, ["small cross-entropy"]), "10 % below in MRR alone"
    assert "**short**" in (workplace / "parity.md").read_text(encoding="utf-8")
    assert [record.stat().st_mtime_ns for record in records] == written, "trained again"
    # What follows reads these trials alone.
    monkeypatch.setattr(parity, "run_log", lambda *arguments: 0)
    status, _ = check(workplace, capfd, recall=recall["mean"], mrr=mrr["mean"] / 0.985)
    assert status == 0, "1.5 % below"
    (workplace / "parity.md").unlink()
    status, found = check(workplace, capfd, events=37)
    assert (status, found["failed"], found["rows"]) == (1, ["small"], []), "other test events"
    assert not (workplace / "parity.md").exists()


def test_no_log_is_no_agreement(tmp_path: Path) -> None:
    page = tmp_path / "parity.md"
    arguments = ["--data", str(tmp_path), "--output", str(tmp_path), "--page", str(page)]
    assert parity.main(arguments) == parity.EXIT_NOTHING
    assert not page.exists()


def test_settings_are_compared_by_the_same_seeds() -> None:
    rows = [row("cross-entropy", (0.4, 0.6), 0.5), row("bpr-max", (0.5, 0.8), 0.7)]
    rows += [row("popularity", (0.1, 0.1), 0.1, counting=True), row("log-q", (0.5,), 0.5)]
    (pair,) = parity.paired_differences(rows)
    assert pair["settings"] == ["bpr-max", "cross-entropy"]
    assert pair["recall"]["mean"] == pytest.approx(0.15)
    assert pair["recall"]["authors"] == pytest.approx(0.2)
    assert pair["recall"]["sd"] == pytest.approx(0.0707, abs=1e-4)


def test_every_recorded_setting_is_in_its_plan() -> None:
    for log in parity.read_recorded(parity.RECORDED):
        plan = make_plan({}, [], parity.CONFIGS / log.plan)
        labels = [model.partition("=")[0] for model in plan.models]
        assert labels == [figures["setting"] for figures in log.figures]
        options = tomllib.loads((parity.CONFIGS / log.plan).read_text(encoding="utf-8"))["gru4rec"]
        defaults = {"learning_rate": 0.05, "batch_size": 64, "truncation": 1, "layers": [100]}
        assert options.items() >= defaults.items()
