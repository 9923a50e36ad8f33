"""What a job's YAML names on this machine: its code folder and its local inputs.

Only that is read here; the studio checks the whole. Paths are relative to the YAML file, as everywhere in it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mooring.errors import MooringError

LARGEST_YAML = 1024 * 1024
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


@dataclass(frozen=True)
class JobFile:
    """A job's YAML as text, the folder of its code, and its local inputs by the name they have in the YAML."""

    text: str
    code: Path | None = None
    inputs: dict[str, Path] = field(default_factory=dict)


def read_job_file(path: Path, overrides: Sequence[str] = ()) -> JobFile:
    """Read a job's YAML file and find what it names on this machine, after `overrides` ("compute=local").

    Raises `job-file-unreadable` when there is none, it is larger than 1 MiB or not YAML.
    """
    return find_local(read_text(path), path.parent, overrides, source=path)


def read_text(path: Path) -> str:
    """Return the text of a YAML file."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, f"{error.strerror}") from error
    if len(raw) > LARGEST_YAML:
        raise _unreadable(path, "it is larger than 1 MiB")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable(path, f"it is not UTF-8 (byte {error.start})") from error


def find_local(text: str, folder: Path, overrides: Sequence[str] = (), *, source: Path = Path("the text")) -> JobFile:
    """Find what the YAML in `text` names on this machine, relative to `folder`."""
    overridden = set_over(text, overrides, source=source)
    code = local_path(overridden.get("code"), folder)
    inputs = {}
    given = overridden.get("inputs")
    for name, value in given.items() if isinstance(given, dict) else ():
        place = local_path(value.get("path"), folder) if isinstance(value, dict) else None
        if place is not None:
            inputs[f"inputs.{name}"] = place
    return JobFile(text, code, inputs)


def set_over(text: str, overrides: Sequence[str], *, source: Path) -> dict[str, Any]:
    """Return the fields of a YAML text after `overrides`; none when it is no set of fields."""
    import yaml

    try:
        content = yaml.safe_load(text)
        return _override(content if isinstance(content, dict) else {}, overrides)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        why = getattr(error, "problem", None) or "it cannot be parsed"
        raise _unreadable(source, f"it is not YAML{where}: {why}") from error
    except (RecursionError, ValueError) as error:
        raise _unreadable(source, "it cannot be parsed") from error


def local_path(value: Any, folder: Path) -> Path | None:
    """Return the place that a path names on this machine; nothing for addresses, assets and expressions."""
    if not isinstance(value, str) or not value.strip() or "${{" in value:
        return None
    path = value.strip().removeprefix("file:")
    if _ADDRESS.match(path) and not _DRIVE.match(path):
        return None
    return folder / Path(path).expanduser()


def _override(content: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Apply `a.b=value` to what was read; what does not fit is left for the studio to refuse."""
    import yaml

    for one in overrides:
        path, equals, value = one.partition("=")
        names = path.split(".")
        if not equals or not all(names):
            raise MooringError(
                "set-invalid",
                "An override is not right",
                f"--set {one} is not NAME=VALUE.",
                "Write for example --set compute=local --set inputs.rate=0.1.",
            )
        place: Any = content
        for name in names[:-1]:
            place = place.setdefault(name, {}) if isinstance(place, dict) else None
        if isinstance(place, dict):
            place[names[-1]] = yaml.safe_load(value) if value else ""
    return content


def _unreadable(path: Path, why: str) -> MooringError:
    return MooringError("job-file-unreadable", "The YAML cannot be read", f"{path}: {why}.", "Correct the file, or its path.")
