"""The pictures of the guides (docs/images) are taken from the pages: with MOORING_GUIDE_PICTURES=1 they are written anew."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from benchmarks.machine import ROOT
from tests.browser.pages import Pages, pages

__all__ = ["pages"]
pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

IMAGES = ROOT / "docs" / "images"
LARGEST = 200_000
# The picture, whose page it is, its address, what must be seen on it.
GUIDES = (
    ("cluster", "operator", "/ops/clusters/gpu-a/", "Overview"),
    ("cluster-attach", "operator", "/ops/clusters/attach/", "kubeconfig"),
    ("instance-types", "operator", "/ops/clusters/gpu-a/instance-types/", "small"),
    ("extension", "operator", "/ops/clusters/gpu-a/extension/", "Router"),
    ("people", "admin", "/ops/access/users/", "the-reader"),
    ("audit", "operator", "/ops/audit/", "Who"),
    ("jobs-filtered", "contributor", "/w/team/jobs/?state=Completed&state=Failed&sort=-started", "Completed"),
    ("palette", "contributor", "/w/team/", "flowers"),
)


def test_every_picture_of_the_guides_can_be_taken_and_is_small(
    new_context: Callable[..., BrowserContext], pages: Pages, tmp_path: Path
) -> None:
    folder = IMAGES if os.environ.get("MOORING_GUIDE_PICTURES") else tmp_path
    wrong = []
    for name, who, path, seen in GUIDES:
        context = new_context(viewport={"width": 1200, "height": 750}, reduced_motion="reduce", color_scheme="light")
        context.add_cookies([pages.cookie(who)])  # type: ignore[list-item]
        page = context.new_page()
        page.goto(pages.url + path)
        if name == "palette":
            _searched(page)
        expect(page.locator("body")).to_contain_text(re.compile(seen, re.IGNORECASE))
        page.screenshot(path=folder / f"{name}.png", animations="disabled")
        wrong += [f"{name}: {size} bytes"] if (size := (folder / f"{name}.png").stat().st_size) > LARGEST else []
        context.close()
    assert wrong == []


def _searched(page: Page) -> None:
    page.keyboard.press("Control+k")
    page.get_by_role("combobox").press_sequentially("flowers")
    expect(page.get_by_role("option", name=re.compile("flowers", re.IGNORECASE)).first).to_be_visible(timeout=20_000)
