"""Scripts that the theme writes into pages, moved into files: the studio's content security policy runs none in a page."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

FOLDER = "assets/javascripts/inline"
# What has a source is a file already; what has a type is no script but what scripts read.
INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def move_inline(site: Path) -> None:
    """Put each script of the built pages into a file named by its content, and lead the pages there.

    A script from a file runs where it stands, as one in the page does: what it does before the page shows is done as before.
    """
    folder = site / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for page in site.rglob("*.html"):
        here = os.path.relpath(folder, page.parent)
        text = page.read_text(encoding="utf-8")
        moved = INLINE.sub(lambda found, here=here: f'<script src="{here}/{_kept(folder, found[1])}"></script>', text)  # type: ignore[misc]
        if moved != text:
            page.write_text(moved, encoding="utf-8")


def _kept(folder: Path, script: str) -> str:
    name = f"{hashlib.sha256(script.encode()).hexdigest()[:16]}.js"
    (folder / name).write_text(script, encoding="utf-8")
    return name
