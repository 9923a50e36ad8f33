"""Pages stay true by themselves: one stream a browser however many tabs, and they say when they are not live."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, Request, expect

from tests.studio_process import Studio

pytestmark = [pytest.mark.browser, pytest.mark.cluster, pytest.mark.timeout(300)]

SLOW_MS = 60_000
YAML = "type: command\nenvironment: {image: 'python:3.11'}\ndisplay_name: %s\ncommand: sleep 1\n"


@pytest.fixture
def signed_in(new_context: Callable[..., BrowserContext], studio: Studio) -> BrowserContext:
    """Return a browser in which somebody is signed in."""
    context = new_context()
    page = context.new_page()
    page.goto(f"{studio.url}/w/demo/jobs/")
    page.get_by_label("User name").fill(studio.username)
    page.get_by_label("Password").fill(studio.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile(r"/w/demo/jobs/"))
    page.close()
    return context


def test_ten_tabs_share_one_stream_and_all_of_them_follow(signed_in: BrowserContext, studio: Studio) -> None:
    opened: set[Request] = set()

    def began(request: Request) -> None:
        if "/live/?" in request.url:
            opened.add(request)

    def over(request: Request) -> None:
        opened.discard(request)

    signed_in.on("request", began)
    signed_in.on("requestfinished", over)
    signed_in.on("requestfailed", over)
    tabs = [signed_in.new_page() for _ in range(10)]
    for tab in tabs:
        tab.goto(f"{studio.url}/w/demo/jobs/")
    for tab in tabs:
        expect(_dot(tab)).to_contain_text("Live", timeout=SLOW_MS)
    assert len(opened) == 1, [request.url for request in opened]
    job = studio.submit(YAML % "Seen by ten")
    for tab in tabs:
        row = tab.get_by_role("row").filter(has_text="Seen by ten")
        expect(row).to_contain_text("Completed", timeout=SLOW_MS)
    assert studio.ended(job.name).status == "Completed"
    assert len(opened) == 1, [request.url for request in opened]


def test_a_page_says_when_it_is_not_live_and_is_again(signed_in: BrowserContext, studio: Studio, complaints: list[str]) -> None:
    page = signed_in.new_page()
    page.goto(f"{studio.url}/w/demo/jobs/")
    expect(_dot(page)).to_contain_text("Live", timeout=SLOW_MS)
    web = studio.pid("web")
    assert web
    # Nobody starts it again before the page has noticed: on a quick machine it would be back too soon.
    os.kill(studio.process.pid, signal.SIGSTOP)
    try:
        os.kill(web, signal.SIGKILL)
        expect(_dot(page)).to_contain_text("Not live since", timeout=SLOW_MS)
    finally:
        os.kill(studio.process.pid, signal.SIGCONT)
    expect(_dot(page)).to_have_text(re.compile(r"^\s*Live\s*$"), timeout=SLOW_MS)
    studio.submit(YAML % "After the web came back")
    expect(page.get_by_role("row").filter(has_text="After the web came back")).to_be_visible(timeout=SLOW_MS)
    complaints.clear()


def _dot(page: Page) -> Locator:
    return page.locator("[data-live-dot]")
