"""Read settings from the environment: typed, with `NAME_FILE` for secrets, failing loudly.

Also owns the data folder and the keys that are made in it at the first start.
"""

import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from cryptography.fernet import Fernet

from studio.core.files import sync_folder

Parsed = TypeVar("Parsed")


class SettingError(ValueError):
    """A setting has a value that cannot be used; the message names the variable and what it takes."""


def text(name: str, default: str = "") -> str:
    """Return the variable `name`, or the content of the file that `name_FILE` names, or `default`."""
    path = os.environ.get(f"{name}_FILE")
    if path:
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SettingError(f"{name}_FILE={path} cannot be read: {error.strerror}") from error
    return os.environ.get(name, default)


def flag(name: str, default: bool = False) -> bool:
    """Return a yes/no variable."""
    value = text(name).strip().lower()
    if not value:
        return default
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise SettingError(f"{name} must be true or false, not {value!r}")


def number(name: str, default: int) -> int:
    """Return a whole-number variable."""
    value = text(name).strip()
    try:
        return int(value) if value else default
    except ValueError as error:
        raise SettingError(f"{name} must be a whole number, not {value!r}") from error


_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4, "ki": 1024, "mi": 1024**2, "gi": 1024**3, "ti": 1024**4}


def size(name: str, default: str) -> int:
    """Return a number of bytes, given plain or with a unit as in `50Gi`."""
    value = text(name).strip() or default
    match = re.fullmatch(r"([0-9]{1,18})([kKmMgGtT]i?)?", value)
    if not match:
        raise SettingError(f"{name} must be a size such as 500Mi or 50Gi, not {value!r}")
    return int(match[1]) * _UNITS[(match[2] or "").lower()]


def words(name: str, default: str = "") -> list[str]:
    """Return a comma-separated variable as a list without empty parts."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def choices(name: str, allowed: tuple[str, ...]) -> list[str]:
    """Return a comma-separated variable whose parts are of a given set."""
    found = words(name)
    for word in found:
        if word not in allowed:
            raise SettingError(f"{name} takes {', '.join(allowed)}, not {word!r}")
    return found


def needed(name: str, *, when: object) -> str:
    """Return a variable that must be there when another one is."""
    value = text(name)
    if when and not value:
        raise SettingError(f"{name} is needed beside what is set already")
    return value


def parsed(name: str, read: Callable[[str], Parsed]) -> Parsed:
    """Return a variable as `read` reads it."""
    try:
        return read(text(name))
    except ValueError as error:
        raise SettingError(f"{name} must be {error}") from error


def origin(name: str) -> str:
    """Return a variable that is the address of a site, as `https://studio.example`, or nothing."""
    value = text(name).strip().rstrip("/")
    if not value:
        return ""
    parts = urlsplit(value)
    try:
        whole = parts.scheme in {"http", "https"} and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        whole = False
    if not whole or value != f"{parts.scheme}://{parts.netloc}" or "@" in parts.netloc:
        raise SettingError(f"{name} must be an address such as https://studio.example, without a path, not {value!r}")
    return value


def pairs(name: str) -> dict[str, str]:
    """Return a comma-separated variable of `key=value` parts as a mapping."""
    found = {}
    for word in words(name):
        key, equals, value = word.partition("=")
        if not equals or not key.strip() or not value.strip():
            raise SettingError(f"{name} must be key=value parts separated by commas, not {word!r}")
        found[key.strip()] = value.strip()
    return found


def data_folder() -> Path:
    """Return the folder that holds everything the studio keeps, made with mode 700 when missing."""
    default = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "mooring"
    folder = Path(os.environ.get("MOORING_DATA") or default).absolute()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def kept_key(path: Path, make: str = "secret") -> str:
    """Return the key in `path`; make it there (mode 600) at the first start.

    Two processes that start at once end up with the same key: the file is linked into place, and the loser reads it.
    """
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = Fernet.generate_key().decode() if make == "fernet" else secrets.token_urlsafe(50)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(key)
            # Without the key nothing opens that is sealed with it: it outlives the machine's power before anything is.
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
        sync_folder(path.parent)
    if not (kept := path.read_text(encoding="utf-8").strip()):
        raise SettingError(f"{path} is empty: put back the one of a backup, or, where there is nothing yet to open with it, delete it")
    return kept


def database(url: str, folder: Path) -> dict[str, object]:
    """Return Django's settings of one database: SQLite in `folder` without a URL, else PostgreSQL or SQLite by URL."""
    if not url or url.startswith("sqlite:"):
        path = unquote(url.removeprefix("sqlite:///")) if url else str(folder / "mooring.sqlite3")
        return {
            "ENGINE": "studio.core.sqlite",
            "NAME": path,
            # Whether it is still the file, and one without errors, is asked without going to it (studio.core.sqlite).
            "CONN_MAX_AGE": 60,
            "OPTIONS": {
                # Take the write lock at BEGIN: an upgrade from read to write inside a transaction fails at once
                # with "database is locked" instead of waiting for the time-out.
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": (
                    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;"
                    "PRAGMA mmap_size=134217728; PRAGMA journal_size_limit=27103364; PRAGMA cache_size=-8000;"
                ),
            },
        }
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql"}:
        raise SettingError(f"DATABASE_URL must start with postgresql:// or sqlite:///, not {parts.scheme!r}")
    # As libpq reads it: a socket's folder by `host`, and `sslmode`, `sslrootcert` and the like.
    options = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", "") or unquote(parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "OPTIONS": options,
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
    }
