"""From a person's cancel to its state and to SIGTERM in the job's innermost process.

Each job runs a grandchild that notes when it was told to end. Pod and studio share one clock.
"""

from __future__ import annotations

import re
import time
from typing import Any

from benchmarks.figures import milliseconds
from benchmarks.studio import COMPUTE, WORKSPACE, NotMeasuredError, Studio, cluster, say, studio

JOBS, QUICK_JOBS = 10, 2
TOLD = re.compile(rb"^told (\d+\.\d+)$", re.MULTILINE)
SCRIPT = """\
cat > wait.py <<'END'
import signal, sys, time
def told(*_):
    print(f"told {time.time():.6f}", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, told)
print("waiting", flush=True)
time.sleep(600)
END
sh -c 'python3 wait.py & wait'"""


def run(*, quick: bool) -> dict[str, Any]:
    """Measure and return the keys of this benchmark."""
    jobs = QUICK_JOBS if quick else JOBS
    with cluster("main") as status:
        if status.get("simulated"):
            raise NotMeasuredError("the nodes of the cluster are simulated: no process can be told to end")
        with studio(status) as one:
            seen = [_one(one, str(status["images"]["python"])) for _ in range(jobs)]
    states, terms, ends = (list(each) for each in zip(*seen, strict=True))
    return {
        "state_p50_ms": milliseconds(states, 0.5),
        "state_max_ms": milliseconds(states, 1),
        "sigterm_p50_ms": milliseconds(terms, 0.5),
        "sigterm_max_ms": milliseconds(terms, 1),
        "canceled_p50_ms": milliseconds(ends, 0.5),
        "canceled_max_ms": milliseconds(ends, 1),
        "jobs": jobs,
        "settings": {"kubernetes": status["version"]},
    }


def _one(one: Studio, image: str) -> tuple[float, float, float]:
    """Return the seconds from the request to the state, to SIGTERM in the grandchild, and to the final state."""
    lines = SCRIPT.replace("\n", "\n  ")
    job = one.client.jobs.create_from_text(f"command: |\n  {lines}\nenvironment:\n  image: {image}\ncompute: azureml:{COMPUTE}\n")

    def log() -> bytes:
        path = f"workspaces/{WORKSPACE}/jobs/{job.name}/logs/0"
        return one.client.transport.send("GET", path, query={"file": "std_log.txt"}, headers={"Accept": "*/*"}).content

    def status() -> str:
        return one.client.jobs.get(job.name).status

    def waiting() -> bool:
        now = one.client.jobs.get(job.name)
        if now.is_final:
            raise NotMeasuredError(f"the job ended early: {now.status} {now.reason}\n{one.tail()}")
        return now.status == "Running" and b"waiting\n" in log()

    one.until(waiting, seconds=120, what="the job to run")
    began = time.time()
    one.client.jobs.cancel(job.name)
    one.until(lambda: status() in ("CancelRequested", "Canceled"), seconds=60, what="the state")
    state = time.time() - began
    one.until(lambda: status() == "Canceled", seconds=90, what="the job to be canceled")
    ended = time.time() - began
    told = TOLD.search(log())
    if not told:
        raise NotMeasuredError(f"the grandchild was not told to end; its log: {log()!r}")
    say(f"state after {state * 1000:.0f} ms, SIGTERM after {(float(told[1]) - began) * 1000:.0f} ms")
    return state, float(told[1]) - began, ended
