"""The list of jobs with very many of them: first page, filters, text search and the 100th page, to the last byte of HTML.

A data folder of its own, no cluster: a process beside this one (`benchmarks.job_list_pages`) fills the database and asks the
studio's own pages in it, from the address to the answer, without a network between. `cold` is the first answer after the
database was opened anew.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from typing import Any

from benchmarks.figures import ratio
from benchmarks.studio import NotMeasuredError, say

SIZES = (1_000, 10_000, 100_000)
FULL = 1_000_000


def run(*, quick: bool, full: bool = False) -> dict[str, Any]:
    """Measure and return the keys of this benchmark; `full` also with a million jobs."""
    sizes = SIZES[:2] if quick else (*SIZES, FULL) if full else SIZES
    rounds = 5 if quick else 30
    with tempfile.TemporaryDirectory(prefix="mooring-bench-") as folder:
        env = {**os.environ, "MOORING_DATA": folder, "DJANGO_SETTINGS_MODULE": "studio.settings"}
        command = [sys.executable, "-m", "benchmarks.job_list_pages", str(rounds), *map(str, sizes)]
        measured: dict[str, Any] = {}
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            for line in child.stdout:
                if not line.startswith("{"):
                    say(line.rstrip())
                    continue
                found = json.loads(line)
                measured[str(found.pop("jobs"))] = found
        if child.returncode or not measured:
            raise NotMeasuredError(f"the pages were not measured: exit code {child.returncode}")
    return figures_of(measured) | {"settings": {"database": "sqlite", "rounds": rounds, "sizes": list(sizes)}}


def figures_of(measured: dict[str, Any]) -> dict[str, Any]:
    """Return the keys of this benchmark from what was measured at each size: the worst page counts."""
    first, last = next(iter(measured)), "100000" if "100000" in measured else list(measured)[-1]
    worst = {size: max(page["p95_ms"] for page in found["pages"].values()) for size, found in measured.items()}
    return {
        "p95_ms": worst,
        "kb": max(page["kb"] for found in measured.values() for page in found["pages"].values()),
        "growth_1k_to_100k": ratio(worst[last], worst[first]),
        "by_size": measured,
    }
