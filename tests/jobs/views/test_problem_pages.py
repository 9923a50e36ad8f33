"""Each problem of jobs, their YAML, files and the core has a page that explains it."""

from __future__ import annotations

from pathlib import Path

import pytest

import jobs.problems
import studio.assets.problems
import studio.core.problems  # noqa: F401
from jobs.spec.problems import TITLES
from studio.core.problems import CATALOGUE

PAGES = Path(__file__).parents[3] / "docs" / "problems"
KNOWN = {id: problem.title for id, problem in CATALOGUE.items() if id.startswith(("job-", "archive-", "blob-", "tree-"))} | TITLES


@pytest.mark.parametrize("id", sorted(KNOWN))
def test_it_has_a_page_with_its_title_and_what_to_do(id: str) -> None:
    text = (PAGES / f"{id}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {KNOWN[id]}\n\n`{id}`\n")
    assert "## What it means" in text and "## What to do" in text
