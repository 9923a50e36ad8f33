"""The documentation is served to who is signed in: each problem's address leads to its page, and each page to its guide."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client

from studio.core.errors import ProblemError
from studio.core.problems import CATALOGUE
from studio.frame.documentation import GUIDES, help_for
from tests.access_table import TABLE
from tests.conftest import People

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module", autouse=True)
def _built() -> None:
    """Build the pages as the set-up does: a moment when they are there."""
    subprocess.run(["bash", str(ROOT / "setup" / "docs.sh")], check=True, timeout=240)


@pytest.fixture
def reader(people: People, client_for: Callable[..., Client]) -> Client:
    return client_for(people.reader)


def test_every_problems_type_leads_to_its_page(reader: Client) -> None:
    types = {id: ProblemError(id).as_dict()["type"] for id in CATALOGUE}
    answers = {id: reader.get(address) for id, address in types.items()}
    assert [id for id, answer in answers.items() if answer.status_code != 200 or f"<code>{id}</code>" not in answer.content.decode()] == []


def test_every_page_of_the_studio_has_a_guide_that_is_there(reader: Client) -> None:
    pages = {"/" + re.sub(r"<[^>]+>", "x", pattern) for method, pattern in TABLE if method == "GET"}
    for guide in {help_for(page) for page in pages}:
        assert reader.get(guide).status_code == 200, guide
    assert {guide for _, guide in GUIDES} <= {help_for(page).removeprefix("/docs/") for page in pages}
    assert help_for("/w/team/jobs/calm_otter_1/log/") == "/docs/users/jobs"
    assert help_for("/ops/clusters/gpu-a/extension/") == "/docs/operators/extension"
    assert 'href="/docs/users/jobs"' in reader.get("/w/team/jobs/").content.decode()


def test_a_page_loads_nothing_that_the_policy_forbids(reader: Client) -> None:
    for address in ("/docs/", "/docs/problems/not-found", "/docs/reference/cli.html"):
        answer = reader.get(address)
        page = answer.content.decode()
        assert "'unsafe-inline'" not in answer["Content-Security-Policy"]
        assert not re.search(r"<script>|<style|\sstyle=|\son\w+=", re.sub(r"<code>.*?</code>", "", page, flags=re.DOTALL)), address
        here = address.rsplit("/", 1)[0]
        for found in re.findall(r'<(?:script[^>]*\ssrc|link[^>]*rel="stylesheet"[^>]*\shref)="([^"]+)"', page):
            assert reader.get(f"{here}/{found}").status_code == 200, found


def test_what_is_asked_for_again_is_not_sent_again(reader: Client) -> None:
    first = reader.get("/docs/", headers={"accept-encoding": "gzip"})
    assert first["Content-Encoding"] == "gzip" and first["Cache-Control"] == "private, no-cache"
    assert reader.get("/docs/", headers={"if-none-match": first["ETag"]}).status_code == 304


@pytest.mark.parametrize("page", ["../../manage.py", "..%2f..%2fmanage.py", "/etc/passwd", ".made-from", "assets", "x" * 500, "a%00b", "404.html"])
def test_nothing_but_the_documentation_is_served(reader: Client, page: str) -> None:
    assert reader.get(f"/docs/{page}").status_code == 404


def test_who_is_not_signed_in_gets_none_of_it(client_for: Callable[..., Client]) -> None:
    answer = client_for(None).get("/docs/problems/not-found")
    assert answer.status_code == 302 and answer["Location"] == "/accounts/login/?next=/docs/problems/not-found"


def test_pages_that_were_not_built_are_a_problem_with_a_next_step(reader: Client, settings: object, tmp_path: Path) -> None:
    settings.DOCUMENTATION = tmp_path  # type: ignore[attr-defined]
    answer = reader.get("/docs/")
    assert answer.status_code == 503 and b"make docs" in answer.content
