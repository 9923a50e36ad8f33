"""What the machine says of the studio's processes and disk."""

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

from django.conf import settings

# What lies in the data folder, in the words of the pages.
PARTS = {"blobs": "Files by content", "runs": "Logs of jobs", "tmp": "Uploads on their way", "run": "Sockets and state", "keys": "Keys"}
MEASURED_FOR_S = 60.0
BUDGET_S = 1.5
_measured: tuple[float, list[dict[str, Any]]] = (0.0, [])


def children() -> list[dict[str, Any]]:
    """Return the supervisor's children with their memory; nothing where no supervisor runs the studio."""
    try:
        status = json.loads((settings.DATA / "run" / "status.json").read_bytes())
        told = list(status["children"])
        supervisor = int(status["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return []
    if not _alive(supervisor):
        return []
    own = {"name": "supervisor", "state": "running", "pid": supervisor, "restarts": 0, "since": status.get("started", ""), "last_exit": ""}
    return [{**child, "memory": memory_of(child.get("pid"))} for child in [own, *told]]


def memory_of(pid: int | None) -> int | None:
    """Return how much memory a process takes in bytes, its part of what it shares included (PSS); None where nobody says."""
    if not pid:
        return None
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return None


def disk() -> dict[str, Any]:
    """Return the room on the data folder's disk and what each part of it takes; measured once a minute."""
    global _measured
    room = shutil.disk_usage(settings.DATA)
    if time.monotonic() - _measured[0] > MEASURED_FOR_S or not _measured[1]:
        deadline = time.monotonic() + BUDGET_S
        _measured = (time.monotonic(), [_part(name, title, deadline) for name, title in PARTS.items()])
    return {"total": room.total, "used": room.used, "free": room.free, "folder": str(settings.DATA), "parts": _measured[1]}


def _part(name: str, title: str, deadline: float) -> dict[str, Any]:
    size, whole = _size(Path(settings.DATA) / name, deadline)
    return {"name": name, "title": title, "bytes": size, "whole": whole}


def _size(folder: Path, deadline: float) -> tuple[int, bool]:
    """Return the bytes of all files below a folder; false when time ran out before all were counted."""
    size = 0
    waiting = [folder]
    while waiting:
        if time.monotonic() > deadline:
            return size, False
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
                    elif entry.is_file(follow_symlinks=False):
                        # Blocks that are taken: a log with holes is as large as what was written.
                        size += entry.stat(follow_symlinks=False).st_blocks * 512
        except OSError:
            continue
    return size, True


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
