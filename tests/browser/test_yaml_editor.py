"""The YAML editor: text comes and goes in every way of typing, and the page's policy on styles is never broken."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.studio_process import Studio

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

YAML = 'command: "echo hi" # note\nname: 12\nlist: [a, b]\n'


@pytest.fixture
def editor(new_context: Callable[..., BrowserContext], studio_alone: Studio) -> Page:
    """Open the YAML editor as the administrator."""
    page = new_context().new_page()
    page.goto(f"{studio_alone.url}/w/demo/jobs/-/new/?as=yaml")
    page.get_by_label("User name").fill(studio_alone.username)
    page.get_by_label("Password").fill(studio_alone.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile("as=yaml"))
    page.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(YAML)
    return page


def test_typing_over_what_is_selected_breaks_no_policy(editor: Page) -> None:
    editor.keyboard.press("Control+a")
    editor.keyboard.press("k")
    assert _text(editor) == "k"
    editor.keyboard.press("Control+z")
    assert _text(editor) == YAML
    editor.keyboard.press("Control+a")
    editor.keyboard.type("kind: 1")
    assert _text(editor) == "kind: 1"


def test_a_bracket_over_a_selection_goes_around_it(editor: Page) -> None:
    editor.keyboard.press("Control+Home")
    editor.keyboard.press("Shift+Control+ArrowRight")
    editor.keyboard.type("(")
    assert _text(editor).startswith("(command):")


def test_selections_over_lines_are_replaced_whole(editor: Page) -> None:
    editor.keyboard.press("Control+End")
    editor.keyboard.press("Shift+ArrowUp")
    editor.keyboard.press("Shift+ArrowUp")
    editor.keyboard.type("q: 1")
    assert _text(editor) == 'command: "echo hi" # note\nq: 1'
    editor.keyboard.press("Shift+Home")
    editor.keyboard.press("Backspace")
    editor.keyboard.type("r: 2")
    assert _text(editor) == 'command: "echo hi" # note\nr: 2'


def test_it_proposes_fields_and_values_and_marks_what_is_wrong(editor: Page) -> None:
    editor.keyboard.press("Control+a")
    editor.keyboard.insert_text("command: echo hi\nenvironment:\n  image: python:3.11\nimputs: {}\n")
    expect(editor.locator(".cm-lint-marker-error")).to_have_count(1)
    editor.keyboard.press("Control+End")
    editor.keyboard.type("disp")
    proposal = editor.locator(".cm-tooltip-autocomplete li").first
    expect(proposal).to_contain_text("display_name")
    # A proposal that has only just appeared is not taken by a key that was meant for the text.
    proposal.click()
    assert _text(editor).endswith("display_name: ")


def _text(page: Page) -> str:
    return str(page.locator("#id_yaml").input_value())
