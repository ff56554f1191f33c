"""What the plots say: fronts, leads, curves, slices and exposure."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from bench.figures.benchmark import Benchmark
from bench.store.tuning_records import Candidate, Tuning
from datasets.errors import InputError
from reports.palette import model_styles
from reports.plots.curves import draw_curves, read_curves
from reports.plots.drawing import drawing, entries, legend, panel, plain, rendered
from reports.plots.exposure import draw_exposure
from reports.plots.forest import leads
from reports.plots.inline_svg import inline_svg
from reports.plots.pareto import draw_pareto, pareto_front
from reports.plots.tuning import draw_tuning
from tests.reports.written import written_benchmark

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    """`learner` trains for three epochs and hits most, `counter` learns in one pass; two seeds."""
    models = {"learner": (0.1, 0.3, 0.2), "counter": (0.1,)}
    return written_benchmark(tmp_path_factory.mktemp("small"), models, seeds=(1, 2))


def test_front_has_the_models_that_none_beats_in_both() -> None:
    points = {
        "slow and best": (100.0, 0.5),
        "fast": (1.0, 0.2),
        "slower and worse": (2.0, 0.1),
        "as fast and worse": (1.0, 0.1),
        "slower and as good": (200.0, 0.5),
        "twin of fast": (1.0, 0.2),
        "between": (10.0, 0.3),
    }
    assert pareto_front(points) == ["fast", "twin of fast", "between", "slow and best"]
    assert pareto_front({}) == []


def test_pareto_names_the_dominated_and_says_when_times_do_not_compare(small: Benchmark) -> None:
    plot = draw_pareto(small, model_styles(("learner", "counter")))
    assert plot is not None
    assert "On the Pareto front (filled, dashed line): counter, learner." in plot.caption
    assert "Dominated" not in plot.caption
    assert "train times and events/s do not compare" in plot.caption
    # counter, as good as learner and three times as fast.
    learner, counter = small.summaries
    better = dataclasses.replace(counter, metrics=learner.metrics)
    plot = draw_pareto(
        dataclasses.replace(small, summaries=(learner, better)),
        model_styles(("learner", "counter")),
    )
    assert plot is not None
    assert plot.caption.count("better in one: learner.") == 1
    assert [(row[0], row[-1]) for row in plot.rows] == [
        ("counter", "on it"), ("learner", "dominated"),
    ]  # fmt: skip


def test_leads_are_those_of_the_best_whichever_side_it_stood_on(small: Benchmark) -> None:
    (difference,) = [each for each in small.differences if each.metric == "Recall@20"]
    assert (difference.first, difference.second) == ("learner", "counter")
    turned = dataclasses.replace(
        difference, first="counter", second="learner",
        value=-difference.value, low=-difference.high, high=-difference.low,
    )  # fmt: skip
    (straight,) = leads(small)["Recall@20"]
    (mirrored,) = leads(dataclasses.replace(small, differences=(turned,)))["Recall@20"]
    assert straight == mirrored
    assert straight.second == "counter"
    assert straight.low < straight.value < straight.high
    values = [summary.metrics["Recall@20"].value for summary in small.summaries]
    assert straight.value == pytest.approx(values[0] - values[1])


def test_curves_are_those_of_the_files(small: Benchmark) -> None:
    curves = read_curves(small)
    assert [(curve.label, curve.seed) for curve in curves] == [
        ("learner", 1), ("learner", 2), ("counter", 1), ("counter", 2),
    ]  # fmt: skip
    assert curves[0].recalls == (0.1, 0.3, 0.2)
    assert curves[0].seconds == (2.0, 4.0, 6.0)
    assert curves[0].best_epoch == 2
    assert curves[0].losses == (6.9, 6.7, 6.8)


def test_models_of_one_pass_are_named_and_not_drawn(small: Benchmark) -> None:
    over_epochs, over_seconds = draw_curves(small, model_styles(("learner", "counter")))
    assert "One line a seed" in over_epochs.caption
    assert "learn in one pass: counter" in over_epochs.caption
    assert {row[0] for row in over_epochs.rows} == {"learner"}
    assert [row[2] for row in over_epochs.rows[:3]] == ["1", "2 (kept)", "3"]
    assert over_seconds.rows == ()


def test_without_validation_there_are_no_curves(small: Benchmark, tmp_path: Path) -> None:
    copied = written_benchmark(tmp_path, {"learner": (0.1, 0.2)})
    (folder,) = copied.summaries[0].folders
    (folder / "curve.csv").write_text("epoch,train_seconds,loss\n1,1.0,2.0\n2,2.0,1.0\n")
    assert draw_curves(copied, model_styles(["learner"])) == []
    (folder / "curve.csv").write_text("epoch,train_seconds,loss,Recall@20\n1,soon,2.0,0.1\n")
    with pytest.raises(InputError, match=r"curve\.csv cannot be read .*run again"):
        read_curves(copied)


def test_exposure_is_drawn_where_it_was_counted(small: Benchmark) -> None:
    learner, counter = small.summaries
    styles = model_styles(("learner", "counter"))
    uncounted = dataclasses.replace(counter, exposure={})
    coverage, popularity = draw_exposure(
        dataclasses.replace(small, summaries=(learner, uncounted)), styles
    )
    # 20 + int(30 * 0.9) of 50 items.
    assert coverage.rows == (("learner", "0.9400"),)
    # Support rises with the code, so that the first 47 of 50 have percentiles 0.01 to 0.93.
    assert popularity.rows == (("learner", "0.4700"),)
    assert draw_exposure(dataclasses.replace(small, summaries=(uncounted,)), styles) == []


def test_equal_benchmarks_draw_equal_pictures(small: Benchmark) -> None:
    styles = model_styles(("learner", "counter"))
    first, second = draw_pareto(small, styles), draw_pareto(small, styles)
    assert first == second
    assert first is not None
    assert first.png.startswith(b"\x89PNG\r\n")


def test_awkward_labels_are_drawn_as_they_are() -> None:
    labels = ["_private", "$x^2$", "推荐", "<b>", "a|b", "two\nlines", "v" * 60]
    with drawing():
        figure, axes = panel(2.0)
        axes.plot([0, 1], [0, 1])
        legend(figure, entries(labels, model_styles(labels)))
        svg, _ = rendered(figure)
    texts = {"".join(node.itertext()) for node in ElementTree.fromstring(svg).iter()}
    assert {*labels[:5], "two lines", "v" * 19 + "…"} <= texts


def test_an_inlined_plot_shares_no_id_and_follows_the_theme() -> None:
    with drawing():
        figure, axes = panel(2.0)
        axes.plot([0, 1], [0, 1], "o", color="#006aa9")
        axes.set_xlabel('id="x" url(#y) #006aa9')
        svg, _ = rendered(figure)
    one, other = inline_svg(svg, "one", "first"), inline_svg(svg, "other", 'say "hi"')
    roots = [ElementTree.fromstring(text) for text in (one, other)]
    ids = [{node.get("id") for node in root.iter()} - {None} for root in roots]
    assert not ids[0] & ids[1]
    used = {node.get("href", "#")[1:] for node in roots[0].iter("use")}
    assert used and used <= ids[0]
    assert (roots[1].get("role"), roots[1].get("aria-label")) == ("img", 'say "hi"')
    assert 'id="x" url(#y) #006aa9' in {node.text for node in roots[0].iter("text")}
    styled = " ".join(node.get("style", "") for node in roots[0].iter())
    assert "var(--blue)" in styled
    assert "#006aa9" not in styled
    assert "font-family" not in styled
    assert not list(roots[0].iter("style"))


def test_plots_need_no_screen() -> None:
    environment = {**os.environ, "MPLBACKEND": "TkAgg", "DISPLAY": "localhost:64"}
    code = (
        "import sys\n"
        "from reports.plots.drawing import drawing, panel, rendered\n"
        "with drawing():\n"
        "    figure, axes = panel(1.0)\n"
        "    svg, png = rendered(figure)\n"
        "print(len(svg) > 0, len(png) > 0, 'tkinter' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, env=environment, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "True True False\n"


def test_a_tuning_curve_is_the_expected_best_and_needs_two_candidates() -> None:
    def tuning(label: str, *recalls: float | None) -> Tuning:
        candidates = tuple(
            Candidate(str(i), {}, recall, 1.0, 1) for i, recall in enumerate(recalls)
        )
        return Tuning(label, "3", 1, "f", {}, candidates, None)

    styles = model_styles(["learner", "counter"])
    (plot,) = draw_tuning([tuning("learner", 0.3, None, 0.1), tuning("counter", 0.2)], styles)
    # One of .3, 0 and .1; of the three pairs two have .3 and one has .1; all.
    assert [row[1:] for row in plot.rows] == [("1", "0.1333"), ("2", "0.2333"), ("3", "0.3000")]
    assert "Not drawn, as they had one candidate: counter." in plot.caption
    assert draw_tuning([tuning("counter", 0.2)], styles) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.001, "0.001"), (12.5, "12.5"), (123456, "123,456"), (1e-7, "1e-07")],
)
def test_numbers_on_axes_are_written_as_people_do(value: float, text: str) -> None:
    assert plain(value) == text
    assert plain(np.float64(-value)) == (text if value == 0 else f"-{text}")
