"""A benchmark as a person finds it in MLflow's own pages: the runs, a curve, the report."""

from __future__ import annotations

import subprocess
from pathlib import Path

from playwright.sync_api import Page, expect

from bench.mlflow_mirror.shown_run import benchmark_run
from tests.bench.mlflow_mirror.mlflow_stores import Store, closed, record_live, trial_folder
from tests.chromium import PATIENCE, launched, needs_chromium

NAME = "benchmark: gru4rec"


@needs_chromium
def test_mlflow_shows_the_benchmark_its_trial_and_the_report(
    store: Store, server: tuple[str, subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    report = tmp_path / "report.html"
    report.write_text("<!doctype html><title>r</title><h1>gru4rec has the highest Recall@20</h1>")
    trial = trial_folder(tmp_path)
    tracker = store.tracker()
    benchmark = benchmark_run("b1", ["gru4rec"], {"split": "temporal"})
    tracker.show(benchmark)
    record_live(tracker, trial)
    tracker.show(benchmark.end("FINISHED", files=[report]))
    closed(tracker)
    assert store.warnings == []
    runs = {run.info.run_name: run.info for run in store.runs()}
    experiment = f"{server[0]}/#/experiments/{runs[NAME].experiment_id}"
    with launched() as browser:
        page = browser.new_page(viewport={"width": 1500, "height": 900})
        page.set_default_timeout(PATIENCE)

        page.goto(f"{experiment}/runs")
        seen(page, NAME)
        # Children are folded away under the sign before their parent's name.
        page.get_by_role("gridcell").filter(has_text=NAME).get_by_role("button").first.click()
        seen(page, "gru4rec seed 1")

        page.goto(f"{experiment}/runs/{runs['gru4rec seed 1'].run_id}/model-metrics")
        seen(page, "recall_at_20")

        page.goto(f"{experiment}/runs/{runs[NAME].run_id}/artifacts/report.html")
        shown = page.frame_locator("iframe").get_by_role("heading", name="highest Recall@20")
        expect(shown).to_be_visible(timeout=PATIENCE)


def seen(page: Page, text: str) -> None:
    """Wait until the page shows the text."""
    expect(page.get_by_text(text, exact=True).first).to_be_visible(timeout=PATIENCE)
