"""The page in a real browser: it is quiet, it sorts, it fits a phone, it has a dark side."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.chromium import PATIENCE, launched, needs_chromium
from tests.reports.conftest import WrittenPage

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as started:
        yield started


@pytest.fixture(scope="module")
def requests() -> list[str]:
    """Addresses that any page of this module asked for."""
    return []


@pytest.fixture(scope="module")
def messages() -> list[str]:
    """Errors and warnings that any page of this module wrote to the console."""
    return []


@pytest.fixture(scope="module")
def page(
    browser: Browser, written_page: WrittenPage, requests: list[str], messages: list[str]
) -> Page:
    """The page on a desktop, opened once."""
    opened = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="light")
    opened.set_default_timeout(PATIENCE)
    opened.on("request", lambda request: requests.append(request.url))
    opened.on("pageerror", lambda error: messages.append(str(error)))
    opened.on(
        "console",
        lambda said: messages.append(said.text) if said.type in ("error", "warning") else None,
    )
    opened.goto((written_page.folder / "report.html").as_uri())
    return opened


def column(page: Page, number: int) -> list[str]:
    """Texts of a column of the table of results, from the top."""
    cells = f"#log-results ~ .scroll tbody tr > :nth-child({number})"
    return [text.strip() for text in page.locator(cells).all_text_contents()]


def sorted_by(page: Page) -> list[str | None]:
    """`aria-sort` of the results' headings, None where it is absent."""
    headings = page.locator("#log-results ~ .scroll thead th")
    return [heading.get_attribute("aria-sort") for heading in headings.all()]


def test_nothing_leaves_and_nothing_is_complained_of(
    page: Page, requests: list[str], messages: list[str]
) -> None:
    page.wait_for_load_state("networkidle")
    addresses = {address for address in requests if not address.startswith("data:")}
    assert addresses == {page.url.partition("#")[0]}
    assert messages == []


def test_a_table_sorts_by_mouse_and_by_keyboard(page: Page) -> None:
    before = column(page, 1)
    figures = [float(text[:6]) for text in column(page, 2)]
    assert figures == sorted(figures, reverse=True)
    assert set(sorted_by(page)) == {None}
    button = page.get_by_role("button", name="Recall@20", exact=True).first
    button.click()
    assert sorted_by(page)[1] == "descending"
    button.click()
    assert sorted_by(page)[1] == "ascending"
    assert [float(text[:6]) for text in column(page, 2)] == figures[::-1]
    name = page.get_by_role("button", name="model", exact=True).first
    name.focus()
    page.keyboard.press("Enter")
    assert sorted_by(page)[:2] == ["ascending", None]
    labels = column(page, 1)
    assert sorted(labels) == sorted(before)
    letters = [label for label in labels if label.isascii() and label.isalnum()]
    assert letters == sorted(letters)
    page.keyboard.press("Space")
    assert sorted_by(page)[0] == "descending"
    assert column(page, 1) == labels[::-1]


def test_the_keyboard_reaches_the_content_at_once(page: Page) -> None:
    page.reload()
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the results")
    assert skip.evaluate("link => link === document.activeElement")
    assert skip.bounding_box()["x"] >= 0, "it shows itself while it has the focus"
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")


def test_a_reader_of_the_screen_hears_names(page: Page) -> None:
    assert page.get_by_role("main").count() == 1
    assert page.locator("html").get_attribute("lang") == "en"
    for role, least in (("navigation", 1), ("img", 9), ("region", 8), ("table", 8)):
        names = page.get_by_role(role).evaluate_all(
            """found => found.map(element => element.getAttribute("aria-label")
                || document.getElementById(element.getAttribute("aria-labelledby"))?.textContent
                || element.caption?.textContent)"""
        )
        assert len(names) >= least, role
        assert all(names), role


def test_labels_ran_as_no_script(page: Page) -> None:
    assert page.evaluate("document.querySelectorAll('script').length") == 1
    assert "<script>alert(1)</script>" in column(page, 1)


def test_dark_mode_is_another_ground_with_readable_plots(page: Page) -> None:
    look = """() => {
        const of = element => getComputedStyle(element);
        const svg = document.querySelector("figure > svg");
        return [of(document.body).backgroundColor, of(svg.querySelector("path")).fill,
                of(svg.querySelector("text")).fill];
    }"""
    page.emulate_media(color_scheme="light")
    light = page.evaluate(look)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(look)
    page.emulate_media(color_scheme="light")
    assert light == ["rgb(244, 246, 248)", "rgb(255, 255, 255)", "rgb(87, 96, 106)"]
    assert dark == ["rgb(13, 16, 20)", "rgb(21, 25, 30)", "rgb(154, 164, 175)"]


def test_a_phone_scrolls_down_and_not_sideways(page: Page) -> None:
    page.set_viewport_size({"width": 375, "height": 800})
    page.evaluate("for (const box of document.querySelectorAll('details')) box.open = true")
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    smallest = page.evaluate(
        """() => Math.min(...[...document.querySelectorAll("figure > svg")].map(svg =>
            svg.getBoundingClientRect().width / svg.viewBox.baseVal.width * 8.5))"""
    )
    assert smallest >= 8.5, "pixels of the smallest text of a plot"
    page.set_viewport_size({"width": 1280, "height": 900})


def test_text_of_plots_stays_inside_them(page: Page) -> None:
    outside = page.evaluate(
        """() => [...document.querySelectorAll("figure > svg")].flatMap(svg => {
            const frame = svg.getBoundingClientRect();
            return [...svg.querySelectorAll("text")].filter(text => {
                const box = text.getBoundingClientRect();
                return box.left < frame.left - 1 || box.right > frame.right + 1
                    || box.top < frame.top - 1 || box.bottom > frame.bottom + 1;
            }).map(text => svg.id + ": " + text.textContent);
        })"""
    )
    assert outside == []
