"""The supervisor as a process of this machine: started in its own session, found again, stopped."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

from sandbox.errors import SandboxError, tail
from sandbox.places import ClusterPlace, read_json, write_json
from sandbox.shell import direct_env

STOP_PATIENCE = 120.0
PACKAGE_PARENT = Path(__file__).resolve().parent.parent


def start(place: ClusterPlace, *, namespaces: bool) -> tuple[int, str]:
    """Start the supervisor of a cluster; return its process id on this machine and the token of this start."""
    token = secrets.token_hex(8)
    argv = [sys.executable, "-m", "sandbox.supervisor", str(place.root)]
    if namespaces:
        # --kill-child: whatever happens to the outer process, the node inside goes with it.
        argv = ["unshare", "--mount", "--net", "--pid", "--ipc", "--fork", "--mount-proc", "--kill-child", *argv]
    place.health.unlink(missing_ok=True)
    place.network_ready.unlink(missing_ok=True)
    with (place.folder("log") / "supervisor.out").open("wb") as log:
        started = subprocess.Popen(
            argv,
            env=direct_env(PYTHONPATH=str(PACKAGE_PARENT), MOORING_SANDBOX_START=token),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    started.returncode = 0  # it is meant to outlive this process: nobody here waits for it
    outer = started.pid
    inner = _first_child(outer) if namespaces else outer
    if inner is None:
        raise SandboxError(
            "supervisor",
            "the node's namespaces cannot be made on this machine.",
            "Allow mount, network and process namespaces (root, and no container that forbids them).",
            log=tail(place.logs / "supervisor.out"),
        )
    write_json(
        place.root / "supervisor.json",
        {"outer": outer, "inner": inner, "outer_since": _since(outer), "inner_since": _since(inner)},
    )
    return inner, token


def is_running(place: ClusterPlace) -> bool:
    """Tell whether the cluster's supervisor lives."""
    return inner_pid(place) is not None


def inner_pid(place: ClusterPlace) -> int | None:
    """Return the supervisor's process id on this machine, None when it does not run."""
    found = read_json(place.root / "supervisor.json")
    pid = int(found.get("inner", 0))
    return pid if pid and _since(pid) == found.get("inner_since") else None


def nudge(place: ClusterPlace) -> None:
    """Have the supervisor start at once what waits for its next start."""
    pid = inner_pid(place)
    if pid:
        os.kill(pid, signal.SIGHUP)


def stop(place: ClusterPlace) -> None:
    """Stop the supervisor and with it everything it started; returns when nothing of it is left."""
    found = read_json(place.root / "supervisor.json")
    pid = inner_pid(place)
    if pid:
        os.kill(pid, signal.SIGTERM)
        if not _gone(pid, STOP_PATIENCE):
            os.kill(pid, signal.SIGKILL)
            _gone(pid, 10.0)
    outer = int(found.get("outer", 0))
    if outer and _since(outer) == found.get("outer_since"):
        os.kill(outer, signal.SIGKILL)
        _gone(outer, 10.0)
    leftovers(place)
    (place.root / "supervisor.json").unlink(missing_ok=True)
    place.health.unlink(missing_ok=True)


def leftovers(place: ClusterPlace) -> None:
    """Kill what names the cluster's folder on its command line and outlived its supervisor."""
    needle = f"{place.root}/"
    for _ in range(50):
        left = [pid for pid in _processes() if needle in _command(pid) and pid != os.getpid()]
        left = [pid for pid in left if "-m\0sandbox\0" not in _command(pid) and _program(pid) in OURS]
        if not left:
            return
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.1)


OURS = {
    "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok", "kubelet", "kube-proxy",
    "containerd", "containerd-shim-runc-v2", "docker-registry",
}  # fmt: skip


def host_pids(place: ClusterPlace) -> dict[str, int]:
    """Return the components' process ids on this machine; 0 for one that does not run."""
    health = read_json(place.health)
    inner = inner_pid(place)
    if not inner:
        return dict.fromkeys(health, 0)
    seen = {_namespace_pid(pid): pid for pid in _children(inner)}
    return {name: seen.get(int(state.get("pid", 0)), 0) if state.get("pid") else 0 for name, state in health.items()}


def _first_child(pid: int) -> int | None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        children = _children(pid)
        # Before its program runs, the child is still a copy of "unshare" in namespaces that are half made.
        runs = bool(children) and "sandbox.supervisor" in _command(children[0]).split("\0")
        if runs and Path(f"/proc/{children[0]}/exe").resolve().name != "unshare":
            return children[0]
        if not Path(f"/proc/{pid}").exists() or _state(pid) == "Z":
            return None
        time.sleep(0.02)
    return None


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _namespace_pid(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("NSpid:"):
                return int(line.split()[-1])
    except OSError:
        pass
    return 0


def _processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except OSError:
        return ""


def _program(pid: int) -> str:
    return Path(_command(pid).split("\0", 1)[0]).name


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _state(pid: int) -> str:
    fields = _stat(pid)
    return fields[0] if fields else ""


def _since(pid: int) -> str:
    """Return when a process started, in ticks since boot: with the pid it names one process of this boot."""
    fields = _stat(pid)
    if not fields or fields[0] == "Z":
        return ""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}:{fields[19]}"


def _gone(pid: int, patience: float) -> bool:
    """Wait for a process to end; collects it when it is a child of this one."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            pass
        if not _since(pid):
            return True
        time.sleep(0.05)
    return False
