"""All benchmarks one after another, each in a process of its own, and the page from what they printed: `make bench`.

One that cannot be measured does not keep the others from it. What each printed stays in `.mooring/benchmarks/NAME.log`.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import FrameType

from benchmarks import report
from benchmarks.databases import ON_BOTH, POSTGRESQL
from benchmarks.machine import ROOT
from benchmarks.studio import say

FOLDER = Path(".mooring/benchmarks")
# The largest sizes only when everything is measured: they take long.
MORE = {"job_list": ["--full"]}


def run(names: Iterable[str]) -> int:
    """Measure and write the page; return the exit code: 1 when something was not measured."""
    folder = ROOT / FOLDER
    measured: list[Path] = []
    missing: list[Path] = []
    folder.mkdir(parents=True, exist_ok=True)
    handler = signal.signal(signal.SIGTERM, _stop)
    try:
        for name, words in runs(names).items():
            say(f"{name} …")
            file = folder / f"{name}.log"
            (measured if _one(words, file) == 0 else missing).append(file)
    finally:
        signal.signal(signal.SIGTERM, handler)
    report.write(measured)
    say(f"{report.PAGE} was written")
    if missing:
        say(f"not measured: {', '.join(file.stem for file in missing)}")
    return 1 if missing else 0


def runs(names: Iterable[str]) -> dict[str, list[str]]:
    """Return all that is run, with its command's words: some on both databases, one after the other."""
    found: dict[str, list[str]] = {}
    for name in names:
        found[name] = [name, *MORE.get(name, [])]
        if name in ON_BOTH:
            found[f"{name}-{POSTGRESQL}"] = [*found[name], "--database", POSTGRESQL]
    return found


def _one(words: list[str], file: Path) -> int:
    """Run one benchmark and keep what it prints; told to stop, it is let clean up."""
    with file.open("w", encoding="utf-8") as out:
        child = subprocess.Popen([sys.executable, "-m", "benchmarks", *words, "--json"], cwd=ROOT, stdout=out)
        try:
            return child.wait()
        finally:
            if child.poll() is None:
                child.terminate()
                child.wait()


def _stop(number: int, frame: FrameType | None) -> None:
    raise SystemExit(1)
