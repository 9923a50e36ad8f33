"""The extension in the browser: settings refused at their fields, installed live, a change reviewed, gone back from, removed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.cluster.extension import clear_extension, forget_certificate
from tests.studio_process import Studio

pytestmark = [pytest.mark.browser, pytest.mark.cluster, pytest.mark.timeout(600)]


@pytest.fixture(autouse=True)
def nothing_there(studio: Studio, tmp_path: Path) -> Iterator[None]:
    """Begin and end without the extension."""
    clear_extension(studio, tmp_path)
    forget_certificate(studio)
    yield
    clear_extension(studio, tmp_path)


@pytest.fixture
def person(new_context: Callable[..., BrowserContext], studio: Studio) -> Page:
    """Sign in as an operator, on the page of the extension."""
    page = new_context().new_page()
    page.goto(f"{studio.url}/ops/clusters/{studio.cluster}/extension/")
    page.get_by_label("User name").fill(studio.username)
    page.get_by_label("Password").fill(studio.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile(r"/extension/"))
    return page


def test_it_is_installed_changed_gone_back_from_and_removed_on_its_page(
    person: Page, studio: Studio, picture: Callable[[Page, str], None]
) -> None:
    page = person
    expect(page.get_by_role("heading", name="Nothing installed")).to_be_visible()
    picture(page, "extension-empty")

    # One node is not enough for three Envoys, and there is no certificate: both are told at once, each at its field.
    # The form begins with what was wanted last.
    step(page, "Router")
    page.get_by_label("inferenceRouterHA").check()
    page.get_by_label("allowInsecureConnections").uncheck()
    page.get_by_text("nodePort: a port on every node").click()
    page.get_by_label("sslCname").fill("router.mooring.example")
    step(page, "Review")
    expect(page.locator("#field_inferenceRouterHA .problem")).to_contain_text("3 nodes")
    expect(page.locator("#field_sslSecret .problem")).to_contain_text("no certificate")
    picture(page, "extension-refused")

    page.get_by_label("sslCname").fill("")
    page.get_by_label("inferenceRouterHA").uncheck()
    page.get_by_label("allowInsecureConnections").check()
    step(page, "Where it runs")
    page.get_by_role("button", name="Review installation").click()
    expect(page.get_by_role("row").filter(has_text="inferenceRouterServiceType")).to_contain_text("nodePort")
    page.get_by_role("button", name="Install extension").click()
    expect(page.locator("#live .card-head .state").first).to_have_text("Installing")
    # Live: objects come one by one, with what each waits for, and the address when it is known.
    expect(page.locator("#objects")).to_contain_text("mooring-router", timeout=90_000)
    picture(page, "extension-installing")
    expect(page.locator("#live .card-head .state").first).to_have_text("Ready", timeout=180_000)
    expect(page.locator("#live")).to_contain_text("http://")
    expect(page.locator("#live")).to_contain_text("Plain HTTP")
    picture(page, "extension-ready")

    page.reload()
    step(page, "Router")
    page.get_by_text("clusterIP: inside the cluster only").click()
    step(page, "Review")
    row = page.get_by_role("row").filter(has_text="inferenceRouterServiceType")
    expect(row).to_contain_text("nodePort")
    expect(row).to_contain_text("clusterIP")
    picture(page, "extension-review")
    page.get_by_role("button", name="Apply changes").click()
    expect(page.locator("#live .card-head .state").first).to_have_text("Ready", timeout=180_000)
    expect(page.locator("#live")).to_contain_text("It answers only inside the cluster.")

    first = page.locator("#revisions tbody tr").filter(has_not_text="removed").last.get_by_role("link")
    first.click()
    expect(page.locator("pre.difference")).to_contain_text("type: NodePort")
    picture(page, "extension-revision")
    page.get_by_role("button", name="Roll back to this").click()
    page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    expect(page).to_have_url(re.compile(r"/extension/$"))
    expect(page.locator("#live .card-head .state").first).to_have_text("Ready", timeout=180_000)
    expect(page.locator("#live")).to_contain_text("http://")

    page.get_by_role("link", name="Remove").click()
    picture(page, "extension-remove")
    page.get_by_role("button", name="Remove extension").click()
    expect(page.locator("#live .card-head .state").first).to_have_text("Not installed", timeout=120_000)


def step(page: Page, title: str) -> None:
    """Go to a step of the form; the last one is the server's answer."""
    page.get_by_role("navigation", name="Steps").get_by_role("link", name=title).click()
