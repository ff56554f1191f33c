"""The page: complete, in one file, and true to the benchmark."""

from __future__ import annotations

import dataclasses
import itertools
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from lxml import html

from bench.figures.benchmark import Benchmark
from bench.store.tuning_records import Candidate, Tuning
from datasets.errors import InputError
from reports.page.page import write_page
from reports.page.tables import tuning_table
from reports.palette import model_styles
from reports.tables.policy_value_table import reversals
from reports.tables.table_footer import decisions
from tests.reports.benchmarks import benchmark
from tests.reports.conftest import AWKWARD, WrittenPage
from tests.reports.written import written_benchmark

VOID = {"meta", "link", "br", "img", "input", "hr"}
PARTS = ["Decision", "Results", "Quality against training time", "Paired differences",
         "Learning curves", "Slices", "Coverage and popularity", "Policy value", "The logger",
         "Cost", "The log", "Method", "Options and versions", "Reproduce"]  # fmt: skip


@pytest.fixture(scope="module")
def page(written_page: WrittenPage) -> html.HtmlElement:
    return html.document_fromstring(written_page.html)


class Nesting(HTMLParser):
    """Fails where an element is not closed, or closed in the wrong order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attributes: object) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, self.getpos()


def text(element: html.HtmlElement) -> str:
    return " ".join(element.text_content().split())


def test_every_element_is_closed_in_its_place(written_page: WrittenPage) -> None:
    parser = Nesting()
    parser.feed(written_page.html)
    parser.close()
    assert parser.open == []


def test_one_file_that_loads_nothing(written_page: WrittenPage, page: html.HtmlElement) -> None:
    assert len(written_page.html.encode()) < 3_000_000
    (policy,) = page.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    assert policy.startswith("default-src 'none';")
    links = page.xpath("//@src | //@href | //@*[local-name()='href']")
    assert links
    assert all(link.startswith(("#", "data:,")) for link in links)
    # Namespaces are names, not addresses; the page needs none.
    assert not re.search(r"https?://|@import|url\((?!#)", written_page.html)


def test_labels_are_text_wherever_they_stand(
    written_page: WrittenPage, page: html.HtmlElement
) -> None:
    assert len(page.xpath("//script")) == 1
    assert page.xpath("//figure//b | //li/b") == []
    headers = [text(header) for header in page.xpath("//table[1]//th[@scope='row']")]
    assert set(AWKWARD) <= set(headers)
    assert "sqn seed 1 failed: it <b>raised</b> DivergedError" in text(page)


def test_ids_are_unique_and_whatever_refers_to_one_finds_it(page: html.HtmlElement) -> None:
    ids = page.xpath("//@id")
    assert len(ids) == len(set(ids))
    used = [link[1:] for link in page.xpath("//@href") if link.startswith("#")]
    used += [one for many in page.xpath("//@aria-labelledby") for one in many.split()]
    used += re.findall(r"url\(#([^)]+)\)", " ".join(page.xpath("//@clip-path")))
    assert set(used) <= set(ids)


def test_headings_are_in_order_and_name_all_parts(page: html.HtmlElement) -> None:
    levels = [int(heading.tag[1]) for heading in page.xpath("//h1|//h2|//h3|//h4|//h5|//h6")]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(below - above <= 1 for above, below in itertools.pairwise(levels))
    assert [text(heading) for heading in page.xpath("//h2")] == PARTS
    assert [text(link) for link in page.xpath("//nav//a")] == PARTS


def test_pictures_have_names_and_decoration_has_none(page: html.HtmlElement) -> None:
    pictures = page.xpath("//svg[@role='img']")
    assert len(pictures) == len(page.xpath("//figure[figcaption]")) >= 9
    assert all(len(picture.get("aria-label")) > 20 for picture in pictures)
    others = page.xpath("//svg[not(@role='img')]")
    assert others
    assert all(other.get("aria-hidden") == "true" for other in others)


def test_figures_and_decisions_are_those_of_the_table(
    written_page: WrittenPage, page: html.HtmlElement
) -> None:
    found = written_page.benchmark
    best = found.summaries[0]
    (table,) = page.xpath("//section[@aria-labelledby='log-results']/div/table")
    assert [text(head) for head in table.xpath(".//thead/tr/th")][:2] == ["model", "Recall@20"]
    first = table.xpath("./tbody/tr")[0]
    recall = best.metrics["Recall@20"]
    assert text(first.xpath("./th")[0]) == best.label == "gru4rec"
    assert first.xpath("./td/strong/text()")[0] == f"{recall.value:.4f}"
    assert first.xpath("./td/small/text()")[0] == f"{recall.low:.4f} to {recall.high:.4f}"
    assert float(first.xpath("./td/@data-order")[0]) == recall.value
    lines = [text(line) for line in page.xpath("//ul[@class='decisions']/li")]
    verdicts = [line.split(" ", 1) for line in lines]
    assert [sentence for _, sentence in verdicts] == [
        " ".join(sentence.split())
        for sentence in (*decisions(found, str), *(each.sentence for each in reversals(found, str)))
    ]
    assert {verdict for verdict, _ in verdicts} == {"decided", "undecided"}


def test_every_row_has_its_command_and_its_trials(
    written_page: WrittenPage, page: html.HtmlElement
) -> None:
    articles = page.xpath("//article")
    assert len(articles) == len(written_page.benchmark.summaries) == 13
    for article, summary in zip(articles, written_page.benchmark.summaries, strict=True):
        assert text(article.xpath("./h3")[0]) == " ".join(summary.label.split())
        assert text(article.xpath("./pre")[0]).startswith("python run_bench.py --models ")
        assert f"trials/{summary.folders[0].name}" in text(article)
    assert {"Abacus 9", "c0ffee"} <= {text(cell) for cell in page.xpath("//td")}


def test_models_keep_their_colour_everywhere(
    written_page: WrittenPage, page: html.HtmlElement
) -> None:
    styles = model_styles(summary.label for summary in written_page.benchmark.summaries)
    colour = f"var(--{styles['gru4rec'].name})"
    fills = page.xpath("//th[@scope='row'][normalize-space()='gru4rec']//path/@fill")
    assert len(fills) > 5
    assert set(fills) == {colour}
    for name in ("log-pareto", "log-curves-epochs", "log-coverage"):
        assert any(colour in style for style in page.xpath(f"//*[@id='{name}']//@style")), name


def test_each_plot_is_a_picture_in_both_formats(
    written_page: WrittenPage, page: html.HtmlElement
) -> None:
    folder = written_page.folder / "plots"
    names = {picture.get("id").removeprefix("log-") for picture in page.xpath("//figure/svg")}
    assert {"pareto", "differences-recall-at-20", "curves-epochs", "curves-seconds",
            "slices-reward", "coverage", "popularity"} <= names  # fmt: skip
    assert {file.name for file in folder.iterdir()} == {
        f"{name}.{suffix}" for name in names for suffix in ("png", "svg")
    }
    for name in names:
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG\r\n")
        assert ElementTree.parse(folder / f"{name}.svg").getroot().tag.endswith("}svg")


def test_tuning_has_a_part_where_options_were_chosen(tmp_path: Path) -> None:
    candidates = (
        Candidate("0", {"k": 1}, 0.1, 2.0, 1),
        Candidate("1", {"k": 2}, None, 1.0, 0, "no"),
        Candidate("2", {"k": 7}, 0.25, 3.5, 1),
    )
    tunings = (
        Tuning("knn|x", "3", 1, "f", {"k": "1 to 9"}, candidates, "2"),
        Tuning("lost", "3", 1, "f", {}, candidates[1:2], None),
    )
    table = tuning_table(tunings)
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["knn|x", "3", "1", "6.5", "0.1000", "0.1000", "0.2500", "k 7"],
        ["lost", "1", "1", "1.0", "0.0000", "0.0000", "0.0000", "none"],
    ]
    found = benchmark(failures={"lost": "all 1 candidates of its tuning failed"})
    write_page([dataclasses.replace(found, tunings=tunings)], tmp_path)
    page = html.parse(tmp_path / "report.html").getroot()
    (part,) = page.xpath("//section[@aria-labelledby='log-tuning']")
    assert text(part.xpath("./div[@class='scroll']//tbody/tr")[0]).startswith("knn|x 3 1")
    assert "knn|x tuned: 3 candidates in 6.5 s" in text(page)


@pytest.fixture
def plain(tmp_path: Path) -> Benchmark:
    return written_benchmark(tmp_path / "one", {"learner": (0.1, 0.2)})


def test_several_data_sets_have_a_table_of_both_and_files_of_their_own(
    plain: Benchmark, tmp_path: Path
) -> None:
    plots = tmp_path / "plots"
    plots.mkdir()
    (plots / "of-an-earlier-report.svg").write_text("<svg/>")
    (plots / "notes.txt").write_text("kept")
    other = dataclasses.replace(plain.record, dataset="Log!")
    write_page([plain, dataclasses.replace(plain, record=other)], tmp_path)
    page = html.parse(tmp_path / "report.html").getroot()
    assert [text(heading) for heading in page.xpath("//h2")] == [
        "Models and data sets", "log", "Log!",
    ]  # fmt: skip
    (table,) = page.xpath("//section[@aria-labelledby='datasets']//table")
    assert [text(head) for head in table.xpath("./thead/tr/th")] == [
        "model", "log: Recall@20", "Log!: Recall@20", "mean rank",
    ]  # fmt: skip
    ids = page.xpath("//@id")
    assert len(ids) == len(set(ids))
    files = {file.name for file in plots.iterdir()}
    assert {"log-pareto.svg", "log-pareto.png", "log--2-pareto.svg", "notes.txt"} <= files
    assert "of-an-earlier-report.svg" not in files


def test_nothing_is_written_where_a_trial_is_damaged(plain: Benchmark, tmp_path: Path) -> None:
    (plain.summaries[0].folders[0] / "curve.csv").write_text("epoch,Recall@20\none,0.1\n")
    with pytest.raises(InputError, match=r"curve\.csv cannot be read"):
        write_page([plain], tmp_path)
    assert not (tmp_path / "report.html").exists()
    assert not (tmp_path / "plots").exists()


def test_a_benchmark_whose_trials_all_failed_has_a_page(tmp_path: Path) -> None:
    write_page([benchmark(failures={"tocr seed 1": "no memory"})], tmp_path)
    page = html.parse(tmp_path / "report.html").getroot()
    assert "No trial is whole, so there is nothing to decide." in text(page)
    assert "tocr seed 1 failed: no memory" in text(page)
    assert not list((tmp_path / "plots").iterdir())


def test_a_full_disk_is_said(plain: Benchmark, tmp_path: Path) -> None:
    (tmp_path / "plots").write_text("a file in the way")
    with pytest.raises(InputError, match="plots cannot be made"):
        write_page([plain], tmp_path)
