"""No line of a log is lost, doubled or reordered, whatever is killed: in what the studio has stored, and in a page that stays open.

Twenty pods print 200 lines a second and one prints 50,000, on a cluster of its own whose kubelet rotates the logs of containers
at 1 MiB. Meanwhile worker, beat, Redis, web process, API server and the connections of logs are killed at random times from a
seed; who keeps them starts them again. Then every log is read through the API and compared line by line, and so is the page.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, sync_playwright
from playwright.sync_api import Error as BrowserError

from benchmarks.live_logs import CHROMIUM, FLAGS, WINDOW, sign_in
from benchmarks.log_loss_faults import Breaker, planned
from benchmarks.log_loss_lines import Wrong, wrong_with, yaml_of
from benchmarks.log_loss_page import OpenLog
from benchmarks.studio import CLUSTER as ATTACHED
from benchmarks.studio import COMPUTE, WORKSPACE, NotMeasuredError, Studio, cluster, say, studio
from mooring.errors import MooringError
from sandbox.places import ClusterPlace

NAME, ROTATED_AT = "loss", "1Mi"
SEEDS, SECONDS, PODS = 5, 300, 20
RATE, WIDTH = 200, 128
FAST_RATE, FAST_WIDTH = 50_000, 40
# Pods begin to print together, this long after they were submitted; all must run after the longer time.
LEAD_SECONDS, START_SECONDS, END_SECONDS = 75, 300, 300
# Faults go on while the last lines are fetched.
TAIL_SECONDS = 10
TYPE = "log-loss"
SMALL = {"resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": "1", "memory": "128Mi"}}}


@dataclass(frozen=True)
class Printer:
    """One of the jobs: how much it prints, and in which pod."""

    job: str
    rate: int
    width: int
    lines: int
    pod: str = ""


def run(*, quick: bool, seeds: int | None = None, seconds: int | None = None) -> dict[str, Any]:
    """Measure and return the keys of this benchmark, for seeds from 1 on."""
    if not Path(CHROMIUM).exists():
        raise NotMeasuredError(f"there is no Chromium at {CHROMIUM}; set MOORING_CHROMIUM")
    count, length = seeds or (1 if quick else SEEDS), seconds or (40 if quick else SECONDS)
    with cluster(NAME, "--container-log-max-size", ROTATED_AT) as status:
        if status.get("simulated"):
            raise NotMeasuredError("the nodes of the cluster are simulated: no container prints anything")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, headless=True)
            try:
                rounds = [_seed(status, browser, seed, length) for seed in range(1, count + 1)]
            except BrowserError as error:
                raise NotMeasuredError(f"the browser: {error}") from error
            finally:
                browser.close()
    return summed(rounds) | {
        "settings": {
            "seeds": count, "seconds": length, "pods": PODS, "lines_per_second": RATE, "fast_lines_per_second": FAST_RATE,
            "rotated_at": ROTATED_AT, "kubernetes": status["version"],
        }
    }  # fmt: skip


def summed(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the keys of this benchmark: what was wrong in all rounds together, and each round."""
    wrong = Wrong()
    for each in rounds:
        for what in (each["stored"], each["page"]):
            wrong += Wrong(**{name: what[name] for name in asdict(Wrong())})
    killed = {kind: sum(each["killed"][kind] for each in rounds) for kind in rounds[0]["killed"]}
    return asdict(wrong) | {
        "not_completed": sum(each["not_completed"] for each in rounds),
        "lines": sum(each["lines"] for each in rounds),
        "rotations": sum(each["rotations"] for each in rounds),
        "killed": killed,
        "by_seed": {str(each.pop("seed")): each for each in rounds},
    }


def _seed(status: dict[str, Any], browser: Browser, seed: int, seconds: int) -> dict[str, Any]:
    say(f"seed {seed}")
    with studio(status) as one:
        one.client.clusters.create_instance_type(ATTACHED, TYPE, SMALL)
        context = browser.new_context(viewport=WINDOW)  # type: ignore[arg-type]
        try:
            page = context.new_page()
            sign_in(page, one)
            began = time.time() + LEAD_SECONDS
            printers = _running(one, _submitted(one, status["images"]["python"], began, seconds))
            watched = printers[1]
            opened = OpenLog(page, one, watched.job, watched.pod)
            broken, rotated = _break(one, status, opened, seed, began, seconds)
            ended = _ended(one, printers, opened)
            found = opened.found(watched.lines, watched.width)
        finally:
            context.close()
        say("comparing what is stored")
        stored = [wrong_with(_log(one, each), each.pod, each.lines, each.width) for each in printers]
    told = found.pop("wrong")
    for each, wrong in zip(printers, stored, strict=True):
        if wrong:
            say(f"seed {seed}: {each} has {wrong}")
    result = {
        "seed": seed,
        "stored": asdict(sum(stored, Wrong())) | {"logs_wrong": sum(map(bool, stored))},
        "page": asdict(told) | found,
        **broken,
        "rotations": len(rotated),
        "lines": sum(each.lines for each in printers),
        **ended,
    }
    say(f"seed {seed}: {result}")
    if not rotated:
        raise NotMeasuredError("no log of a container was rotated")
    return result


def _submitted(one: Studio, image: str, began: float, seconds: int) -> list[Printer]:
    """Submit the fast one, then the others."""
    found = []
    for rate, width in ((FAST_RATE, FAST_WIDTH), *((RATE, WIDTH),) * PODS):
        lines = rate * seconds
        yaml = yaml_of(image, COMPUTE, TYPE, round(began, 3), rate, lines, width)
        found.append(Printer(one.client.jobs.create_from_text(yaml).name, rate, width, lines))
    return found


def _running(one: Studio, printers: list[Printer]) -> list[Printer]:
    """Wait until all of them run; return them with their pods."""

    def states() -> dict[str, str]:
        return {job.name: job.status for job in one.client.jobs.list(most=100)}

    def started() -> bool:
        if early := [name for name, state in states().items() if state in ("Completed", "Failed", "Canceled")]:
            raise NotMeasuredError(f"{early} ended early\n{one.tail()}")
        return set(states().values()) == {"Running"}

    say(f"waiting for {len(printers)} pods")
    one.until(started, seconds=START_SECONDS, what=lambda: f"the jobs to run: {states()}")
    return [
        Printer(each.job, each.rate, each.width, each.lines, str(one.client.jobs.get(each.job).answer["processes"][-1]["pod"]))
        for each in printers
    ]


def _break(
    one: Studio, status: dict[str, Any], opened: OpenLog, seed: int, began: float, seconds: int
) -> tuple[dict[str, Any], set[Path]]:
    """Kill what the seed says, each at its time; return what was killed, and which rotated logs were seen."""
    if time.time() > began:
        say(f"the pods were {time.time() - began:.0f} s late")
    began = max(began, time.time())
    breaker, rotated = Breaker(one, status), set[Path]()
    for fault in planned(seed, seconds + TAIL_SECONDS):
        opened.wait(began + fault.at - time.time())
        rotated |= _rotated(status["name"], one.namespace)
        say(f"{fault.at:.1f} s: {fault.kind} {fault.cut}")
        breaker.do(fault)
    return breaker.told(), rotated | _rotated(status["name"], one.namespace)


def _rotated(name: str, namespace: str) -> set[Path]:
    """Return the rotated logs of the jobs' containers that the kubelet keeps now."""
    found = (ClusterPlace.of(name).root / "pods").glob(f"{namespace}_*/job/*.log.*")
    return {path.with_name(path.name.removesuffix(".gz").removesuffix(".tmp")) for path in found}


def _ended(one: Studio, printers: list[Printer], opened: OpenLog) -> dict[str, Any]:
    """Wait until all jobs are over; return how long that took after the last fault, and how many did not end well."""
    began, states = time.monotonic(), dict[str, str]()
    while time.monotonic() - began < END_SECONDS:
        with contextlib.suppress(MooringError):
            states = {job.name: job.status for job in one.client.jobs.list(most=100)}
            if all(state in ("Completed", "Failed", "Canceled") for state in states.values()):
                break
        opened.wait(1)
    wrong = {each.job: states.get(each.job, "missing") for each in printers if states.get(each.job) != "Completed"}
    if wrong:
        say(f"not completed: {wrong}")
        for name in list(wrong)[:5]:
            answer = one.client.jobs.get(name).answer
            say(f"{name}: {answer.get('reason')} {answer.get('problem')} {answer.get('processes')}")
    return {"ended_seconds": round(time.monotonic() - began, 1), "not_completed": len(wrong)}


def _log(one: Studio, printer: Printer) -> Iterator[bytes]:
    """Return the bytes of a log as anybody gets them who asks for it."""
    path = f"/api/v1/workspaces/{WORKSPACE}/jobs/{printer.job}/logs/0"
    headers = {"Authorization": f"Bearer {one.token}", "Accept": "*/*"}
    timeout = httpx.Timeout(10, read=60)
    with httpx.stream(
        "GET", f"{one.url}{path}", params={"file": "std_log.txt"}, headers=headers, timeout=timeout, trust_env=False
    ) as answer:
        answer.raise_for_status()
        yield from answer.iter_bytes(1 << 20)
