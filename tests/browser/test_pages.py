"""Every page that a person can open: nothing serious for axe at both widths and in both themes, no broken policy, never too wide."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from benchmarks.machine import ROOT
from tests.browser.looks import Looks
from tests.browser.pages import Pages, pages
from tests.page_addresses import addresses

__all__ = ["pages"]
pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

AXE = (ROOT / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
# Wide ones have their structure looked at in light, narrow ones in dark; colours in all four.
LOOKS = (((1440, 900), "light", "all"), ((1440, 900), "dark", "colours"), ((390, 844), "dark", "all"), ((390, 844), "light", "colours"))
RUN = """async (what) => {
  const options = what === 'colours' ? { runOnly: { type: 'rule', values: ['color-contrast'] } } : {}
  // What a resize leads to (a box that now scrolls takes the focus) is there a frame later, and on a busy machine that frame is late.
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))
  // Colours that are still on their way are nobody's colours.
  await Promise.allSettled(document.getAnimations().filter((one) => one.effect?.getComputedTiming().iterations !== Infinity).map((one) => one.finished))
  const { violations } = await axe.run(document, { ...options, resultTypes: ['violations'] })
  return violations.filter((one) => ['serious', 'critical'].includes(one.impact))
    .map((one) => `${one.id}: ${one.help}: ${one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(' ¦ ')}`)
}"""

# A table that is wider than its frame scrolls in it.
STICKS_OUT = """() => [...document.querySelectorAll('.table-wrap')]
  .filter((box) => getComputedStyle(box).overflowX === 'visible' && box.scrollWidth > box.clientWidth + 1)
  .map((box) => `${box.querySelector('table')?.className} by ${box.scrollWidth - box.clientWidth} px`)"""


def test_every_page_is_right_at_both_widths_and_in_both_themes(new_context: Callable[..., BrowserContext], pages: Pages, tmp_path: Path) -> None:
    # The browser's own protection from scripts that are put in stays on: axe goes in by the debugger, not by the page.
    context = new_context(reduced_motion="reduce")
    context.add_cookies([pages.cookie("admin")])  # type: ignore[list-item]
    page = context.new_page()
    looks = Looks(tmp_path)
    wrong: list[str] = []
    seen = 0
    for path in addresses():
        answer = page.request.get(pages.url + path, max_redirects=0)
        if answer.status >= 500:
            wrong.append(f"{path}: {answer.status}")
        if answer.status != 200 or "text/html" not in answer.headers.get("content-type", "") or "<html" not in answer.text():
            continue
        seen += 1
        page.set_viewport_size({"width": 1440, "height": 900})
        page.emulate_media(color_scheme="light")
        page.goto(pages.url + path, wait_until="load")
        page.evaluate(AXE)
        for (width, height), theme, what in LOOKS:
            page.set_viewport_size({"width": width, "height": height})
            page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
            wrong += [f"{path} at {width} px, {theme}: {one}" for one in page.evaluate(RUN, what)]
            beyond = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
            wrong += [f"{path} is {beyond} px wider than {width} px"] if beyond > 0 else []
            wrong += [f"{path} at {width} px: {one} sticks out of its frame" for one in page.evaluate(STICKS_OUT)]
            if what == "all":
                looks.keep(page, f"{path.strip('/').replace('/', '-') or 'home'}-{width}-{theme}")
    looks.report()
    assert seen > 40, seen
    assert not wrong, "\n".join(wrong)


def test_the_palette_is_used_by_keys_alone_and_on_a_phone(new_context: Callable[..., BrowserContext], pages: Pages) -> None:
    page = _signed_in(new_context(), pages, "contributor")
    page.goto(f"{pages.url}/w/team/")
    page.keyboard.press("Control+k")
    field = page.get_by_role("combobox")
    expect(field).to_be_focused()
    expect(page.get_by_role("option", name="Submit job", exact=True)).to_be_visible(timeout=20_000)
    field.press_sequentially("baseline")
    chosen = page.get_by_role("option", name=re.compile("^Baseline"))
    expect(chosen).to_have_attribute("aria-selected", "true")
    assert field.get_attribute("aria-activedescendant") == chosen.get_attribute("id")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/jobs/calm_otter_3/"))
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{pages.url}/w/team/")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("option", name=re.compile("^Baseline"))).to_be_visible(timeout=20_000)  # what was looked at last
    page.get_by_role("combobox").fill("dark")
    page.get_by_role("option", name="Theme: dark").click()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")  # from the server: no flash


def test_a_list_is_used_by_keys_alone_and_on_a_phone(new_context: Callable[..., BrowserContext], pages: Pages) -> None:
    page = _signed_in(new_context(), pages, "contributor")
    page.goto(f"{pages.url}/w/team/jobs/?sort=name&density=dense")
    rows, bar = page.locator("#rows tr"), page.locator("[data-bulk]")
    for key in "jjkx":
        page.keyboard.press(key)
    expect(rows.first).to_be_focused()
    expect(bar).to_contain_text("1 chosen")
    page.keyboard.press("/")
    page.keyboard.type("baseline")
    expect(page).to_have_url(re.compile("q=baseline"))
    expect(rows).to_have_count(1)
    # What was asked from a menu by keys leads back to the menu's button.
    page.keyboard.press("Escape")
    more = rows.first.locator("summary")
    more.press("Enter")
    more.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.locator("#confirm")).to_contain_text("Job calm_otter_3")
    page.keyboard.press("Escape")
    expect(more).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/jobs/calm_otter_3/"))
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{pages.url}/w/team/jobs/?density=dense")
    rows.nth(1).get_by_role("checkbox").check()
    expect(bar).to_contain_text("1 chosen")
    # Close together, nothing of a card lies over what follows.
    assert page.evaluate("() => [...document.querySelectorAll('#rows td')].filter((one) => one.scrollHeight > one.clientHeight + 2).length") == 0
    page.locator(".columns-menu summary").click()
    expect(page.get_by_role("button", name="Show these")).to_be_in_viewport(ratio=1)


def test_pages_are_read_and_forms_sent_without_scripts(new_context: Callable[..., BrowserContext], pages: Pages) -> None:
    page = _signed_in(new_context(java_script_enabled=False), pages, "contributor")
    page.goto(f"{pages.url}/w/team/jobs/?show=failed")
    page.get_by_role("link", name="Evaluate on the hold-out set").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Evaluate on the hold-out set")
    page.get_by_role("link", name="Search").click()
    page.get_by_role("searchbox").or_(page.get_by_placeholder("A name, an experiment, a page")).first.fill("flowers")
    page.get_by_role("button", name="Search").last.click()
    expect(page.get_by_role("link", name="Baseline")).to_be_visible()
    page.goto(f"{pages.url}/notifications/settings/")
    page.get_by_label("A job of yours completed: by the browser").uncheck()
    page.get_by_role("button", name="Keep").click()
    expect(page.get_by_label("A job of yours completed: by the browser")).not_to_be_checked()
    page.goto(f"{pages.url}/w/team/jobs/-/new/")
    page.get_by_label("Command", exact=True).fill(" ")
    page.get_by_role("button", name="Submit job").click()
    expect(page.get_by_text("Nothing was sent")).to_be_visible()


def test_the_documentation_is_searched_and_problems_lead_to_their_pages(new_context: Callable[..., BrowserContext], pages: Pages) -> None:
    context = new_context()
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = _signed_in(context, pages, "reader")
    page.goto(f"{pages.url}/w/team/jobs/no-such-job/")
    page.get_by_role("link", name="not-found").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Not found")
    page.get_by_role("textbox", name="Search").fill("exec plugin")
    page.locator(".md-search-result__link").first.click()
    expect(page).to_have_url(re.compile("/docs/problems/kubeconfig-"))
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert [url for url in asked if not url.startswith((pages.url, "data:", "blob:"))] == []


def test_what_is_not_there_is_said_with_the_requests_id(new_context: Callable[..., BrowserContext], pages: Pages) -> None:
    page = _signed_in(new_context(), pages, "reader")
    for path in ("/w/team/jobs/no-such-job/", "/w/team/jobs/-/new/", "/ops/"):
        answer = page.goto(pages.url + path)
        assert answer and answer.headers["x-request-id"] in page.content(), path


def _signed_in(context: BrowserContext, pages: Pages, who: str) -> Page:
    cookie: Any = pages.cookie(who)
    context.add_cookies([cookie])
    return context.new_page()
