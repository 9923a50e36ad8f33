"""Which studio the command line talks to, and with which token.

First the environment (MOORING_URL, MOORING_TOKEN), then what `mooring login` stored, then the token that a studio of
this machine left in its data folder for its own user. A token is only ever sent to the address that it was stored with.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import mooring
from mooring.errors import MooringError

if TYPE_CHECKING:
    from mooring.client import Client

# By this the studio's audit tells the command line from other programs.
AGENT = f"mooring-cli/{mooring.__version__}"
CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Session:
    """A studio's address, a token for it, and the workspace to use when none is named."""

    url: str
    token: str
    workspace: str | None = None


def connect(workspace: str | None = None) -> Client:
    """Return a client of the studio that this machine's user is signed in to."""
    from mooring.client import Client

    session = current()
    workspace = workspace or os.environ.get("MOORING_WORKSPACE") or session.workspace
    return Client(session.url, session.token, workspace=workspace, agent=AGENT)


def current() -> Session:
    """Return the session to use, or raise `not-signed-in`."""
    url, token = os.environ.get("MOORING_URL", "").rstrip("/"), os.environ.get("MOORING_TOKEN")
    if url and token:
        return Session(url, token)
    for kept in _kept():
        if token:
            return Session(url or kept.url, token)
        if not url or kept.url == url:
            return kept
    if token:
        return Session("http://127.0.0.1:8080", token)
    raise MooringError(
        "not-signed-in",
        "You are not signed in",
        f"There is no token for {url}." if url else "No studio is known: nothing is stored and none runs here.",
        "Run `mooring login --url https://…`, or set MOORING_URL and MOORING_TOKEN.",
    )


def address() -> str:
    """Return the studio's address where no token is needed: that of the environment, of what is stored, or of this machine's studio."""
    given = os.environ.get("MOORING_URL", "").rstrip("/")
    return given or next((kept.url for kept in _kept()), "http://127.0.0.1:8080")


def credentials_file() -> Path:
    """Return where `mooring login` stores what it got."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "mooring" / "credentials"


def store(session: Session) -> Path:
    """Store a session for this user alone; return where."""
    path = credentials_file()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(session), file, indent=1)
    draft.replace(path)
    return path


def forget() -> Session | None:
    """Remove what is stored; return what it was."""
    session = _read(credentials_file())
    credentials_file().unlink(missing_ok=True)
    return session


def _kept() -> Iterator[Session]:
    for path in (credentials_file(), *_token_files()):
        session = _read(path)
        if session is not None:
            yield session


def _token_files() -> Iterator[Path]:
    """Yield where studios of this machine leave a token, the nearest first."""
    default = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "mooring"
    given = os.environ.get("MOORING_DATA")
    for folder in [Path(given)] if given else [Path.cwd() / ".mooring", CHECKOUT / ".mooring", default]:
        yield folder / "run" / "cli-token.json"


def _read(path: Path) -> Session | None:
    """Read a session from a file that belongs to this user and that nobody else may read."""
    try:
        about = path.stat()
        if about.st_uid != os.getuid() or about.st_mode & 0o077:
            return None
        kept = json.loads(path.read_bytes())
        return Session(str(kept["url"]).rstrip("/"), str(kept["token"]), kept.get("workspace"))
    except (OSError, ValueError, KeyError, TypeError):
        return None
