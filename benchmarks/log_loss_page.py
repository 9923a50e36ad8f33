"""The page of one log in a real browser, open from the first line to the last whatever is killed meanwhile."""

from __future__ import annotations

import time
from typing import Any

from playwright.sync_api import Page

from benchmarks.live_logs import HARVEST
from benchmarks.log_loss_lines import Wrong, host_of, wrong_with
from benchmarks.studio import WORKSPACE, NotMeasuredError, Studio, say

CATCH_UP_SECONDS = 180
# Longer than the page waits before it asks again for what its stream may have missed: what comes twice would come now.
QUIET_SECONDS = 12
# So that fewer screens hold the log when it is read to its end.
TALL = 3000

# Each line that is put into the document must be the one of its place, at any time.
OBSERVE = r"""
(pod) => {
  const seen = (window.benchSeen = { drawn: 0, wrong: 0, first: [] })
  const note = (row) => {
    if (!row.dataset || row.dataset.line === undefined) return
    const match = /^(\d{8}) (\S+) x*$/.exec(row.lastElementChild ? row.lastElementChild.textContent : '')
    if (!match) return
    seen.drawn += 1
    if (Number(match[1]) === Number(row.dataset.line) && match[2] === pod) return
    seen.wrong += 1
    if (seen.first.length < 5) seen.first.push([row.dataset.line, match[0].slice(0, 60)])
  }
  const box = document.querySelector('[data-log-lines]')
  for (const row of box.children) note(row)
  new MutationObserver((changes) => { for (const change of changes) for (const row of change.addedNodes) note(row) })
    .observe(box, { childList: true })
}
"""
LINES = "() => Number(document.querySelector('[data-log]').dataset.lines ?? 0)"


class OpenLog:
    """A log's page that is opened once."""

    def __init__(self, page: Page, one: Studio, job: str, pod: str) -> None:
        self.page, self.pod = page, pod
        page.goto(f"{one.url}/w/{WORKSPACE}/jobs/{job}/log/")
        page.wait_for_selector("[data-log][data-live-topic]", timeout=30_000)
        page.wait_for_selector("[data-log-follow][aria-pressed=true]", timeout=30_000)
        page.evaluate(OBSERVE, host_of(pod))

    def wait(self, seconds: float) -> None:
        """Let time pass for the page, too."""
        self.page.wait_for_timeout(max(seconds, 0) * 1000)

    def found(self, count: int, width: int) -> dict[str, Any]:
        """Wait until the page holds all lines, then read them all in it; return what is wrong."""
        began, deadline = time.monotonic(), time.monotonic() + CATCH_UP_SECONDS
        while (lines := self.page.evaluate(LINES)) < count and time.monotonic() < deadline:
            self.wait(0.5)
        caught_up = round(time.monotonic() - began, 1)
        self.wait(QUIET_SECONDS)
        say(f"the page holds {self.page.evaluate(LINES):,} of {count:,} lines; reading them")
        seen = self.page.evaluate("() => window.benchSeen ?? null")
        if seen is None:
            raise NotMeasuredError("the page was loaded anew, so nobody knows what it showed before")
        self.page.set_viewport_size({"width": 1440, "height": TALL})
        texts: list[str] = self.page.evaluate(HARVEST)
        wrong = wrong_with([("".join(f"{text}\n" for text in texts)).encode()], self.pod, count, width)
        return {"wrong": wrong + Wrong(reordered=seen["wrong"]), "drawn": seen["drawn"], "drawn_wrong": seen["first"],
                "caught_up_seconds": caught_up, "lines": lines}  # fmt: skip
