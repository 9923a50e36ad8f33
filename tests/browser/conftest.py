"""A real browser: Debian's Chromium by Playwright. A page that breaks the content security policy fails its test."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

CHROMIUM = os.environ.get("MOORING_CHROMIUM", "/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
# How long an action or an expectation may take on a machine that is busy: nothing waits longer than it must.
PATIENCE_MS = 30_000
SIZES = {"1440": (1440, 900), "390": (390, 844)}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start Chromium for the tests of a file: Playwright keeps an event loop in this thread, beside which no async test can run."""
    if not Path(CHROMIUM).exists():
        pytest.fail(f"there is no Chromium at {CHROMIUM}; set MOORING_CHROMIUM")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, headless=True)
        yield running
        running.close()


@pytest.fixture
def complaints() -> list[str]:
    """Hold what browsers complained about; a test that provokes a complaint on purpose clears it."""
    return []


@pytest.fixture
def new_context(browser: Browser, complaints: list[str]) -> Iterator[Callable[..., BrowserContext]]:
    """Make separate persons: contexts whose pages report broken policies and script errors."""
    made: list[BrowserContext] = []

    def make(**options: object) -> BrowserContext:
        context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **options})  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        context.on("console", lambda message: _listen(message, complaints))
        context.on("weberror", lambda error: complaints.append(f"script error: {error.error}"))
        made.append(context)
        return context

    yield make
    for context in made:
        context.close()
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def page(new_context: Callable[..., BrowserContext]) -> Page:
    """Open one page of a fresh person."""
    return new_context().new_page()


@pytest.fixture
def picture(request: pytest.FixtureRequest) -> Callable[[Page, str], None]:
    """Save a page's picture in both widths and both themes when MOORING_PICTURES names a folder, and check its width."""
    folder = os.environ.get("MOORING_PICTURES")

    def take(page: Page, name: str) -> None:
        before = page.viewport_size
        for width, (w, h) in SIZES.items():
            page.set_viewport_size({"width": w, "height": h})
            beyond = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert beyond <= 0, f"{name} is {beyond} px wider than a window of {width} px"
            for theme in ("light", "dark") if folder else ():
                page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
                page.screenshot(path=Path(folder or ".") / f"{name}-{width}-{theme}.png")
        page.emulate_media(color_scheme="light")
        if before:
            page.set_viewport_size(before)

    return take


def _listen(message: ConsoleMessage, complaints: list[str]) -> None:
    if "Content Security Policy" in message.text:
        complaints.append(f"{message.page.url if message.page else ''}: {message.text}")
