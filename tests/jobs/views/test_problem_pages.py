"""Each problem of jobs, their YAML, files and the core has a page that explains it."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs import problems as of_jobs
from jobs.spec.problems import TITLES
from studio.assets import problems as of_files
from studio.core.problems import CATALOGUE

# Importing them puts their problems into the catalogue.
assert of_jobs and of_files

PAGES = Path(__file__).parents[3] / "docs" / "problems"
KNOWN = {id: problem.title for id, problem in CATALOGUE.items() if id.startswith(("job-", "archive-", "blob-", "tree-"))} | TITLES


@pytest.mark.parametrize("id", sorted(KNOWN))
def test_it_has_a_page_with_its_title_and_what_to_do(id: str) -> None:
    text = (PAGES / f"{id}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {KNOWN[id]}\n\n`{id}`\n")
    assert "**What to do.**" in text
