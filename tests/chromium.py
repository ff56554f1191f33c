"""A real browser for tests, from the system's packages."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

EXECUTABLE = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
PATIENCE = 120_000.0
"""Milliseconds: a busy machine is no fault of the page."""

needs_chromium = pytest.mark.skipif(
    EXECUTABLE is None, reason="no chromium, chromium-browser or google-chrome on PATH"
)


@contextmanager
def launched() -> Iterator[Browser]:
    """The browser, closed at the end."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=EXECUTABLE, args=ARGUMENTS, timeout=PATIENCE
        )
        yield browser
        browser.close()
