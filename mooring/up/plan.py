"""Which children make up a studio: their commands, environments and how each is known to be ready. Pure.

Memory decides the shape (an idle studio stays under 450 MB): one Celery worker serves both queues with threads.
The long legs of queue `stream` cannot starve the short tasks of `kube`: a leg holds a lease of its kind and a second
one of that kind returns at once, so legs take a thread or two of eight and the others are always free. Beat is a child
of its own, because a beat inside the worker (`-B`) forks and would outlive a killed worker and send everything twice;
it loads no Django and takes 35 MB.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from mooring.errors import MooringError

DEFAULT_LISTEN = "127.0.0.1:8080"
# A unix socket's path has 108 bytes on Linux and 104 elsewhere, the closing zero included.
LONGEST_SOCKET_PATH = 100
OWN_PARENT = str(Path(__file__).resolve().parents[2])


@dataclass(frozen=True)
class Ready:
    """How a child shows that it is ready: a socket or an address that answers, or a line of its log."""

    kind: Literal["redis", "http", "line", "alive"] = "alive"
    target: str = ""
    pattern: re.Pattern[str] | None = None
    within_seconds: float = 60


@dataclass(frozen=True)
class ChildPlan:
    """One child: its name in the log, its command, its whole environment, and what to do around it."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path
    ready: Ready = field(default_factory=Ready)
    once: bool = False  # ends by itself before the next one starts; its failure ends the whole start
    after_death: tuple[str, ...] = ()  # run when it died; "{pid}" stands for the dead process


@dataclass(frozen=True)
class Layout:
    """Where things of one studio lie and listen."""

    data: Path
    listen: tuple[str, ...]
    root: Path  # the folder with manage.py

    @property
    def url(self) -> str:
        """Return the address for people on this machine."""
        return f"http://{reachable(self.listen[0])}"

    @property
    def socket(self) -> Path:
        """Return the path of Redis' socket: in the data folder unless that makes it longer than the system allows."""
        path = self.data / "run" / "redis.sock"
        if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
            return path
        digest = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"mooring-{os.getuid()}-{digest}" / "redis.sock"


def layout(data: Path | None, listen: tuple[str, ...], environment: Mapping[str, str]) -> Layout:
    """Return the layout from options, else from the environment, else the defaults."""
    default = Path(environment.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "mooring"
    folder = data or Path(environment.get("MOORING_DATA") or default)
    named = listen or tuple(part.strip() for part in environment.get("MOORING_LISTEN", "").split(",") if part.strip())
    root = Path(environment.get("MOORING_ROOT") or OWN_PARENT)
    if not (root / "manage.py").is_file():
        raise MooringError(
            "studio-not-here",
            "The studio's own files are not here",
            f"There is no manage.py in {root}: this is the client alone.",
            "Run it from a checkout of Mooring, or set MOORING_ROOT to one.",
        )
    return Layout(data=folder.expanduser().absolute(), listen=tuple(map(_whole, named)) or (DEFAULT_LISTEN,), root=root)


def children(place: Layout, environment: Mapping[str, str]) -> list[ChildPlan]:
    """Return the children in the order in which they start."""
    shared = _environment(place, environment)
    python = sys.executable
    own_redis = "REDIS_URL" not in environment and "REDIS_URL_FILE" not in environment
    plans = [_redis(place)] if own_redis else []
    plans += [
        # Migrations and the first start in one process: loading Django twice would double the wait.
        ChildPlan("setup", (python, "manage.py", "mooring_first_start", "--migrate"), shared, place.root, once=True),
        ChildPlan(
            "web",
            (python, "-m", "studio.web"),
            shared,
            place.root,
            Ready("http", reachable(place.listen[0])),
        ),
        ChildPlan(
            "worker",
            (
                *(python, "-m", "celery", "--quiet", "-A", "studio.celery", "worker", "--loglevel", "INFO"),
                *("--pool", "threads", "--concurrency", "8", "--queues", "kube,stream", "--hostname", "worker@mooring"),
                # One worker has nobody to gossip with, and mingling costs a second of every start.
                *("--without-gossip", "--without-mingle", "--without-heartbeat"),
            ),
            shared,
            place.root,
            Ready("line", pattern=re.compile(r"\bready\.")),
            after_death=(python, "-m", "mooring.up.leases", "{pid}"),
        ),
        ChildPlan(
            "beat",
            (python, "-m", "studio.beat"),
            shared,
            place.root,
        ),
    ]
    return plans


def sqlite_file(place: Layout, environment: Mapping[str, str]) -> Path | None:
    """Return the file of the studio's database where that is one (studio/environment.py reads it so, too), else nothing."""
    url = environment.get("DATABASE_URL", "")
    if not url and environment.get("DATABASE_URL_FILE"):
        return None
    if not url or url.startswith("sqlite:"):
        return Path(unquote(url.removeprefix("sqlite:///")) if url else place.data / "mooring.sqlite3").resolve()
    return None


def reachable(address: str) -> str:
    """Return a `host:port` that a client on this machine can use: a wildcard becomes the loopback address."""
    host, _, port = address.rpartition(":")
    wildcards = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 read, not bound
    return f"{wildcards.get(host, host)}:{port}"


def _environment(place: Layout, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the whole environment of the studio's children: the person's own, and what the supervisor decides."""
    decided = {
        "MOORING_DATA": str(place.data),
        "MOORING_LISTEN": ",".join(place.listen),
        "MOORING_URL": place.url,
        "MOORING_STATUS": str(place.data / "run" / "status.json"),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(place.root), OWN_PARENT, environment.get("PYTHONPATH")))),
        "PYTHONUNBUFFERED": "1",
        # glibc gives each thread an arena of its own; two are enough and keep idle memory down.
        "MALLOC_ARENA_MAX": environment.get("MALLOC_ARENA_MAX", "2"),
    }
    if "REDIS_URL" not in environment and "REDIS_URL_FILE" not in environment:
        decided["REDIS_URL"] = f"unix://{place.socket}"
    outward = [address for address in place.listen if not _is_local(address)]
    if outward and not environment.get("MOORING_POD_URL"):
        decided["MOORING_POD_URL"] = f"http://{outward[0]}"
    return {**environment, **decided}


def _redis(place: Layout) -> ChildPlan:
    server = shutil.which("redis-server") or shutil.which("valkey-server")
    if server is None:
        raise MooringError(
            "redis-missing",
            "There is no Redis",
            "Neither redis-server nor valkey-server is on the PATH, and REDIS_URL is not set.",
            "Install the package redis-server (or valkey), or set REDIS_URL to a server that runs.",
        )
    # Nothing is kept on disk: what a lost Redis takes along is nudges and live events, which the sweeps and the
    # pages' resync replace.
    command = [server, "--port", "0", "--unixsocket", str(place.socket), "--unixsocketperm", "700"]
    command += ["--save", "", "--appendonly", "no", "--dir", str(place.data / "run"), "--databases", "2"]
    command += ["--daemonize", "no", "--loglevel", "warning"]
    minimal = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}
    return ChildPlan("redis", tuple(command), minimal, place.data, Ready("redis", str(place.socket)))


def _whole(address: str) -> str:
    """Read a bare port as one on this machine."""
    return f"127.0.0.1:{address}" if address.isdigit() else address


def _is_local(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    return host in ("", "localhost", "0.0.0.0", "::", "::1") or host.startswith("127.")  # noqa: S104 read, not bound
