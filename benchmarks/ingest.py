"""How many lines a second one worker stores: pods print numbered lines of 100 bytes as fast as they can, all are read back and compared."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from benchmarks.processes import cpu_seconds, family, name_of
from benchmarks.serving import CLUSTER
from benchmarks.studio import COMPUTE, WORKSPACE, NotMeasuredError, Studio, cluster, say, studio

PODS, LINES, LINE_BYTES = 3, 1_500_000, 100
START_SECONDS, STORE_SECONDS, ASK_SECONDS = 180, 240, 0.05
# Made a thousand lines at a time: the printing must not be what is measured.
PRINTER = """\
import sys
count, rest = int(sys.argv[1]), b" " + b"x" * 89 + b"\\n"
out = sys.stdout.buffer
for start in range(0, count, 1000):
    out.write(b"".join(b"%09d" % number + rest for number in range(start, min(start + 1000, count))))
out.flush()
"""


def run(*, quick: bool) -> dict[str, Any]:
    """Measure and return the keys of this benchmark."""
    lines = 50_000 if quick else LINES
    with cluster(CLUSTER) as status:
        if status.get("simulated"):
            raise NotMeasuredError("the nodes of the cluster are simulated: no container prints anything")
        with studio(status) as one:
            figures = _measure(one, status, lines)
    return figures | {"settings": {"pods": PODS, "lines_each": lines, "line_bytes": LINE_BYTES, "kubernetes": status["version"]}}


def _measure(one: Studio, status: dict[str, Any], lines: int) -> dict[str, Any]:
    yaml = yaml_of(status["images"]["python"], lines)
    say(f"{PODS} pods print {lines:,} lines each")
    names = [one.client.jobs.create_from_text(yaml).name for _ in range(PODS)]
    pids = {name_of(pid): pid for pid in family(one.process.pid)}
    times = _until_stored(one, names, PODS * lines * LINE_BYTES)
    used = {name: cpu_seconds([pid]) for name, pid in pids.items() if name in ("worker", "web")}
    began, ended = times[0][0], times[-1][0]
    wrong = sum(wrong_lines(_log(one, name), lines) for name in names)
    rate = PODS * lines / (ended - began)
    say(f"stored in {ended - began:.1f} s: {rate:,.0f} lines a second, {wrong} of them not as printed")
    return {
        "lines_per_second": round(rate),
        "stored_seconds": round(ended - began, 1),
        "most_in_a_second": round(fastest(times) / LINE_BYTES),
        "wrong": wrong,
        "cpu_seconds": {name: round(value, 1) for name, value in used.items()},
    }


def yaml_of(image: str, lines: int) -> str:
    """Return the job that prints."""
    indented = PRINTER.replace("\n", "\n  ").rstrip()
    return (
        f"command: |\n  cat > print.py <<'END'\n  {indented}\n  END\n  python3 print.py {lines}\n"
        f"environment:\n  image: {image}\ncompute: azureml:{COMPUTE}\n"
    )


def wrong_lines(log: bytes, lines: int) -> int:
    """Return how many lines are not where they were printed; missing and further ones count, too."""
    found = sum(1 for number in range(lines) if log[number * LINE_BYTES : number * LINE_BYTES + 9] != b"%09d" % number)
    return found + abs(len(log) - lines * LINE_BYTES) // LINE_BYTES


def fastest(times: list[tuple[float, int]]) -> float:
    """Return the most bytes that were stored in any second."""
    most, first = 0.0, 0
    for at, stored in times:
        while times[first][0] < at - 1:
            first += 1
        if at > times[first][0]:
            most = max(most, stored - times[first][1])
    return most


def _until_stored(one: Studio, names: list[str], wanted: int) -> list[tuple[float, int]]:
    """Look at what is stored until all is; return the times from the last look at which nothing was, and the bytes then."""
    folder, times = one.data / "runs", [(time.monotonic(), 0)]
    deadline = time.monotonic() + START_SECONDS
    while times[-1][1] < wanted:
        now, stored = time.monotonic(), stored_in(folder)
        if stored and len(times) == 1:
            deadline = now + STORE_SECONDS
        if stored:
            times.append((now, stored))
        else:
            times = [(now, 0)]
        if now > deadline:
            states = [one.client.jobs.get(name).status for name in names]
            raise NotMeasuredError(f"{stored:,} of {wanted:,} bytes are stored; the jobs are {states}\n{one.tail()}")
        time.sleep(ASK_SECONDS)
    return times


def stored_in(folder: Path) -> int:
    """Return the bytes of all logs in a folder."""
    return sum(path.stat().st_size for path in folder.glob("*/*-std_log.txt"))


def _log(one: Studio, name: str) -> bytes:
    path = f"workspaces/{WORKSPACE}/jobs/{name}/logs/0"
    return one.client.transport.send("GET", path, query={"file": "std_log.txt"}, headers={"Accept": "*/*"}).content
