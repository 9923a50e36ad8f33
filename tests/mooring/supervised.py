"""Run a supervisor of small scripts as a process of its own, the way `mooring up` is one."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAM = """
import asyncio, json, sys
from pathlib import Path
from mooring.up.output import Log
from mooring.up.plan import ChildPlan, Ready
from mooring.up.supervisor import Supervisor, Timing

folder, spec = Path(sys.argv[1]), json.loads(sys.argv[2])
plans = [
    ChildPlan(one["name"], (sys.executable, "-S", "-E", "-u", "-c", one["script"]), {"FOLDER": str(folder)}, folder,
              Ready(one.get("ready", "alive"), one.get("target", ""), within_seconds=one.get("within", 5)),
              once=one.get("once", False),
              after_death=tuple(one.get("after_death", ())))
    for one in spec["children"]
]
log = Log([one.name for one in plans], coloured=False)
supervisor = Supervisor(plans, log, status_file=folder / "status.json", timing=Timing(**spec.get("timing", {})),
                        when_ready=lambda: log.say("all ready"))
sys.exit(asyncio.run(supervisor.run()))
"""


@dataclass
class Running:
    """A supervisor under test."""

    process: subprocess.Popen[str]
    folder: Path

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def status(self, name: str) -> dict[str, Any]:
        """Return what status.json says of one child, nothing before it is written."""
        with contextlib.suppress(OSError, ValueError):
            written = json.loads((self.folder / "status.json").read_text())
            return next(child for child in written["children"] if child["name"] == name)
        return {}

    def until(self, condition: Callable[[], object], seconds: float = 8) -> None:
        """Wait for a condition; show the log when it does not come."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"it did not happen; the log:\n{self.log}"
            time.sleep(0.01)

    def stop(self, number: int = signal.SIGTERM, seconds: float = 12) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(seconds)


@contextlib.contextmanager
def supervise(folder: Path, *children: dict[str, Any], **timing: float) -> Iterator[Running]:
    """Start a supervisor of `children`; kill it at the end when the test did not stop it."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(folder), json.dumps({"children": children, "timing": timing})],
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
        )
    try:
        yield Running(process, folder)
    finally:
        process.kill()
        process.wait()


def is_alive(pid: int) -> bool:
    """Say whether a process runs; one that only waits to be reaped does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
