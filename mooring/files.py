"""A folder on this machine as the studio keeps it: files by content, without what its ignore files leave out.

Patterns mean what they mean to git (https://git-scm.com/docs/gitignore): the last match wins, deeper files win over
those above, and nothing below an ignored folder comes back. A folder's `.amlignore` stands in for its `.gitignore`,
and for those below it. A test holds these rules and the studio's own together.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mooring.errors import MooringError

ALWAYS_LEFT_OUT = frozenset({".git"})
BLOCK = 1024 * 1024
MOST_FILES = 10_000


@dataclass(frozen=True)
class LocalFile:
    """One file: its path within the folder, where it lies, its size, digest and mode (0o644 or 0o755)."""

    path: str
    source: Path
    size: int
    digest: str
    mode: int

    def as_dict(self) -> dict[str, Any]:
        """Return the file as an entry of a tree."""
        return {"path": self.path, "size": self.size, "digest": self.digest, "mode": self.mode}


def files_of(place: Path, *, ignore_names: tuple[str, ...] = (".amlignore", ".gitignore")) -> list[LocalFile]:
    """Return the files of a folder, or the one file that `place` is, sorted by path and hashed.

    Raises `files-unreadable` for what is missing, cannot be read, or is a link that leads out of the folder.
    """
    try:
        if place.is_file():
            return [_hashed(place.name, place)]
        if not place.is_dir():
            raise _unreadable(place, "there is nothing of that name")
        found: list[LocalFile] = []
        for path, source in _walk(place, ignore_names):
            if len(found) == MOST_FILES:
                raise _unreadable(place, f"it has more than {MOST_FILES:,} files")
            found.append(_hashed(path, source))
    except OSError as error:
        raise _unreadable(Path(error.filename or place), error.strerror or str(error)) from error
    return sorted(found, key=lambda file: file.path.encode())


def _walk(root: Path, ignore_names: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    """Yield path and place of each file that is not left out; what is left out is not opened."""
    rules = _Rules(root, ignore_names)
    real = root.resolve()
    pending = [""]
    while pending:
        base = pending.pop()
        rules.enter(base)
        with os.scandir(root / base) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                path = f"{base}/{entry.name}" if base else entry.name
                is_folder = entry.is_dir(follow_symlinks=False)
                if rules.leave_out(path, is_folder=is_folder):
                    continue
                if is_folder:
                    pending.append(path)
                    continue
                place = root / path
                if entry.is_symlink():
                    target = place.resolve()
                    if not target.is_relative_to(real):
                        raise _unreadable(place, f"it is a link that leads out of the folder, to {target}")
                    if not target.is_file():
                        raise _unreadable(place, "it is a link to a folder or to nothing")
                elif not entry.is_file():
                    raise _unreadable(place, "it is not a plain file")
                yield path, place


class _Rules:
    """What the ignore files of one folder tree say."""

    def __init__(self, root: Path, names: tuple[str, ...]) -> None:
        self._root = root
        self._names = names
        self._specs: dict[str, Any] = {}
        self._under_aml: dict[str, bool] = {}

    def enter(self, base: str) -> None:
        """Read the ignore file of a folder; folders are entered from the top down."""
        from pathspec import GitIgnoreSpec

        under = bool(base) and self._under_aml[base.rpartition("/")[0]]
        found = None
        for name in self._names:
            if name == ".gitignore" and under:
                continue
            place = self._root / base / name
            if place.is_file():
                found = (name, place.read_text(encoding="utf-8-sig", errors="replace"))
                break
        self._under_aml[base] = under or (found is not None and found[0] == ".amlignore")
        self._specs[base] = GitIgnoreSpec.from_lines(_patterns(found[1])) if found else None

    def leave_out(self, path: str, *, is_folder: bool) -> bool:
        """Tell whether the deepest rule that matches leaves a path out."""
        if path.rpartition("/")[2] in ALWAYS_LEFT_OUT:
            return True
        base = path.rpartition("/")[0]
        while True:
            spec = self._specs.get(base)
            if spec is not None:
                relative = path.removeprefix(f"{base}/") if base else path
                verdict = _verdict(spec, f"{relative}/" if is_folder else relative)
                if verdict is not None:
                    return verdict
            if not base:
                return False
            base = base.rpartition("/")[0]


def _verdict(spec: Any, path: str) -> bool | None:
    """Return what the last pattern says that matches the path itself; a folder's path ends in a slash.

    The expressions also match whatever lies below a folder they match. Here every folder on the way has been judged
    before, and taking such a match for one would let `!src/` bring back `src/x.log` after `*.log`.
    """
    for pattern in reversed(spec.patterns):
        if pattern.include is not None and _matches_itself(pattern, path):
            return bool(pattern.include)
    return None


def _matches_itself(pattern: Any, path: str) -> bool:
    expression: re.Pattern[str] = pattern.regex
    if expression.pattern == ".":  # `*` and `**`
        return True
    if expression.pattern == "(?P<ps_d>/)":  # `*/`
        return path.endswith("/")
    below_folders = str(pattern.pattern).rstrip().endswith("/**/")
    if below_folders or expression.pattern.endswith("/"):  # `a/**` and `a/**/`: what is below `a`, not `a`
        found = expression.match(path)
        return found is not None and found.end() < len(path) and (path.endswith("/") or not below_folders)
    return expression.fullmatch(path) is not None


def _patterns(text: str) -> list[str]:
    """Return the lines that git would read: those that it cannot make sense of are skipped."""
    from pathspec import GitIgnoreSpec

    usable = []
    for line in text.splitlines():
        try:
            GitIgnoreSpec.from_lines([line])
        except ValueError:
            continue
        usable.append(line)
    return usable


def _hashed(path: str, source: Path) -> LocalFile:
    digest = hashlib.sha256()
    size = 0
    with source.open("rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        while block := file.read(BLOCK):
            digest.update(block)
            size += len(block)
    return LocalFile(path, source, size, f"sha256:{digest.hexdigest()}", 0o755 if mode & stat.S_IXUSR else 0o644)


def _unreadable(place: Path, why: str) -> MooringError:
    return MooringError(
        "files-unreadable",
        "A file cannot be sent",
        f"{place}: {why}.",
        "Correct the path, or leave the file out with a line in .amlignore.",
    )
