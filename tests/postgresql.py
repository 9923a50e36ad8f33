"""A PostgreSQL of the tests' own: `python -m tests.postgresql COMMAND ...` runs a command with `DATABASE_URL` naming it.

Each studio that tests and benchmarks start makes a database of its own there (`benchmarks.databases`).

The server listens on a unix socket in a folder that goes with it, and does not wait for the disk: nothing in it is to be kept.
Root may not run PostgreSQL: then it runs as the user that Debian's package made for it, else as `nobody`.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from benchmarks.databases import SERVER

USER = "mooring"
# What tests ask for; more than one process of them, each with a few threads.
_OPTIONS = "-c max_connections=200 -c listen_addresses="
_CARELESS = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off"


@contextlib.contextmanager
def server(*, durable: bool = False) -> Iterator[str]:
    """Run a server and give its address; raise `FileNotFoundError` where PostgreSQL is not installed.

    A `durable` one waits for the disk, as one does that is to keep something.
    """
    folder = Path(tempfile.mkdtemp(prefix="mooring-postgres-"))
    data, log = folder / "data", folder / "log"
    as_whom = _owner()
    options = f"{_OPTIONS} -k {folder}" if durable else f"{_OPTIONS} {_CARELESS} -k {folder}"
    try:
        if as_whom:
            shutil.chown(folder, as_whom)
        _run(as_whom, _program("initdb"), "-D", str(data), "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        _run(as_whom, _program("pg_ctl"), "-D", str(data), "-l", str(log), "-w", "-o", options, "start")
        try:
            yield f"postgresql://{USER}@/postgres?host={quote(str(folder))}"
        finally:
            _run(as_whom, _program("pg_ctl"), "-D", str(data), "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _program(name: str) -> str:
    """Return the newest of a program: Debian keeps those of each version in a folder of its own, beside the PATH."""
    kept = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4].split(".")[0]))
    found = str(kept[-1]) if kept else shutil.which(name)
    if not found:
        raise FileNotFoundError(f"there is no {name} on this machine; `make setup` installs PostgreSQL")
    return found


def _owner() -> str:
    """Return as whom the server runs: nothing where that is us."""
    if os.geteuid() != 0:
        return ""
    names = {one.pw_name for one in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _run(as_whom: str, *command: str) -> None:
    done = subprocess.run(
        command, user=as_whom or None, group=pwd.getpwnam(as_whom).pw_gid if as_whom else None, extra_groups=[] if as_whom else None,
        cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}")


def main(command: list[str]) -> int:
    """Run a command beside a server of its own; return its exit code."""
    with server() as url:
        return subprocess.run(command, env=os.environ | {"DATABASE_URL": url, SERVER: url}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
