"""How every page feels in a real browser: what moves by itself after it has shown, and how long a click or a key takes to be seen.

A furnished studio without a cluster; every page that an administrator can open, at both widths. The browser's own records are read:
`layout-shift` entries without an input before them, and `event` entries of clicks and keys, which end with the frame that shows what came of
them (https://web.dev/articles/cls, https://web.dev/articles/inp). Chromium draws in software.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Error, Page, sync_playwright

from benchmarks.furnished import Pages, furnished, redis
from benchmarks.live_logs import CHROMIUM, FLAGS
from benchmarks.studio import say

SIZES = {"1440": {"width": 1440, "height": 900}, "390": {"width": 390, "height": 844}}
SHIFT, INTERACTION_MS = 0.05, 200.0
# A busy machine only adds: what misses is looked at again, and the least counts.
ROUNDS = 3
MENUS = 8

WATCH = """
window.__feel = { shift: 0, moved: [], events: [] }
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) if (!one.hadRecentInput) {
    window.__feel.shift += one.value
    for (const { node } of one.sources) if (node) window.__feel.moved.push((node.outerHTML ?? node.textContent ?? '').slice(0, 120))
  }
}).observe({ type: 'layout-shift', buffered: true })
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) if (one.interactionId) window.__feel.events.push([one.duration, one.name])
}).observe({ type: 'event', durationThreshold: 16, buffered: true })
"""
# Two frames, and what the page does when it is idle; a page that is not in sight draws no frames.
SETTLED = """() => new Promise((done) => {
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 120)))
  setTimeout(done, 3000)
})"""


def run(*, quick: bool) -> dict[str, Any]:
    """Measure shift and interaction of each page at both widths."""
    from tests.page_addresses import addresses

    folder = Path(tempfile.mkdtemp(prefix="mooring-bench-"))
    (folder / "data").mkdir()
    try:
        with redis(folder) as redis_url, furnished(folder / "data", redis_url) as pages, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            try:
                paths = addresses()[::12] if quick else addresses()
                found = {path: of for path in paths if (of := _measured(browser.new_context, pages, path))}
            finally:
                browser.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return figures_of(found)


def figures_of(found: dict[str, dict[str, dict[str, Any]]]) -> dict[str, Any]:
    """Return the keys of this benchmark from what was measured of each page at each width."""
    rows = [(path, width, of) for path, sizes in found.items() for width, of in sizes.items()]
    shifts = max(rows, key=lambda row: row[2]["shift"])
    slowest = max(rows, key=lambda row: row[2]["interaction_ms"])
    return {
        "worst_shift": shifts[2]["shift"],
        "worst_interaction_ms": slowest[2]["interaction_ms"],
        "shifts_most": f"{shifts[0]} at {shifts[1]} px",
        "slowest": f"{slowest[0]} at {slowest[1]} px: {slowest[2]['by']}",
        "pages": len(found),
        "interactions": sum(of["interactions"] for _, _, of in rows),
        "missed": [f"{path} at {width} px" for path, width, of in rows if of["shift"] > SHIFT or of["interaction_ms"] >= INTERACTION_MS],
        "by_page": found,
    }


def _measured(new_context: Any, pages: Pages, path: str) -> dict[str, dict[str, Any]]:
    sizes: dict[str, dict[str, Any]] = {}
    for width, viewport in SIZES.items():
        for _ in range(ROUNDS):
            context = new_context(viewport=viewport)
            try:
                of = _once(context, pages, path)
            finally:
                context.close()
            if of is None:
                return {}
            before = sizes.get(width, of)
            sizes[width] = of | {"shift": min(of["shift"], before["shift"])}
            if before["interaction_ms"] < of["interaction_ms"]:
                sizes[width] |= {key: before[key] for key in ("interaction_ms", "by")}
            if sizes[width]["shift"] <= SHIFT and sizes[width]["interaction_ms"] < INTERACTION_MS:
                break
        say(f"{path} {width} px: shift {sizes[width]['shift']:.3f}, interaction {sizes[width]['interaction_ms']:.0f} ms {sizes[width]['by']}")
    return sizes


def _once(context: BrowserContext, pages: Pages, path: str) -> dict[str, Any] | None:
    """Open a page, let it settle, use what it has; None for what is no page."""
    context.add_cookies([pages.cookie("admin")])  # type: ignore[list-item]
    context.set_default_timeout(5_000)
    page = context.new_page()
    answer = page.request.get(pages.url + path, max_redirects=0)
    if answer.status != 200 or "text/html" not in answer.headers.get("content-type", "") or "<html" not in answer.text():
        return None
    page.add_init_script(WATCH)
    page.goto(pages.url + path, wait_until="load")
    page.wait_for_timeout(500)
    page.evaluate("() => window.scrollTo(0, document.body.scrollHeight)")
    page.evaluate(SETTLED)
    page.evaluate("() => window.scrollTo(0, 0)")
    page.evaluate(SETTLED)
    at_rest = page.evaluate("() => [window.__feel.shift, window.__feel.moved]")
    slowest, by, count = 0.0, "", 0
    # A click that leads to another page ends the look at this one.
    with contextlib.suppress(Error):
        for what in _used(page):
            page.evaluate(SETTLED)
            count += 1
            took = max((float(each[0]) for each in page.evaluate("() => window.__feel.events.splice(0)")), default=0.0)
            if took > slowest:
                slowest, by = took, what
    shift, moved = float(at_rest[0]), at_rest[1]
    if page.url.startswith(pages.url + path):
        with contextlib.suppress(Error):
            shift, moved = page.evaluate("() => [window.__feel.shift, window.__feel.moved]")
    # A browser told to close the page within 100 ms of the last click sometimes never does.
    page.wait_for_timeout(300)
    moved = moved[:3] if shift > SHIFT else []
    return {"shift": round(shift, 4), "interaction_ms": slowest, "by": by, "interactions": count, **({"moved": moved} if moved else {})}


def _used(page: Page) -> Iterator[str]:
    """Use what a page has, one after another: menus and folded parts, the palette, keys, the theme, search, a filter; say what it was."""
    menus = page.locator("summary:visible")
    for index in range(min(menus.count(), MENUS)):
        menu = menus.nth(index)
        words = " ".join((menu.inner_text() or menu.get_attribute("aria-label") or "").split())[:40]
        if _done(menu.click):
            yield f"menu {words}"
            page.keyboard.press("Escape")
            if menu.evaluate("(one) => one.parentElement.open"):
                _done(menu.click)
            yield f"menu {words} closed"
    for selector, what in (("button[popovertarget='sidebar']", "side bar"), ("[data-keys-help]", "keys"), ("[data-theme-to].chosen", "theme")):
        if _done(page.locator(f"{selector} >> visible=true").first.click):
            yield what
            page.keyboard.press("Escape")
            yield f"{what} closed"
    palette = page.locator("[data-palette]:visible")
    if palette.count():
        page.keyboard.press("Control+k")
        yield "palette"
        for letter in "flo":
            page.keyboard.press(letter)
            yield f"palette: {letter}"
        page.keyboard.press("ArrowDown")
        yield "palette: down"
        page.keyboard.press("Escape")
        yield "palette closed"
    search = page.locator("main input[type=search]:visible")
    if search.count() and _done(search.first.click):
        yield "search"
        page.keyboard.press("f")
        yield "search: f"
    tab = page.locator("main [role=tab]:visible, main .tabs a:visible, main .nav-tabs a:visible, main .chips a:visible")
    if tab.count() > 1:
        # A whole click, from which a link does not lead away: a page that is left takes its records along, and only a press that is let go counts.
        page.evaluate("() => addEventListener('click', (one) => one.preventDefault(), { capture: true, once: true })")
        if _done(tab.nth(1).click):
            yield "tab"


def _done(click: Any) -> bool:
    """Click, unless something is in the way: that is no matter of how quick a page is."""
    try:
        click(timeout=1500)
    except Error:
        return False
    return True
