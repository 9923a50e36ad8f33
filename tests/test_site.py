"""The documentation is built as a site: every link leads somewhere, and nothing in it comes from another host."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.slow


def built(folder: Path, docs: Path = ROOT / "docs") -> subprocess.CompletedProcess[str]:
    """Build the site as `make docs` does, into a folder."""
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").replace("docs_dir: docs", f"docs_dir: {docs}")
    file = folder / "mkdocs.yml"
    file.write_text(settings.replace("hooks: [docs_site", f"hooks: [{ROOT}/docs_site"), encoding="utf-8")
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "MOORING_DATA": str(folder / "data"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "mkdocs", "build", "-f", str(file), "-d", str(folder / "site")]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)


def test_the_site_is_built_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    done = built(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    site = tmp_path / "site"
    for name in ("index", "users/start", "operators/clusters", "reference/cli", "reference/api", "reference/python", "problems/index"):
        assert (site / f"{name}.html").is_file(), name
    assert "mooring job create" in (site / "reference" / "cli.html").read_text(encoding="utf-8")
    loaded = r"""(?:<script[^>]*\ssrc|<link[^>]*rel="stylesheet"[^>]*\shref|<img[^>]*\ssrc)="(https?:)?//"""
    assert [page.name for page in site.rglob("*.html") if re.search(loaded, page.read_text(encoding="utf-8"))] == []


def test_a_link_that_leads_nowhere_fails_the_build(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "README.md").write_text("# Documentation\n\n[nowhere](users/nowhere.md)\n")
    done = built(tmp_path, docs)
    assert done.returncode != 0 and "nowhere.md" in done.stdout + done.stderr
