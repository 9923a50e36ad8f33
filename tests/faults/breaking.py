"""Ways to break things and to make them whole again: processes, the cluster's components, the network, the disk, the database."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import struct
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.process import SANDBOX_SECONDS, sandbox
from compute.kube import kinds
from compute.kube.client import KubeClient
from compute.kube.errors import KubeError
from sandbox import process
from sandbox.places import ClusterPlace

MARK = "mooring-faults"
STARTED_SECONDS = 90


def kill(pid: int) -> None:
    """Kill a process as the kernel does that has no memory left."""
    os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def paused(*pids: int) -> Iterator[None]:
    """Have processes stand still, as a machine does that is moved or swaps."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@dataclass
class Cluster:
    """A cluster of the sandbox that may be broken."""

    name: str
    status: dict[str, Any]

    @property
    def place(self) -> ClusterPlace:
        return ClusterPlace.of(self.name)

    @property
    def node(self) -> str:
        """Return the name of its only node."""
        return str(self.status["nodes"][0]["name"])

    def pid(self, component: str) -> int:
        """Return the process of a component on this machine; waits until it runs."""
        deadline = time.monotonic() + STARTED_SECONDS
        while not (found := process.host_pids(self.place).get(component)):
            assert time.monotonic() < deadline, f"{component} does not run"
            time.sleep(0.1)
        return found

    def kill(self, *components: str) -> None:
        """Kill components; what keeps the cluster starts them again, after a longer pause each time unless it is nudged."""
        for pid in [self.pid(each) for each in components]:
            kill(pid)
        self.hurry(*components)

    def hurry(self, *components: str) -> None:
        """Have what was killed started again at once."""
        for each in components:
            deadline = time.monotonic() + STARTED_SECONDS
            while not process.host_pids(self.place).get(each):
                assert time.monotonic() < deadline, f"{each} was not started again"
                process.nudge(self.place)
                time.sleep(0.2)

    @contextlib.contextmanager
    def cut_off(self) -> Iterator[None]:
        """Drop whatever this machine sends to the API server, as a firewall does that nobody was told of."""
        rule = ["OUTPUT", "-d", self.status["server"].split("//")[1].split(":")[0], "-p", "tcp", "--dport", "6443"]
        rule += ["-m", "comment", "--comment", MARK, "-j", "DROP"]
        subprocess.run(["iptables", "-w", "-I", *rule], check=True)
        try:
            yield
        finally:
            subprocess.run(["iptables", "-w", "-D", *rule], check=True)

    def state(self, folder: Path) -> Path:
        """Copy what the cluster's database holds now, as a snapshot of its disk would."""
        with paused(self.pid("etcd")):
            shutil.copytree(self.place.root / "etcd", folder)
        return folder

    def restore(self, folder: Path) -> None:
        """Put a state of before in the place of the present one, and start everything that knew the present one again."""
        held = process.inner_pid(self.place)
        assert held, "the cluster does not run"
        control = ("kube-apiserver", "etcd", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
        pids = [self.pid(each) for each in control]
        with paused(held):
            for pid in pids:
                kill(pid)
            shutil.rmtree(self.place.root / "etcd")
            shutil.copytree(folder, self.place.root / "etcd")
        deadline = time.monotonic() + STARTED_SECONDS
        while set(process.host_pids(self.place).values()) & {0, *pids}:
            assert time.monotonic() < deadline, "not all was started again"
            process.nudge(self.place)
            time.sleep(0.2)

    def without_power(self) -> None:
        """Take the node's power away, with all that runs on it, and give it back."""
        held = process.inner_pid(self.place)
        assert held, "the cluster does not run"
        kill(held)
        self.status = sandbox("up", "--name", self.name, seconds=SANDBOX_SECONDS)


def answers(kube: KubeClient) -> bool:
    """Tell whether the cluster takes a change and has a node that is ready and not cordoned."""
    try:
        nodes = kube.list(kinds.NODE)
        kube.patch(kinds.NAMESPACE, "default", {"metadata": {"annotations": {"mooring.dev/test": str(time.time())}}})
    except KubeError:
        return False
    return any(_is_ready(each) for each in nodes)


def _is_ready(node: dict[str, Any]) -> bool:
    conditions = {each["type"]: each["status"] for each in node["status"].get("conditions") or []}
    taints = [each for each in node["spec"].get("taints") or [] if each["effect"] != "PreferNoSchedule"]
    return conditions.get("Ready") == "True" and not taints


@contextlib.contextmanager
def full_disk(folder: Path, *, leave: int = 0) -> Iterator[None]:
    """Fill the file system that a folder lies in to its last byte (or nearly so)."""
    ballast = folder / "ballast"
    # Connections are kept, and with them the write-ahead log: what it has room for would still be taken, and kept.
    with contextlib.closing(sqlite3.connect(folder / "mooring.sqlite3", timeout=60)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    try:
        with ballast.open("wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12):
                with contextlib.suppress(OSError):
                    while file.write(b"\0" * size) == size:
                        pass
            if leave:
                file.truncate(max(0, file.tell() - leave))
        yield
    finally:
        ballast.unlink()


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """Give a folder a file system of its own of that size, in memory."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", MARK, str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@dataclass(frozen=True)
class Disk:
    """A disk of its own: ext4 in a file, mounted at `folder`, which the kernel makes read-only after an error."""

    folder: Path
    image: Path

    def mount(self) -> None:
        """Give the folder its file system."""
        subprocess.run(["mount", "-o", "loop,errors=remount-ro", str(self.image), str(self.folder)], check=True)

    def unmount(self) -> None:
        """Take it away."""
        subprocess.run(["umount", str(self.folder)], check=True)

    def fail(self) -> None:
        """Have the kernel find an error: whoever has a file open may not write into it any more either."""
        device = subprocess.run(["findmnt", "-no", "SOURCE", str(self.folder)], check=True, capture_output=True, text=True).stdout.strip()
        Path(f"/sys/fs/ext4/{Path(device).name}/trigger_fs_error").write_text("a fault", encoding="ascii")

    def mend(self) -> None:
        """Repair it, as an administrator does, and give it back."""
        self.unmount()
        done = subprocess.run(["e2fsck", "-fy", str(self.image)], capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1), done.stdout
        self.mount()


@contextlib.contextmanager
def disk(folder: Path, size: int) -> Iterator[Disk]:
    """Give a folder a disk of so many bytes that can fail; it is taken away afterwards."""
    made = Disk(folder, folder.with_suffix(".ext4"))
    folder.mkdir()
    with made.image.open("wb") as file:
        file.truncate(size)
    subprocess.run(["mkfs.ext4", "-qF", str(made.image)], check=True)
    made.mount()
    try:
        yield made
    finally:
        made.unmount()


@contextlib.contextmanager
def locked(database: Path) -> Iterator[None]:
    """Hold the database's write lock, as a program does that somebody left in the middle of a transaction."""
    with contextlib.closing(sqlite3.connect(database, timeout=60, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.execute("ROLLBACK")


@contextlib.contextmanager
def read_only(database: Path) -> Iterator[None]:
    """Have whoever opens the database from now on be allowed to read it only."""
    subprocess.run(["mount", "--bind", str(database), str(database)], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(database)], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(database)], check=True)


@dataclass(frozen=True)
class Clock:
    """A clock for processes that are started with its environment: seconds ahead of, or behind, the true one.

    Debian's libfaketime would not do: it has the sleeping of Python fail (`clock_nanosleep` until a monotonic time).
    """

    library: Path
    file: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self.library), "FAULTS_CLOCK": str(self.file)}

    def set(self, seconds: int) -> None:
        """Set the clock, in one step, for all who look at it."""
        with self.file.open("r+b" if self.file.exists() else "wb") as file:
            file.write(struct.pack("=q", seconds))


def clock(folder: Path) -> Clock:
    """Return a clock that goes right until it is set."""
    made = Clock(folder / "clock.so", folder / "clock")
    source = Path(__file__).with_name("clock.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(made.library), str(source), "-ldl"], check=True)
    made.set(0)
    return made


def children(data: Path) -> dict[str, int]:
    """Return the processes of a studio's parts, by what its supervisor last wrote."""
    status = json.loads((data / "run" / "status.json").read_text(encoding="utf-8"))
    return {child["name"]: child["pid"] for child in status["children"] if child["pid"]}


def tidy_machine() -> None:
    """Take away the packet rules that a run which was killed has left."""
    listed = subprocess.run(["iptables", "-w", "-S", "OUTPUT"], check=True, capture_output=True, text=True).stdout
    for line in listed.splitlines():
        if f"--comment {MARK} " in line:
            subprocess.run(["iptables", "-w", "-D", *line.split()[1:]], check=True)
