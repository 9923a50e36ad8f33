"""From a line printed in a pod to the same line in the document of a real browser on the log page.

The pod prints numbered lines that carry the time (one clock: cluster, browser and studio share the machine). The page
notes when a line is in its document. Fifty more viewers read the same log over SSE, each byte checked; in the same run
`kubectl logs -f` reads the container's output.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Error as BrowserError
from playwright.sync_api import Page, sync_playwright

from benchmarks.figures import milliseconds, order_of, ratio, shown_at
from benchmarks.machine import ROOT
from benchmarks.studio import COMPUTE, WORKSPACE, NotMeasuredError, Studio, cluster, say, stop, studio
from mooring.client import Job
from sandbox.api_server import ApiServer

LINES_PER_SECOND, VIEWERS = 1000, 50
RUNNER_PORT = 8484
LEAD_SECONDS = 15  # between the command's start and its first line: the browser and the viewers come first
CHROMIUM = os.environ.get("MOORING_CHROMIUM", "/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
# As people have it. A line that is passed over between two frames counts as there with the next one that is drawn.
WINDOW = {"width": 1440, "height": 900}
LINE = re.compile(r"^(\d{7}) (\d+\.\d{6}) ok$")

PRINTER = """\
import sys, time
lead, rate, count = float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
time.sleep(lead)
start = time.time()
for number in range(count):
    wait = start + number / rate - time.time()
    if wait > 0:
        time.sleep(wait)
    print(f"{number:07d} {time.time():.6f} ok", flush=True)
"""

# Notes [line of the log, number, printed, in the document] for each whole line that is put into the document.
OBSERVE = r"""
() => {
  const notes = (window.benchNotes = [])
  const seen = new Set()
  const note = (row) => {
    if (!row.dataset || row.dataset.line === undefined) return
    const match = /^(\d{7}) (\d+\.\d{6}) ok$/.exec(row.lastElementChild ? row.lastElementChild.textContent : '')
    if (!match || seen.has(row.dataset.line)) return
    seen.add(row.dataset.line)
    notes.push([Number(row.dataset.line), Number(match[1]), Number(match[2]), (performance.timeOrigin + performance.now()) / 1000])
  }
  const box = document.querySelector('[data-log-lines]')
  for (const row of box.children) note(row)
  new MutationObserver((changes) => { for (const change of changes) for (const row of change.addedNodes) note(row) })
    .observe(box, { childList: true })
}
"""

# Scrolls through the whole log and gives the text of every line, by its place. Reads once the lines in sight are there: beside
# others a page draws later than two frames after it was scrolled. Lines are 20 pixels high.
HARVEST = r"""
async () => {
  const scroll = document.querySelector('[data-log-scroll]')
  const follow = document.querySelector('[data-log-follow]')
  if (follow && follow.getAttribute('aria-pressed') === 'true') follow.click()
  const texts = []
  const frame = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))
  const there = (line) => document.querySelector(`[data-log-lines] > [data-line="${line}"]`) !== null
  const inSight = () => {
    const last = Number(document.querySelector('[data-log]').dataset.lines) - 1
    const at = (position) => Math.min(Math.floor(position / 20), last)
    return there(at(scroll.scrollTop)) && there(at(scroll.scrollTop + scroll.clientHeight - 1))
  }
  for (let top = 0; ; top += scroll.clientHeight - 40) {
    scroll.scrollTop = top
    await frame()
    for (let waits = 0; waits < 200 && !inSight(); waits += 1) await frame()
    for (const row of document.querySelectorAll('[data-log-lines] > [data-line]')) texts[Number(row.dataset.line)] = row.lastElementChild.textContent
    if (top >= scroll.scrollHeight) break
  }
  return Array.from(texts, (text) => text ?? '')
}
"""


def run(*, quick: bool) -> dict[str, Any]:
    """Measure and return the keys of this benchmark."""
    if not Path(CHROMIUM).exists():
        raise NotMeasuredError(f"there is no Chromium at {CHROMIUM}; set MOORING_CHROMIUM")
    seconds = 10 if quick else 60
    with cluster("main") as status:
        if status.get("simulated"):
            raise NotMeasuredError("the nodes of the cluster are simulated: no container prints anything")
        with studio(status) as one, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, headless=True)
            try:
                page = browser.new_page(viewport=WINDOW)  # type: ignore[arg-type]
                return _measure(one, status, page, seconds)
            except BrowserError as error:
                raise NotMeasuredError(f"the browser: {error}") from error
            finally:
                browser.close()


def _measure(one: Studio, status: dict[str, Any], page: Page, seconds: int) -> dict[str, Any]:
    count = seconds * LINES_PER_SECOND
    sign_in(page, one)
    job = submit_printer(one, status, count, LINES_PER_SECOND, LEAD_SECONDS)
    pod, pod_ip = running(one, status, job)
    topic = _open_log(page, one, job)
    say(f"{LINES_PER_SECOND} lines a second for {seconds} s; {VIEWERS} more viewers")
    cookies = {str(cookie["name"]): str(cookie["value"]) for cookie in page.context.cookies()}
    streams = Streams(api_server_pid(status), pod_ip)
    with viewers(one.url, topic, cookies) as watching, KubectlLog(status, one.namespace, pod) as plain, streams:
        ended = _wait_until_there(one, page, job, count, seconds + LEAD_SECONDS + 90)
        stored = one.client.transport.send(
            "GET", f"workspaces/{WORKSPACE}/jobs/{job.name}/logs/0", query={"file": "std_log.txt"}, headers={"Accept": "*/*"}
        ).content
        time.sleep(1)  # what came twice would come now
        reports = watching.end()
    notes: list[list[float]] = page.evaluate("() => window.benchNotes")
    texts: list[str] = page.evaluate(HARVEST)
    figures = figures_of(notes, texts, stored, count)
    baseline = plain.waited()
    settings = {"lines_per_second": LINES_PER_SECOND, "seconds": seconds, "viewers": VIEWERS, "kubernetes": status["version"]}
    return figures | {
        "upstream_streams": streams.most,
        "viewers": compared(reports, stored),
        "kubectl_logs": {"p50_ms": milliseconds(baseline, 0.5), "p99_ms": milliseconds(baseline, 0.99), "lines": len(baseline)},
        "p50_over_kubectl": ratio(figures["p50_ms"], milliseconds(baseline, 0.5)),
        "job_status": ended,
        "settings": settings,
    }


def figures_of(notes: list[list[float]], texts: list[str], stored: bytes, count: int) -> dict[str, Any]:
    """Return latency and order from what the page noted, what it holds in the end, and what the studio has kept."""
    printed, numbers = printed_lines(stored.decode("utf-8", errors="replace").splitlines())
    there = shown_at([(int(number), at) for _, number, _, at in notes], count)
    waits = [there[number] - at for number, at in printed.items() if number in there]
    page_order = order_of(printed_lines(texts)[1], count)
    kept_order = order_of(numbers, count)
    return {
        "p50_ms": milliseconds(waits, 0.5),
        "p99_ms": milliseconds(waits, 0.99),
        "max_ms": milliseconds(waits, 1),
        "lost": max(page_order.lost, kept_order.lost),
        "doubled": max(page_order.doubled, kept_order.doubled),
        "reordered": max(page_order.reordered, kept_order.reordered),
        "lines": count,
        "lines_drawn": len(notes),
        "printed_seconds": round(max(printed.values()) - min(printed.values()), 2) if printed else None,
    }


def printed_lines(texts: list[str]) -> tuple[dict[int, float], list[int]]:
    """Return when each numbered line was printed, and the numbers in their order; a torn line counts as none."""
    matches = [match for text in texts if (match := LINE.match(text))]
    return {int(match[1]): float(match[2]) for match in matches}, [int(match[1]) for match in matches]


def compared(reports: list[dict[str, Any]], stored: bytes) -> dict[str, Any]:
    """Return how many viewers lacked something, or had it twice or otherwise than it is kept, and what they waited."""
    digest = hashlib.sha256(stored).hexdigest()
    waits = [wait for one in reports for wait in one["waits"]]
    return {
        "count": len(reports),
        "lost": sum(1 for one in reports if one["end"] < len(stored) or one["gaps"]),
        "doubled": sum(1 for one in reports if one["repeats"]),
        "different": sum(1 for one in reports if one["end"] == len(stored) and one["sha256"] != digest),
        "p50_ms": milliseconds(waits, 0.5),
        "p99_ms": milliseconds(waits, 0.99),
    }


def sign_in(page: Page, one: Studio) -> None:
    """Sign the browser in as the administrator that the first start made."""
    page.goto(f"{one.url}/accounts/login/")
    page.fill("input[name=login]", one.username)
    page.fill("input[name=password]", one.password)
    page.click("form button[type=submit]")
    page.wait_for_url(lambda url: "/accounts/login" not in url)


def submit_printer(one: Studio, status: dict[str, Any], count: int, rate: int, lead: float) -> Job:
    """Submit the job that prints so many lines at a rate, some seconds after it has begun."""
    indented = PRINTER.replace("\n", "\n  ")
    yaml = (
        f"command: |\n  cat > print.py <<'END'\n  {indented}\n  END\n"
        f"  python3 print.py {lead} {rate} {count}\n"
        f"environment:\n  image: {status['images']['python']}\ncompute: azureml:{COMPUTE}\n"
    )
    return one.client.jobs.create_from_text(yaml)


def running(one: Studio, status: dict[str, Any], job: Job) -> tuple[str, str]:
    """Wait until the job's command runs; return its pod and the pod's address."""

    def started() -> bool:
        now = one.client.jobs.get(job.name)
        if now.is_final:
            raise NotMeasuredError(f"the job ended early: {now.status} {now.reason}\n{one.tail()}")
        return now.status == "Running"

    one.until(started, seconds=120, what="the job to run")
    with ApiServer(Path(status["kubeconfig"])).client() as http:
        query = {"labelSelector": "mooring.dev/kind=job"}
        pods = http.get(f"/api/v1/namespaces/{one.namespace}/pods", params=query).raise_for_status().json()["items"]
    return str(pods[0]["metadata"]["name"]), str(pods[0]["status"]["podIP"])


def _open_log(page: Page, one: Studio, job: Job) -> str:
    """Open the log page and have it note each line; return the log's topic."""
    page.goto(f"{one.url}/w/{WORKSPACE}/jobs/{job.name}/log/")
    root = page.wait_for_selector("[data-log][data-live-topic]", timeout=30_000)
    page.wait_for_selector("[data-log-follow]")
    page.evaluate(OBSERVE)
    topic = root.get_attribute("data-live-topic") if root else None
    if not topic:
        raise NotMeasuredError("the log page has no live topic")
    return topic


def _wait_until_there(one: Studio, page: Page, job: Job, count: int, seconds: float) -> str:
    """Wait until the job is over and its last line is in the document; return how it ended."""
    deadline, last = time.monotonic() + seconds, f"() => window.benchNotes.some((note) => note[1] === {count - 1})"
    while time.monotonic() < deadline:
        now = one.client.jobs.get(job.name)
        if now.is_final and page.evaluate(last):
            return now.status
        page.wait_for_timeout(500)
    say("the last line did not come in time")
    return one.client.jobs.get(job.name).status


class _Viewers:
    """The process of the further viewers."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def end(self) -> list[dict[str, Any]]:
        """Stop them; return what each saw."""
        self.process.terminate()
        answer, _ = self.process.communicate(timeout=30)
        return list(json.loads(answer.strip().splitlines()[-1]))


@contextlib.contextmanager
def viewers(url: str, topic: str, cookies: dict[str, str], count: int = VIEWERS) -> Iterator[_Viewers]:
    """Have many viewers read the log."""
    command = [sys.executable, "-m", "benchmarks.viewing", url, topic, str(count)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdin is not None
        process.stdin.write(json.dumps(cookies) + "\n")
        process.stdin.flush()
        yield _Viewers(process)
    finally:
        stop(process)


class KubectlLog:
    """`kubectl logs -f` of the same container: what the kubelet's own way takes."""

    def __init__(self, status: dict[str, Any], namespace: str, pod: str) -> None:
        self.command = [_kubectl(status), f"--kubeconfig={status['kubeconfig']}", "-n", namespace, "logs", "-f", pod, "-c", "job"]
        self.waits: list[float] = []

    def __enter__(self) -> KubectlLog:
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        stop(self.process)
        self.thread.join(10)

    def waited(self) -> list[float]:
        """Return the seconds from each line's printing to its arrival."""
        return self.waits

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if match := LINE.match(line.rstrip("\n")):
                self.waits.append(time.time() - float(match[2]))


class Streams:
    """How many connections the API server holds open to the pod's runner, that is, upstream streams."""

    def __init__(self, api_server: int, address: str) -> None:
        self.table = Path(f"/proc/{api_server}/net/tcp")
        self.remote = proc_address(address, RUNNER_PORT)
        self.counts: list[int] = []
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Streams:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self.thread.join(5)

    @property
    def most(self) -> int | None:
        """Return how many there were most of the time while there were any."""
        open_ones = [count for count in self.counts if count]
        return int(statistics.median_high(open_ones)) if open_ones else None

    def _look(self) -> None:
        while not self.stopped.wait(0.25):
            with contextlib.suppress(OSError):
                self.counts.append(established(self.table.read_text(encoding="utf-8"), self.remote))


def established(table: str, remote: str) -> int:
    """Return how many connections of a /proc/net/tcp table are established to an address."""
    rows = (line.split() for line in table.splitlines()[1:])
    return sum(1 for row in rows if len(row) > 3 and row[2] == remote and row[3] == "01")


def proc_address(address: str, port: int) -> str:
    """Return an IPv4 address and port as /proc/net/tcp writes them: bytes reversed, in hexadecimal."""
    parts = [int(part) for part in address.split(".")]
    return "".join(f"{part:02X}" for part in reversed(parts)) + f":{port:04X}"


def api_server_pid(status: dict[str, Any]) -> int:
    """Return the process of the cluster's API server."""
    return int(((status.get("components") or {}).get("kube-apiserver") or {}).get("pid") or 0)


def _kubectl(status: dict[str, Any]) -> str:
    from sandbox.kubectl import binary

    return str(binary(status["version"]))
