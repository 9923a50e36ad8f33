"""`mooring doctor`: what stands between this machine and a studio, and what to do about it."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import typer

import mooring
from mooring.cli import session
from mooring.cli.options import Output, Query
from mooring.cli.output import print_result
from mooring.errors import MooringError

_SHOWN = ("state", "check", "found", "todo")
_LITTLE_BYTES = 1_000_000_000


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: good, look (may matter) or wrong, what was found, what to do."""

    check: str
    state: str
    found: str
    todo: str = ""


def add_to(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("doctor")(doctor)


def doctor(output: Output = "table", query: Query = None) -> None:
    """Check this machine, the sign-in, the studio and, for operators, its clusters; 1 when something is wrong."""
    checks = list(examine())
    print_result([asdict(one) for one in checks], output, _SHOWN, query)
    raise typer.Exit(1 if any(one.state == "wrong" for one in checks) else 0)


def examine() -> Iterator[Check]:
    """Yield each check, those of this machine first; what depends on one that failed is left out."""
    yield from _machine()
    known = yield from _configuration()
    if known is None or not (yield from _reached(known.url)):
        return
    yield from _signed_in(known)


def _machine() -> Iterator[Check]:
    python = platform.python_version()
    old = sys.version_info < (3, 11)
    yield Check("Python", "wrong" if old else "good", python, "Install Python 3.11 or newer." if old else "")
    yield Check("client", "good", mooring.__version__)
    server = next((name for name in ("redis-server", "valkey-server") if shutil.which(name)), None)
    todo = "" if server else "Only `mooring up` needs it: install redis-server or valkey, or set REDIS_URL."
    yield Check("Redis for a studio here", "good" if server or os.environ.get("REDIS_URL") else "look", server or "not installed", todo)
    free = shutil.disk_usage(Path.home()).free
    little = free < _LITTLE_BYTES
    yield Check(
        "disk", "look" if little else "good", f"{free / 1e9:.1f} GB free", "Make room before outputs are fetched." if little else ""
    )


def _configuration() -> Any:
    """Yield where the studio's address and token come from; return them, or None."""
    kept = session.credentials_file()
    if kept.exists() and kept.stat().st_mode & 0o077:
        yield Check("stored token", "wrong", f"others may read {kept}", f"Run `chmod 600 {kept}`; it is not used until then.")
    if os.environ.get("MOORING_TOKEN") and not os.environ.get("MOORING_URL"):
        yield Check("MOORING_URL", "look", "MOORING_TOKEN is set without it", "Set both, so that the token goes nowhere else.")
    try:
        known = session.current()
    except MooringError as error:
        yield Check("configuration", "wrong", error.detail or error.title, error.todo)
        return None
    source = "the environment" if os.environ.get("MOORING_TOKEN") else "what was stored"
    yield Check("configuration", "good", f"{known.url}, by {source}")
    return known


def _reached(url: str) -> Any:
    """Yield whether the studio answers and is ready; return whether it is worth asking further."""
    import httpx

    from mooring.client.transport import lost

    try:
        answer = httpx.get(f"{url}/readyz", timeout=5, headers={"User-Agent": f"mooring/{mooring.__version__}"})
        told = answer.json()
        checks = dict(told["checks"])
    except httpx.TransportError as error:
        problem = lost(url, error)
        yield Check("studio", "wrong", problem.detail, problem.todo)
        return False
    except (ValueError, KeyError, TypeError):
        yield Check(
            "studio",
            "wrong",
            f"{url} answers, but not as a studio does",
            "Check the address: it is the one that the browser shows, without a path.",
        )
        return False
    yield Check(
        "studio",
        "good" if told.get("ready") else "wrong",
        f"{url} answers",
        "" if told.get("ready") else "Look at `mooring status` on its machine.",
    )
    for part, state in checks.items():
        if state != "ok":
            fatal = part != "redis"
            yield Check(f"the studio's {part}", "wrong" if fatal else "look", str(state), "An administrator looks at the studio's log.")
    return True


def _signed_in(known: session.Session) -> Iterator[Check]:
    from mooring.client import Client

    with Client(known.url, known.token, patience_seconds=0, timeout_seconds=15) as studio:
        try:
            me = studio.me()
        except MooringError as error:
            yield Check(
                "sign-in", "wrong", error.detail or error.title, "Run `mooring login` again: the token has ended or was revoked."
            )
            return
        yield Check("sign-in", "good", me.username)
        served = str(me.answer.get("studio_version", ""))
        same = served == mooring.__version__
        yield Check("versions", "good" if same else "look", f"client {mooring.__version__}, studio {served or 'unknown'}",
                    "" if same else "Install the client of the studio's version.")  # fmt: skip
        yield _workspace(known, [str(one["name"]) for one in me.workspaces])
        if me.roles.get("administrator"):
            yield from _address(studio)
        if me.roles.get("operator"):
            yield from _clusters(studio)


def _workspace(known: session.Session, names: list[str]) -> Check:
    chosen = os.environ.get("MOORING_WORKSPACE") or known.workspace
    if chosen and chosen not in names:
        return Check(
            "workspace", "wrong", f"{chosen} is not yours", f"Choose one of {', '.join(names) or 'none'} with -w or MOORING_WORKSPACE."
        )
    if not names:
        return Check("workspace", "look", "you belong to none", "Ask a workspace's owner or an administrator to add you.")
    if not chosen and len(names) > 1:
        return Check("workspace", "look", f"several: {', '.join(names)}", "Name one with -w or MOORING_WORKSPACE.")
    return Check("workspace", "good", chosen or names[0])


def _address(studio: Any) -> Iterator[Check]:
    try:
        told = studio.system.get().get("address") or {}
    except MooringError:
        # With less than the scope `admin` a token does not see how the studio is.
        return
    listens = ", ".join(told.get("listens") or ()) or "unknown"
    found = str(told.get("public") or f"not set; the studio listens on {listens}")
    todo = "Set MOORING_PUBLIC_URL to the address that people use: links that are handed over lead there." if told.get("missing") else ""
    yield Check("the studio's address", "look" if todo else "good", found, todo)


def _clusters(studio: Any) -> Iterator[Check]:
    try:
        clusters = studio.clusters.list()
    except MooringError as error:
        yield Check("clusters", "wrong", error.detail or error.title, error.todo)
        return
    if not clusters:
        yield Check("clusters", "look", "none is attached", "Attach one: `mooring cluster attach NAME --kubeconfig FILE`.")
    for one in clusters:
        state = {"ready": "good", "connecting": "look", "degraded": "look", "detaching": "look"}.get(one.status, "wrong")
        todo = "" if state == "good" else f"`mooring cluster show {one.name}` says more."
        yield Check(f"cluster {one.name}", state, ": ".join(filter(None, [one.status, one.reason])), todo)
