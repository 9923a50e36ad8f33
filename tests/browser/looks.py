"""How each page looked when it was last taken: its outline for the ear, and its picture; a difference is shown and fails nothing.

Fonts and rendering differ from machine to machine, so that what is compared with is kept in the cache of the machine that ran the tests
before (MOORING_LOOKS names another folder), never in the repository: docs/decisions/0006-looks-of-pages.md.
"""

from __future__ import annotations

import base64
import os
import warnings
from pathlib import Path

from playwright.sync_api import Page

# A picture counts as changed when more than this share of its points differ by more than a little.
SHARE = 0.002
STILL = """() => {
  for (const time of document.querySelectorAll('time')) time.textContent = 'then'
  for (const dot of document.querySelectorAll('[data-live-dot], #toasts')) dot.hidden = true
}"""
COMPARE = """async ([one, other]) => {
  const load = async (data) => createImageBitmap(await (await fetch(`data:image/png;base64,${data}`)).blob())
  const [a, b] = [await load(one), await load(other)]
  if (a.width !== b.width || a.height !== b.height) return 1
  const points = (image) => {
    const canvas = new OffscreenCanvas(image.width, image.height)
    const context = canvas.getContext('2d')
    context.drawImage(image, 0, 0)
    return context.getImageData(0, 0, image.width, image.height).data
  }
  const [x, y] = [points(a), points(b)]
  let differ = 0
  for (let i = 0; i < x.length; i += 4) if (Math.abs(x[i] - y[i]) + Math.abs(x[i + 1] - y[i + 1]) + Math.abs(x[i + 2] - y[i + 2]) > 48) differ += 1
  return differ / (x.length / 4)
}"""


class Looks:
    """The looks of this run beside those of the run before."""

    def __init__(self, folder: Path) -> None:
        cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        self.before = Path(os.environ.get("MOORING_LOOKS") or Path(cache) / "mooring" / "looks")
        self.before.mkdir(parents=True, exist_ok=True)
        self.now = folder
        self.changed: list[str] = []

    def keep(self, page: Page, name: str) -> None:
        """Take the page's outline and picture, compare them with the last ones, and put these in their place."""
        page.evaluate(STILL)
        outline = page.locator("body").aria_snapshot()
        picture = page.screenshot(animations="disabled")
        kept_outline, kept_picture = self.before / f"{name}.yml", self.before / f"{name}.png"
        said = []
        if kept_outline.exists() and kept_outline.read_text(encoding="utf-8") != outline:
            said.append("outline")
        if kept_picture.exists() and kept_picture.read_bytes() != picture:
            share = self._share(page, kept_picture.read_bytes(), picture)
            said += [f"{share:.1%} of the picture"] if share > SHARE else []
        if said:
            self.changed.append(f"{name}: {' and '.join(said)}")
            for kept in (kept_outline, kept_picture):
                kept.rename(self.before / f"{kept.stem}.before{kept.suffix}")
        kept_outline.write_text(outline, encoding="utf-8")
        kept_picture.write_bytes(picture)

    def report(self) -> None:
        """Say which pages look otherwise than before, and where both looks are."""
        if self.changed:
            told = "\n  ".join(self.changed)
            warnings.warn(f"{len(self.changed)} pages look otherwise than before; both looks are in {self.before}:\n  {told}", stacklevel=2)

    def _share(self, page: Page, one: bytes, other: bytes) -> float:
        blank = page.context.new_page()
        try:
            blank.goto("about:blank")
            return float(blank.evaluate(COMPARE, [base64.b64encode(picture).decode() for picture in (one, other)]))
        finally:
            blank.close()
