"""Memory and processor time of a process and all that it started, as the kernel counts them."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """Return a process and all its descendants that are alive."""
    children: dict[int, list[int]] = {}
    for each in Path("/proc").iterdir():
        if each.name.isdigit() and (stat := _text(each / "stat")):
            children.setdefault(parent_of(stat), []).append(int(each.name))
    found = [pid]
    for each_pid in found:
        found += children.get(each_pid, [])
    return found


def pss_mb(pids: list[int]) -> float:
    """Return the proportional memory of processes in MB: what they share counts once among all who share it."""
    return sum(pss_kb(_text(Path(f"/proc/{pid}/smaps_rollup"))) for pid in pids) / 1024


def cpu_seconds(pids: list[int]) -> float:
    """Return the processor time that processes have used, with that of their children that have ended."""
    return sum(ticks(stat) for pid in pids if (stat := _text(Path(f"/proc/{pid}/stat")))) / TICKS


def name_of(pid: int) -> str:
    """Return in a word what a process of the studio is."""
    words = _text(Path(f"/proc/{pid}/cmdline")).split("\0")
    for mark, name in (("studio.web", "web"), ("worker", "worker"), ("studio.beat", "beat"), ("up", "supervisor")):
        if mark in words:
            return name
    return "redis" if "redis-server" in words[0] or "valkey" in words[0] else words[0].rpartition("/")[2] or "unknown"


def parent_of(stat: str) -> int:
    """Return the parent that a line of /proc/PID/stat names; the command in it may contain anything."""
    return int(stat.rpartition(")")[2].split()[1])


def ticks(stat: str) -> int:
    """Return user and system time of a line of /proc/PID/stat, with that of the children it has waited for."""
    return sum(int(each) for each in stat.rpartition(")")[2].split()[11:15])


def pss_kb(rollup: str) -> int:
    """Return the proportional set size that /proc/PID/smaps_rollup names."""
    lines = (line.split() for line in rollup.splitlines())
    return next((int(words[1]) for words in lines if words and words[0] == "Pss:"), 0)


def _text(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace")
    return ""
