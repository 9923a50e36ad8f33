"""The volume that the containers of a job share, and what the studio wants of them."""

from __future__ import annotations

import json
import os
import time
from typing import Any, NamedTuple
from urllib.parse import quote

from runner.errors import RunnerError

PORT = 8484
MOUNT = "/mooring"
LOGS = ("std_log.txt", "prepare.txt", "runner.txt")
# Group-writable with the group kept: also an arbitrary user of group 0, as OpenShift gives, can write.
FOLDER_MODE = 0o2775
FILE_MODE = 0o664


class Layout(NamedTuple):
    """Where things lie below the shared volume."""

    root: str

    def path(self, *parts: str) -> str:
        """Give the path of something in the volume."""
        return os.path.join(self.root, *parts)

    def run(self, *parts: str) -> str:
        """Give the path of a file about the run itself."""
        return os.path.join(self.root, "run", *parts)

    def log(self, name: str) -> str:
        """Give the path of a log."""
        return os.path.join(self.root, "run", "log", name)

    def place(self, path: str) -> str:
        """Give the place of a path that the studio wrote, refusing one outside of the volume."""
        wanted = os.path.normpath(path)
        if wanted != MOUNT and not wanted.startswith(MOUNT + "/"):
            raise RunnerError("job-spec-unreadable", f"The path {path} is not below {MOUNT}.")
        return os.path.normpath(os.path.join(self.root, os.path.relpath(wanted, MOUNT)))


class Spec(NamedTuple):
    """What the studio wants of the containers of one pod."""

    job: str
    process: int
    url: str
    ca: str | None
    transport: str
    code: str | None
    inputs: dict[str, dict[str, Any]]
    outputs: dict[str, dict[str, Any]]
    command: str
    timeout_seconds: float | None
    grace_seconds: float
    drain_seconds: float
    # Where the studio keeps what is to be brought, below its own address.
    base: str
    # `deployment`: files for a server that others start, with the scoring server beside them. Else a job's.
    kind: str


def layout() -> Layout:
    """Give the shared volume of this container."""
    return Layout(os.environ.get("MOORING_ROOT", MOUNT))


def secret_folder() -> str:
    """Give the folder in which the job's Secret is mounted."""
    return os.environ.get("MOORING_SECRET", "/var/run/mooring")


def read_token() -> str:
    """Read the token of this one job."""
    return _read("token").strip()


def read_spec() -> Spec:
    """Read what the studio wants; raise RunnerError when it cannot be understood."""
    try:
        raw = json.loads(_read("spec.json"))
        if raw["version"] != 1:
            raise RunnerError("job-spec-unreadable", f"This runner does not know version {raw['version']} of spec.json.")
        studio = raw.get("studio") or {}
        return Spec(
            job=raw["job"],
            # One Secret serves every pod of a job: which of them this is only the pod itself knows.
            process=int(os.environ.get("MOORING_PROCESS_INDEX") or (raw.get("process") or {}).get("index", 0)),
            url=(studio.get("url") or "").rstrip("/"),
            ca=studio.get("ca"),
            transport=raw.get("transport", "direct"),
            code=(raw.get("code") or {}).get("digest"),
            inputs=raw.get("inputs") or {},
            outputs=raw.get("outputs") or {},
            command=raw["command"],
            timeout_seconds=raw.get("timeout_seconds"),
            grace_seconds=float(raw.get("grace_seconds", 30)),
            drain_seconds=float(raw.get("drain_seconds", 540)),
            base=raw.get("base") or f"/runner/v1/jobs/{quote(raw['job'], safe='')}",
            kind=raw.get("kind", "job"),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunnerError("job-spec-unreadable", f"spec.json cannot be understood: {error!r}.") from error


def _read(name: str) -> str:
    try:
        with open(os.path.join(secret_folder(), name), encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise RunnerError("job-spec-unreadable", f"{name} of the job's Secret cannot be read: {error}.") from error


def make_folder(path: str) -> None:
    """Make a folder and those above it, writable by the group."""
    if os.path.isdir(path):
        return
    make_folder(os.path.dirname(path))
    try:
        os.mkdir(path)
    except FileExistsError:
        return
    os.chmod(path, FOLDER_MODE)


def replace_file(path: str, content: bytes) -> None:
    """Write a file so that nobody ever sees half of it."""
    spare = f"{path}.new"
    with open(spare, "wb") as file:
        file.write(content)
    os.chmod(spare, FILE_MODE)
    os.replace(spare, path)


def read_json(path: str) -> dict[str, Any] | None:
    """Read a JSON object; None when it is not there."""
    try:
        with open(path, "rb") as file:
            found = json.loads(file.read())
    except FileNotFoundError:
        return None
    return found if isinstance(found, dict) else None


class Notes:
    """A system log: lines with their time, in a file and on stdout."""

    def __init__(self, path: str) -> None:
        self._path = path

    def say(self, text: str) -> None:
        """Add one line; a full disk keeps it from the file only."""
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03d}Z"
        line = f"{stamp} {text}\n"
        try:
            os.write(1, line.encode("utf-8", "replace"))
        except OSError:
            pass
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
            try:
                os.write(handle, line.encode("utf-8", "replace"))
            finally:
                os.close(handle)
        except OSError:
            pass
