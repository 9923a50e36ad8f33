"""How smoothly a log of 200,000 lines scrolls on its page, in a real browser with software drawing.

A studio without a cluster holds a job whose log was written by hand. The page is scrolled a step with every frame, from a
quick hand on the wheel to a whole screen of new lines each frame, and the browser's own clock tells how long a frame took.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import CDPSession, Page, sync_playwright

from benchmarks.figures import percentile
from benchmarks.live_logs import CHROMIUM, FLAGS, WINDOW
from benchmarks.machine import ROOT
from benchmarks.process import StudioProcess, without_ours
from benchmarks.studio import WORKSPACE, say

LINES = 200_000
# Pixels a frame: a quick wheel, a thrown track pad, and more than a screen of lines that were never drawn before.
SPEEDS = {"wheel": 120, "thrown": 400, "screens": 1000}
SECONDS = 5.0
METRICS = ("ScriptDuration", "LayoutDuration", "RecalcStyleDuration", "TaskDuration")

SCROLL = """
async ([step, seconds]) => {
  const pane = document.querySelector('[data-log-scroll]')
  pane.scrollTop = 0
  await new Promise((done) => setTimeout(done, 300))
  const times = []
  const ends = performance.now() + seconds * 1000
  await new Promise((done) => {
    const frame = (now) => {
      times.push(now)
      pane.scrollTop += step
      if (pane.scrollTop + pane.clientHeight >= pane.scrollHeight - step) pane.scrollTop = 0
      if (performance.now() < ends) requestAnimationFrame(frame)
      else done()
    }
    requestAnimationFrame(frame)
  })
  // The page draws on the frame after a scroll: what it left undrawn is looked for one frame later.
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))
  const {left, top, bottom, width} = pane.getBoundingClientRect()
  const line = (y) => document.elementFromPoint(left + width / 2, y)?.closest('[data-line]')
  return {times, seen: [top + 12, (top + bottom) / 2, bottom - 12].every(line)}
}
"""

MAKE = """
import django
django.setup()
from django.utils import timezone
from jobs.models import Job, Process
from studio.accounts.models import User, Workspace

workspace = Workspace.objects.get(name={workspace!r})
now = timezone.now()
job = Job.objects.create(workspace=workspace, submitted_by=User.objects.first(), yaml="command: x", command="x", image="x",
                         image_asked="x", compute_name="x", namespace="x", instance_type="x", status="Completed",
                         started_at=now, ended_at=now)
process = Process.objects.create(job=job, index=0, pod_uid="pod", pod_name="pod", log_final=True, finished=True)
path = process.log_path()
path.parent.mkdir(parents=True, exist_ok=True)
with path.open("wb") as file:
    for number in range({lines}):
        colour = b"\\x1b[32m" if number % 5 == 0 else b""
        words = b" ".join(b"word%d" % (number * step % 977) for step in range(4 + number % 12))
        file.write(b"%07d %sround %d\\x1b[0m of the training: %s\\n" % (number, colour, number, words))
Process.objects.filter(pk=process.pk).update(log_bytes=path.stat().st_size)
print("JOB", job.name)
"""


def run(*, quick: bool) -> dict[str, Any]:
    """Measure frames a second at each speed, with lines cut at the pane's edge and with lines that wrap."""
    lines, seconds = (20_000, 1.0) if quick else (LINES, SECONDS)
    with _studio() as one, sync_playwright() as playwright:
        name = _job(one, lines)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            page = browser.new_page(viewport=WINDOW)  # type: ignore[arg-type]
            _open(page, one, name, lines)
            figures: dict[str, Any] = {"lines": lines}
            session = page.context.new_cdp_session(page)
            session.send("Performance.enable")
            for wrapped in (False, True):
                if wrapped:
                    page.get_by_role("button", name="Wrap").click()
                for speed, step in SPEEDS.items():
                    key = f"{speed}{'_wrapped' if wrapped else ''}"
                    say(f"scrolling: {key}")
                    figures[key] = _scroll(page, session, step, seconds)
            figures["fps_worst"] = min(figures[key]["fps"] for key in figures if key != "lines")
            return figures
        finally:
            browser.close()


def frames(times: list[float]) -> dict[str, float]:
    """Return frames a second, and how long the slowest of them took, from the times at which they began (ms)."""
    gaps = [after - before for before, after in itertools.pairwise(times)]
    return {
        "fps": round(1000 * len(gaps) / sum(gaps), 1),
        "frame_p95_ms": round(percentile(gaps, 0.95), 1),
        "frame_max_ms": round(max(gaps), 1),
    }


def _scroll(page: Page, session: CDPSession, step: int, seconds: float) -> dict[str, Any]:
    before = _metrics(session)
    found = page.evaluate(SCROLL, [step, seconds])
    after = _metrics(session)
    count = max(len(found["times"]) - 1, 1)
    spent = {f"{key.removesuffix('Duration').lower()}_ms_a_frame": round(1000 * (after[key] - before[key]) / count, 2) for key in METRICS}
    return {**frames(found["times"]), **spent, "lines_there": found["seen"]}


def _metrics(session: CDPSession) -> dict[str, float]:
    return {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}


def _open(page: Page, one: StudioProcess, name: str, lines: int) -> None:
    page.goto(f"{one.url}/w/{WORKSPACE}/jobs/{name}/log/")
    page.get_by_label("User name").fill(one.username)
    page.get_by_label("Password").fill(one.password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_selector(f"[data-log][data-lines='{lines}']", timeout=60_000)


def _job(one: StudioProcess, lines: int) -> str:
    """Write a job that is over, with its log, past the studio into its data folder; return its name."""
    environment = without_ours(dict(os.environ)) | {"MOORING_DATA": str(one.data), "DJANGO_SETTINGS_MODULE": "studio.settings"}
    command = [sys.executable, "-c", MAKE.format(workspace=WORKSPACE, lines=lines)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout.split("JOB ")[1].strip()


@contextlib.contextmanager
def _studio() -> Iterator[StudioProcess]:
    folder = Path(tempfile.mkdtemp(prefix="mooring-bench-"))
    one = StudioProcess.start(folder / "data", folder / "studio.log", {}, workspace=WORKSPACE)
    try:
        one.client.workspaces.create(WORKSPACE, display_name="Bench")
        yield one
    finally:
        one.stop()
        shutil.rmtree(folder, ignore_errors=True)
