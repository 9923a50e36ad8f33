"""What an idle studio needs: proportional memory and processor time of all its processes, one real cluster attached, one page open."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Error as BrowserError
from playwright.sync_api import sync_playwright

from benchmarks.live_logs import CHROMIUM, FLAGS, WINDOW, sign_in
from benchmarks.processes import cpu_seconds, family, name_of, pss_mb
from benchmarks.serving import CLUSTER
from benchmarks.studio import WORKSPACE, NotMeasuredError, cluster, say, studio

SETTLE_SECONDS, SECONDS, EVERY_SECONDS = 45, 60, 5
PAGE = f"/w/{WORKSPACE}/jobs/"


def run(*, quick: bool) -> dict[str, Any]:
    """Measure and return the keys of this benchmark."""
    if not Path(CHROMIUM).exists():
        raise NotMeasuredError(f"there is no Chromium at {CHROMIUM}; set MOORING_CHROMIUM")
    settle, seconds = (5, 10) if quick else (SETTLE_SECONDS, SECONDS)
    with cluster(CLUSTER) as status, studio(status) as one, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, headless=True)
        try:
            page = browser.new_page(viewport=WINDOW)  # type: ignore[arg-type]
            sign_in(page, one)
            page.goto(one.url + PAGE)
            say(f"letting it settle for {settle} s, then looking for {seconds} s")
            page.wait_for_timeout(settle * 1000)
            found = measured(one.process.pid, seconds, page.wait_for_timeout)
        except BrowserError as error:
            raise NotMeasuredError(f"the browser: {error}") from error
        finally:
            browser.close()
    return found | {"settings": {"seconds": seconds, "settled_seconds": settle, "page": PAGE, "cluster": CLUSTER}}


def measured(root: int, seconds: float, wait: Any) -> dict[str, Any]:
    """Look at a process and all it started for a while; memory is the most that was seen."""
    began, pids = time.monotonic(), family(root)
    before = {pid: cpu_seconds([pid]) for pid in pids}
    seen = [pss_mb(family(root))]
    while time.monotonic() - began < seconds:
        wait(EVERY_SECONDS * 1000)
        seen.append(pss_mb(family(root)))
    took, now = time.monotonic() - began, family(root)
    by_process: dict[str, dict[str, float]] = {}
    for pid in now:
        part = by_process.setdefault(name_of(pid), {"pss_mb": 0.0, "cpu_percent": 0.0})
        part["pss_mb"] = round(part["pss_mb"] + pss_mb([pid]), 1)
        part["cpu_percent"] = round(part["cpu_percent"] + 100 * (cpu_seconds([pid]) - before.get(pid, 0.0)) / took, 2)
    return {
        "pss_mb": round(max(seen), 1),
        "cpu_percent_of_one_core": round(sum(part["cpu_percent"] for part in by_process.values()), 2),
        "by_process": by_process,
    }
