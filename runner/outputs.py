"""Find what a command has left behind to be kept."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import Any, NamedTuple

from runner.layout import Layout

ARTIFACTS = "artifacts"
FILE_LIMIT = 100_000


class Output(NamedTuple):
    """One file to keep: the root it belongs to, its path there, and where it lies."""

    root: str
    path: str
    place: str


class Problem(NamedTuple):
    """Something to tell: an error keeps the job from being Completed, a warning does not."""

    id: str
    text: str
    severity: str = "error"

    def as_dict(self) -> dict[str, str]:
        """Give the problem as it is sent."""
        return dict(self._asdict())


class Found(NamedTuple):
    """Everything to keep and what could not be taken."""

    outputs: list[Output]
    problems: list[Problem]


def find_outputs(volume: Layout, wanted: dict[str, dict[str, Any]]) -> Found:
    """List ./outputs, ./logs and the named outputs in a steady order."""
    found = Found([], [])
    for folder in ("outputs", "logs"):
        _take_folder(found, ARTIFACTS, volume.path("work", folder), prefix=folder + "/")
    for name in sorted(wanted):
        place = volume.place(wanted[name]["path"])
        if os.path.isdir(place) and not os.path.islink(place):
            _take_folder(found, name, place, prefix="")
        elif os.path.isfile(place) and not os.path.islink(place):
            found.outputs.append(Output(name, os.path.basename(place), place))
        else:
            text = f"The output {name} was not written: there is nothing at {wanted[name]['path']}."
            found.problems.append(Problem("output-missing", text, "warning"))
    return found


def _take_folder(found: Found, root: str, folder: str, prefix: str) -> None:
    top = os.path.realpath(folder)
    if not os.path.isdir(top) or os.path.islink(folder):
        return
    for path, place in _walk(found, root, top, top, "", (top,)):
        if len(found.outputs) >= FILE_LIMIT:
            text = f"More than {FILE_LIMIT} files were left as outputs; the ones after {path} are not kept. Pack them together."
            found.problems.append(Problem("output-too-many-files", text))
            return
        try:
            (prefix + path).encode("utf-8")
        except UnicodeEncodeError:
            text = f"The name {path!r} in {root} is no UTF-8, so the file cannot be kept."
            found.problems.append(Problem("output-name-unusable", text))
            continue
        found.outputs.append(Output(root, prefix + path, place))


def _walk(found: Found, root: str, top: str, folder: str, prefix: str, above: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Give every file below a folder; links are followed where they stay below `top` and lead to nothing above."""
    try:
        with os.scandir(folder) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError as error:
        text = f"The folder {prefix or '.'} of {root} cannot be read: {error.strerror}."
        found.problems.append(Problem("output-not-readable", text))
        return
    for entry in entries:
        path = prefix + entry.name
        place: str | None = entry.path
        if entry.is_symlink():
            place = _inside(entry.path, top)
            if place is None:
                text = f"{path} of {root} links to outside of its folder or to nothing, and is left out."
                found.problems.append(Problem("output-link-outside", text, "warning"))
                continue
        assert place is not None
        mode = os.lstat(place).st_mode
        if stat.S_ISDIR(mode):
            real = os.path.realpath(place)
            if real in above:
                text = f"{path} of {root} links to a folder that it is in, and is left out."
                found.problems.append(Problem("output-link-outside", text, "warning"))
                continue
            yield from _walk(found, root, top, place, path + "/", (*above, real))
        elif stat.S_ISREG(mode):
            yield path, place
        else:
            text = f"{path} of {root} is no file but a pipe, a socket or a device, and is left out."
            found.problems.append(Problem("output-not-a-file", text, "warning"))


def _inside(link: str, top: str) -> str | None:
    real = os.path.realpath(link)
    if not real.startswith(top + "/") or not os.path.lexists(real):
        return None
    return real
