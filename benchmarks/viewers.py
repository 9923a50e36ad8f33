"""A thousand people watch one log of 100 lines a second: what they wait, what they lack, and what the web process needs for them."""

from __future__ import annotations

import re
import threading
import time
from typing import Any

import httpx

from benchmarks.live_logs import Streams, api_server_pid, compared, running, submit_printer, viewers
from benchmarks.processes import cpu_seconds, family, name_of, pss_mb
from benchmarks.serving import CLUSTER
from benchmarks.studio import WORKSPACE, NotMeasuredError, Studio, cluster, say, studio
from mooring.client import Job

VIEWERS, LINES_PER_SECOND, SECONDS, LEAD_SECONDS = 1000, 100, 60, 30
TOPIC = re.compile(r'data-live-topic="(log:[^"]+)"')


def run(*, quick: bool) -> dict[str, Any]:
    """Measure and return the keys of this benchmark."""
    count, seconds = (100, 10) if quick else (VIEWERS, SECONDS)
    with cluster(CLUSTER) as status:
        if status.get("simulated"):
            raise NotMeasuredError("the nodes of the cluster are simulated: no container prints anything")
        with studio(status) as one:
            figures = _measure(one, status, count, seconds)
    settings = {"viewers": count, "lines_per_second": LINES_PER_SECOND, "seconds": seconds, "kubernetes": status["version"]}
    return figures | {"settings": settings}


def _measure(one: Studio, status: dict[str, Any], count: int, seconds: int) -> dict[str, Any]:
    lines = LINES_PER_SECOND * seconds
    job = submit_printer(one, status, lines, LINES_PER_SECOND, LEAD_SECONDS)
    _, pod_ip = running(one, status, job)
    cookies = signed_in(one)
    topic = topic_of(httpx.get(f"{one.url}/w/{WORKSPACE}/jobs/{job.name}/log/", cookies=cookies, timeout=30, trust_env=False).text)
    say(f"{count} viewers of {LINES_PER_SECOND} lines a second for {seconds} s")
    with viewers(one.url, topic, cookies, count) as watching, Streams(api_server_pid(status), pod_ip) as streams, Web(one) as web:
        ended = _until_over(one, job, LEAD_SECONDS + seconds + 120)
        time.sleep(3)  # what came twice would come now
        reports = watching.end()
    stored = one.client.transport.send(
        "GET", f"workspaces/{WORKSPACE}/jobs/{job.name}/logs/0", query={"file": "std_log.txt"}, headers={"Accept": "*/*"}
    ).content
    seen = compared(reports, stored)
    return {
        "p50_ms": seen["p50_ms"],
        "p99_ms": seen["p99_ms"],
        # Whoever has bytes that are not the log's lacks the right ones.
        "lost": seen["lost"] + seen["different"],
        "doubled": seen["doubled"],
        "web_mb": round(web.most, 1),
        "web_cpu_percent": round(web.cpu_percent, 1),
        "upstream_streams": streams.most,
        "reconnected": sum(each["reconnected"] for each in reports),
        "job_status": ended,
    }


def signed_in(one: Studio) -> dict[str, str]:
    """Sign in as a browser does; return the cookies."""
    with httpx.Client(base_url=one.url, timeout=30, trust_env=False, follow_redirects=True) as client:
        client.get("/accounts/login/")
        token = client.cookies.get("csrftoken") or ""
        given = {"login": one.username, "password": one.password, "csrfmiddlewaretoken": token}
        client.post("/accounts/login/", data=given, headers={"Referer": one.url})
        cookies = {cookie.name: str(cookie.value) for cookie in client.cookies.jar}
    if "sessionid" not in cookies:
        raise NotMeasuredError("the studio did not let its administrator in")
    return cookies


def topic_of(page: str) -> str:
    """Return the live topic that the log page names."""
    match = TOPIC.search(page)
    if match is None:
        raise NotMeasuredError("the log page has no live topic")
    return match[1]


class Web:
    """Look at the web process once a second: the most memory, and the processor time of all of it."""

    def __init__(self, one: Studio) -> None:
        self.pid = next((pid for pid in family(one.process.pid) if name_of(pid) == "web"), 0)
        self.most, self.cpu_percent = 0.0, 0.0
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Web:
        self.began, self.used = time.monotonic(), cpu_seconds([self.pid])
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self.thread.join(5)
        self.cpu_percent = 100 * (cpu_seconds([self.pid]) - self.used) / max(time.monotonic() - self.began, 1)

    def _look(self) -> None:
        while not self.stopped.wait(1):
            self.most = max(self.most, pss_mb([self.pid]))


def _until_over(one: Studio, job: Job, seconds: float) -> str:
    one.until(lambda: one.client.jobs.get(job.name).is_final, seconds=seconds, what="the job to end")
    return one.client.jobs.get(job.name).status
