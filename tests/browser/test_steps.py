"""Long forms in steps: by keys, with what is wrong shown on its step, on a phone, and whole without scripts."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.pages import Pages, pages

__all__ = ["pages"]
pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


def _opened(context: BrowserContext, pages: Pages, who: str, path: str) -> Page:
    context.add_cookies([pages.cookie(who)])  # type: ignore[list-item]
    page = context.new_page()
    page.goto(pages.url + path)
    return page


def test_a_job_is_written_step_by_step_and_what_is_wrong_leads_to_its_step(new_context: Callable[..., BrowserContext], pages: Pages) -> None:
    page = _opened(new_context(), pages, "contributor", "/w/team/jobs/-/new/")
    bar = page.get_by_role("navigation", name="Steps")
    expect(page.get_by_label("Command", exact=True)).to_be_focused()
    expect(page.locator("#id_time_limit")).to_be_hidden()
    # What the browser itself refuses opens the step on which it stands.
    bar.get_by_role("link", name="Review").click()
    expect(page.locator("#step-review").get_by_role("link", name="Command")).to_be_visible()
    page.get_by_role("button", name="Submit job").click()
    expect(page.get_by_label("Command", exact=True)).to_be_focused()
    page.get_by_label("Command", exact=True).fill("python train.py")
    page.get_by_role("button", name="Next: Where it runs").press("Enter")
    expect(page.locator("#step-where legend")).to_be_focused()
    expect(page).to_have_url(re.compile("#step-where$"))
    page.locator("#id_time_limit").fill("soon")
    page.keyboard.press("Enter")
    expect(page.locator("#step-given legend")).to_be_focused()
    # The browser's Back leads to the step before, with what was typed.
    page.go_back()
    expect(page.locator("#id_time_limit")).to_have_value("soon")
    expect(page.locator(".yaml-beside")).to_contain_text("timeout: soon")
    page.get_by_role("button", name="Review", exact=True).click()
    review = page.locator("#step-review")
    expect(review).to_contain_text("python train.py")
    expect(review).to_contain_text("soon")
    page.get_by_role("button", name="Submit job").click()
    # The server's refusal opens the step of the field, and its link leads there from any other.
    expect(page.locator("#field_time_limit .problem")).to_be_visible()
    expect(bar.get_by_role("link", name=re.compile(r"Where it runs \(1 problem\)"))).to_have_attribute("aria-current", "step")
    bar.get_by_role("link", name="What runs").click()
    expect(page.get_by_label("Command", exact=True)).to_have_value("python train.py")
    page.get_by_role("alert").get_by_role("link", name="Time limit").click()
    expect(page.locator("#id_time_limit")).to_be_focused()


def test_on_a_phone_the_bar_stands_above_the_step(new_context: Callable[..., BrowserContext], pages: Pages) -> None:
    page = _opened(new_context(viewport={"width": 390, "height": 844}), pages, "operator", "/ops/clusters/gpu-a/extension/")
    for title, name in (("Router", "router"), ("Where it runs", "nodes")):
        page.get_by_role("button", name=f"Next: {title}").click()
        expect(page.locator(f"#step-{name} legend")).to_be_focused()
        assert page.evaluate("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    expect(page.get_by_role("button", name="Review changes")).to_be_visible()


def test_without_scripts_it_is_one_long_form(new_context: Callable[..., BrowserContext], pages: Pages) -> None:
    page = _opened(new_context(java_script_enabled=False), pages, "operator", "/ops/clusters/attach/")
    expect(page.get_by_label("Name")).to_be_visible()
    expect(page.locator("#id_kubeconfig")).to_be_visible()
    page.get_by_label("Name").fill("gpu-z")
    page.locator("#id_kubeconfig").fill("no kubeconfig")
    page.get_by_role("button", name="Check and attach").click()
    expect(page.locator("#field_kubeconfig .problem, .note.tone-wrong").first).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value("gpu-z")
