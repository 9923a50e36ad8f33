"""`python -m benchmarks NAME --json`: measure one thing; the last line printed is one JSON object.

`all` measures everything, one after another, and writes the page; `report FILE...` writes it from what was printed.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import json
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from benchmarks import databases, everything, report
from benchmarks.machine import commit, machine
from benchmarks.process import NotThereError
from benchmarks.studio import say

# The name, and for how long it may run: with empty caches the sandbox builds Kubernetes first, which is not counted here.
NAMES = {
    "startup": 600,
    "idle": 600,
    "job_list": 2400,
    "pages": 1500,
    "submit": 900,
    "cancel": 600,
    "live_logs": 900,
    "viewers": 600,
    "log_loss": 4500,
    "ingest": 900,
    "recover": 1500,
    "watch": 1500,
    "log_scroll": 300,
    "page_feel": 1800,
    "scoring": 1200,
    "deploy": 900,
    "router": 1800,
    "rollout": 1200,
}
BUILD_SECONDS = 50 * 60
# Options that one of them knows.
ONLY = {"full": "job_list", "seeds": "log_loss", "seconds": "log_loss"}


def main(words: Sequence[str] | None = None) -> int:
    """Run one benchmark; return the exit code: 0 measured, 1 not measured, 2 asked for wrongly."""
    options = asked(words)
    if options.name == "report":
        return _report(options.files)
    if options.name == "all":
        return everything.run(NAMES)
    handlers = {number: signal.signal(number, _stop) for number in (signal.SIGTERM, signal.SIGALRM)}
    signal.alarm(NAMES[options.name] + BUILD_SECONDS)
    before, began, at = machine(), time.monotonic(), datetime.datetime.now(datetime.UTC)
    try:
        more = {name: value for name in ONLY if (value := getattr(options, name))}
        with databases.chosen(options.database):
            figures = importlib.import_module(f"benchmarks.{options.name}").run(quick=options.quick, **more)
    except NotThereError as error:
        say(f"{options.name} was not measured: {error}")
        return 1
    finally:
        signal.alarm(0)
        for number, handler in handlers.items():
            signal.signal(number, handler)
    took = round(time.monotonic() - began, 1)
    result = {
        "name": options.name,
        # How long the measuring took, unless seconds are what was measured.
        "seconds": took,
        **figures,
        **({} if options.database == databases.SQLITE else {"database": options.database}),
        "quick": options.quick,
        "took_seconds": took,
        "at": at.isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": before,
    }
    if not options.json:
        print(table(result))
    print(json.dumps(result), flush=True)
    return 0


def asked(words: Sequence[str] | None) -> argparse.Namespace:
    """Return what was asked for; what a benchmark does not know ends the program."""
    made = parser()
    options = made.parse_args(words)
    for name, known in ONLY.items():
        if getattr(options, name) and options.name != known:
            made.error(f"--{name} is for {known} only")
    if options.database != databases.SQLITE and options.name not in databases.ON_BOTH:
        made.error(f"--database is for {', '.join(databases.ON_BOTH)} only")
    return options


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the studio; the figures come as JSON, last.")
    made.add_argument("name", choices=[*sorted(NAMES), "all", "report"], help="what to measure")
    made.add_argument("files", nargs="*", type=Path, metavar="FILE", help="with report: what benchmarks have printed")
    made.add_argument("--json", action="store_true", help="print the JSON object only")
    made.add_argument("--quick", action="store_true", help="measure less, to see that it works; the figures say little")
    made.add_argument("--full", action="store_true", help="with job_list: a million jobs, too")
    made.add_argument("--seeds", type=_count, metavar="N", help="with log_loss: so many seeds, from 1 on")
    made.add_argument("--seconds", type=_count, metavar="N", help="with log_loss: for so long each")
    made.add_argument(
        "--database", choices=[databases.SQLITE, databases.POSTGRESQL], default=databases.SQLITE,
        help=f"with {', '.join(databases.ON_BOTH)}: which database the studio has; PostgreSQL is started for it",
    )  # fmt: skip
    return made


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError("give a number from 1 on")
    return int(text)


def _report(files: Sequence[Path]) -> int:
    try:
        taken = report.write(files)
    except (NotThereError, OSError) as error:
        say(f"nothing was written: {error}")
        return 1
    say(f"{report.PAGE} was written; new figures: {', '.join(taken) or 'none'}")
    return 0


def table(result: dict[str, Any]) -> str:
    """Return the plain figures as lines for a person."""
    plain = {key: value for key, value in result.items() if not isinstance(value, dict)}
    width = max(map(len, plain))
    return "\n".join(f"{key:{width}}  {value}" for key, value in plain.items())


def _stop(number: int, frame: FrameType | None) -> None:
    """End in an orderly way, so that all that was started is taken down again."""
    say("not measured: it took too long" if number == signal.SIGALRM else "not measured: it was told to stop")
    # Nothing else passes through an event loop's tasks as it is.
    raise SystemExit(1)


if __name__ == "__main__":
    sys.exit(main())
