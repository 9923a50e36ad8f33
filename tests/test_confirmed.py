"""Whatever loses something asks first and names it: every button of every page that an administrator who owns all can open."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from django.test import Client
from django.utils import timezone

from benchmarks.machine import ROOT
from studio.accounts.models import Membership, Workspace
from tests.access_table import TABLE
from tests.browser.test_pages import addresses
from tests.furnish import furnish

pytestmark = pytest.mark.django_db

LOSES = re.compile(
    r"(^|/)(delete|remove|revoke|withdraw|cancel|deactivate|archive|end|end-others|end-sessions|regenerate|rollback|roll-back|clear|leave|second-factor)/$"
)
LOSING = re.compile(r"delete|remove|revoke|withdraw|cancel|deactivate(?!d)|archive|end_|regenerate|roll-?back|clear|leave|second-factor")
# Restore is beside it, and nothing goes.
UNDONE = re.compile(r"/models/.*archive/$")
# Pages of their own that name what goes, with the button below: each has more to say than a dialog holds.
PAGES = re.compile(r"(/detach/|/extension/remove/|/jobs/-/bulk/|/2fa/.*)$")
class Buttons(HTMLParser):
    """The buttons that send a POST form, each with the form's address."""

    def __init__(self) -> None:
        super().__init__()
        self.form: dict[str, str | None] | None = None
        self.found: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self.form = given
        if tag == "button" and self.form and self.form.get("method") == "post" and given.get("type", "submit") == "submit":
            self.found.append((self.form.get("action") or "", {key: value or "" for key, value in given.items()}))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.form = None


def test_what_loses_something_asks_first_and_names_it(client: Client) -> None:
    people = furnish(timezone.now())["people"]
    admin = people["admin"]
    Membership.objects.update_or_create(user=admin, workspace=Workspace.objects.get(name="team"), defaults={"role": "owner"})
    client.force_login(admin)
    posts = [pattern for method, pattern in TABLE if method == "POST" and not pattern.startswith("api/")]
    losing = {pattern: _matcher(pattern) for pattern in posts if LOSES.search(pattern) and not UNDONE.search(pattern)}
    silent, seen = [], set()
    for path in [*addresses(), *_more()]:
        answer = client.get(path)
        if answer.status_code != 200 or answer.streaming or "text/html" not in answer.headers["Content-Type"]:
            continue
        parser = Buttons()
        parser.feed(answer.content.decode())
        for action, button in parser.found:
            pattern = next((name for name, fits in losing.items() if fits.fullmatch(action)), None)
            dangerous = "danger" in button.get("class", "").replace("btn-", "").split()
            if PAGES.search(path) or path == "/ops/design/" or not (pattern or dangerous):
                continue
            seen |= {pattern} if pattern else set()
            words = " ".join(button.get(f"data-confirm-{part}", "") for part in ("title", "text", "goes"))
            named = losing[pattern].fullmatch(action) if pattern else None
            names = [one for one in (named.groups() if named else ()) if not one.isdecimal()][-1:]
            if not button.get("data-confirm-title") or not button.get("data-confirm-verb") or not all(name in words for name in names):
                silent.append(f"{path}: {action} {button}")
    assert not silent, "\n".join(silent)
    assert len(seen) > 12, seen


def test_forms_of_templates_that_lose_something_ask_first() -> None:
    """Hold also what is shown in rare states: a session to end, a revision to go back to, failed tasks to clear."""
    silent, seen = [], 0
    for file in sorted((ROOT / "templates").rglob("*.html")):
        for form in re.findall(r"<form\b.*?</form>", file.read_text(), re.DOTALL):
            name = re.search(r'action="{% url "([^"]+)"', form)
            # Those of the second factor are pages of their own that ask.
            if not name or not LOSING.search(name[1]) or "mfa" in file.parts:
                continue
            seen += 1
            silent += [] if re.search(r"{% confirm |{{ [\w.]*confirm", form) else [f"{file.name}: {name[1]}"]
    assert not silent, silent
    assert seen > 12


def _more() -> list[str]:
    """Return pages whose rows are named otherwise than those of the walk."""
    from jobs.models import Job

    return [f"/w/team/jobs/{name}/" for name in Job.objects.values_list("name", flat=True)]


def _matcher(pattern: str) -> re.Pattern[str]:
    return re.compile("/" + re.sub(r"<[^>]+>", "([^/]+)", pattern))
