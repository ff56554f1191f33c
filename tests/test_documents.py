"""Documents name files, functions and sections that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
ABOUT_THE_PAST = REPOSITORY / "CHANGELOG.md"
DOCUMENTS = sorted({*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md")} - {ABOUT_THE_PAST})
FOLDERS = "datasets|models|bench|reports|experiments|docs|tests"
PATH = rf"(?<![\w./-])(?:{FOLDERS})/[\w./-]*[\w/](?![\w*<{{])"
LINK = r"\]\(([^)\s]+)\)"
EXAMPLES = {"datasets/amazon_beauty.py"}
"""Files that a reader is told to make."""


def name(document: Path) -> str:
    return str(document.relative_to(REPOSITORY))


def headings(document: Path) -> set[str]:
    """Anchors of a document's headings, as GitHub makes them."""
    found = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_paths_exist(document: Path) -> None:
    text = re.sub(LINK, "", document.read_text(encoding="utf-8"))
    named = set(re.findall(PATH, text)) - EXAMPLES
    gone = {path for path in named if not (REPOSITORY / path).exists()}
    assert not gone


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(LINK, document.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (document.parent / path) if path else document
        assert file.exists(), target
        assert not anchor or anchor in headings(file), target


def test_architecture_names_functions_that_are_there() -> None:
    text = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = re.findall(r"`([\w/]+\.py)`\s+`(\w+)`", text)
    assert len(named) >= 10
    for file, function in named:
        source = (REPOSITORY / file).read_text(encoding="utf-8")
        assert re.search(rf"^(def|class) {function}\b", source, re.MULTILINE), (file, function)
