"""What `mooring up`, `mooring status` and `mooring down` do."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from mooring.errors import MooringError
from mooring.up import lock, plan, preparation
from mooring.up.output import Log
from mooring.up.supervisor import Supervisor


def up(data: Path | None, listen: tuple[str, ...], *, browser: bool) -> int:
    """Run the studio in the foreground until told to stop; return the exit code."""
    environment = dict(os.environ)
    place = plan.layout(data, listen, environment)
    preparation.make_folders(place)
    held, database = lock.FolderLock(place.data), list[lock.DatabaseLock]()
    holder = lock.Holder(pid=os.getpid(), url=place.url)
    held.take(holder)
    try:
        if (file := plan.sqlite_file(place, environment)) and file.parent.is_dir():
            database.append(lock.DatabaseLock(file))
            database[0].take(holder)
        plans = plan.children(place, environment)
        preparation.remove_stale_socket(place.socket)
        preparation.check_addresses(place.listen)
        log = Log([one.name for one in plans])
        log.say(f"data folder {place.data}, listening on {', '.join(place.listen)}")

        def when_ready() -> None:
            log.say(f"the studio is at {place.url} — Ctrl-C stops it")
            if browser:
                _open_browser(place.url)

        supervisor = Supervisor(
            plans,
            log,
            status_file=place.data / "run" / "status.json",
            facts={"url": place.url, "listen": list(place.listen), "data": str(place.data)},
            when_ready=when_ready,
        )
        return asyncio.run(supervisor.run())
    finally:
        for each in (*database, held):
            each.release()


def folder(data: Path | None) -> Path:
    """Return the data folder that `status` and `down` look at."""
    default = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "mooring"
    return (data or Path(os.environ.get("MOORING_DATA") or default)).expanduser().absolute()


def status(data: Path | None) -> dict[str, Any]:
    """Return what runs on a data folder; `running` is false when nothing does."""
    place = folder(data)
    holder = lock.holder_of(place)
    if holder is None:
        return {"running": False, "data": str(place), "children": []}
    written = lock.status_of(place) or {}
    return {"data": str(place), "children": [], **written, "running": True, "pid": holder.pid, "url": holder.url}


def down(data: Path | None, *, within_seconds: float = 15) -> bool:
    """Stop the studio of a data folder and wait until it has gone; false when none ran."""
    place = folder(data)
    holder = lock.holder_of(place)
    if holder is None:
        return False
    try:
        os.kill(holder.pid, signal.SIGTERM)
    except ProcessLookupError:
        return True
    except PermissionError:
        raise MooringError(
            "not-yours-to-stop",
            "The studio belongs to another user",
            f"Process {holder.pid} runs as another user.",
            "Stop it as that user, or as root.",
        ) from None
    deadline = time.monotonic() + within_seconds
    while lock.holder_of(place) is not None:
        if time.monotonic() > deadline:
            raise MooringError(
                "still-stopping",
                "The studio has not stopped yet",
                f"Process {holder.pid} was asked to stop and is still there after {within_seconds:.0f} s.",
                f"Look at its log, or end it with `kill -9 {holder.pid}`: its children end with it.",
            )
        time.sleep(0.05)
    return True


def manage(data: Path | None, *words: str, environment: dict[str, str]) -> int:
    """Run one of the studio's own commands on a data folder, with the settings that its parts get; return the exit code."""
    place = plan.layout(data, (), environment)
    preparation.make_folders(place)
    setup = next(one for one in plan.children(place, environment) if one.name == "setup")
    return subprocess.run((sys.executable, "manage.py", *words), cwd=place.root, env=dict(setup.environment), check=False).returncode


def resealed(data: Path | None) -> dict[str, Any]:
    """Seal every secret of a studio with its newest key (`manage.py mooring_reseal`), beside one that runs or not; return how many."""
    running = lock.holder_of(folder(data)) is not None
    return _told(data, "mooring_reseal", *(["--running"] if running else []))


def kept(data: Path | None, *words: str, alone: bool) -> dict[str, Any]:
    """Take or restore a backup of a data folder (`manage.py mooring_backup`) and return what was done; `alone` refuses a running studio.

    The file may be this process's own standard input or output. Raises `MooringError` with the problem that the command tells.
    """
    place = folder(data)
    held = lock.FolderLock(place)
    if alone:
        preparation.make_folders(plan.layout(data, (), os.environ))
        held.take(lock.Holder(pid=os.getpid(), url="no address: a backup is being restored"))
    try:
        return _told(data, "mooring_backup", *words)
    finally:
        held.release()


def _told(data: Path | None, *words: str) -> dict[str, Any]:
    """Run one of the studio's own commands and return the last line that it tells, or raise the problem in it."""
    setup = next(one for one in plan.children(plan.layout(data, (), os.environ), os.environ) if one.name == "setup")
    command = (sys.executable, "manage.py", *words)
    done = subprocess.run(command, cwd=setup.folder, env=dict(setup.environment), stderr=subprocess.PIPE, check=False)
    told = done.stderr.decode("utf-8", "replace").strip()
    try:
        answer: dict[str, Any] = json.loads(told.splitlines()[-1])
    except (IndexError, ValueError):
        raise MooringError("studio-command-failed", "The studio's own command failed", told[-2000:] or f"It ended with {done.returncode}.",
                           "Mend what is said and run it again.") from None  # fmt: skip
    if done.returncode:
        raise MooringError(answer["id"], answer["title"], answer["detail"], answer["todo"])
    return answer


def _open_browser(url: str) -> None:
    """Open the browser where there is a screen; on a server, a text browser would take over the terminal."""
    screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or sys.platform == "darwin"
    if sys.stdout.isatty() and screen:
        subprocess.Popen(
            [sys.executable, "-m", "webbrowser", url],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
