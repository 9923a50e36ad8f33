"""The file of a backup: a tar whose last member holds the SHA-256 of all others, as `sha256sum -c` reads them. Free of Django.

It is written and read as a stream, so that it may come from or go to a pipe. What is read is hostile until the sums were compared:
only plain files with plain names below known folders are taken, and nothing of them is used before the end was seen.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

CHUNK = 1024 * 1024
FORMAT = 1
ABOUT, SUMS = "backup.json", "SHA256SUMS"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*(/[A-Za-z0-9][A-Za-z0-9._+-]*)*")
MOST_ABOUT = 4 * 1024 * 1024


class ArchiveError(Exception):
    """The file is no backup, or not a whole one."""


class _Summing(io.RawIOBase):
    """Read so many bytes of a file and no more, and keep their sum."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self.file, self.left, self.hash = file, size, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        piece = self.file.read(self.left if size < 0 else min(size, self.left))
        self.left -= len(piece)
        self.hash.update(piece)
        return piece


class Writer:
    """Write a backup to a stream; the end is written by leaving the `with` without an error."""

    def __init__(self, out: IO[bytes], about: dict[str, Any], *, packed: bool = False) -> None:
        self._tar = tarfile.open(fileobj=out, mode="w|gz" if packed else "w|", format=tarfile.PAX_FORMAT)  # noqa: SIM115
        self._sums = tempfile.TemporaryFile()  # noqa: SIM115
        self.files = self.bytes = 0
        self.add_bytes(ABOUT, json.dumps({"format": FORMAT, **about}, indent=1).encode())

    def add(self, file: IO[bytes], name: str, size: int, at: float = 0) -> None:
        """Add the first `size` bytes of an open file.

        Raises `OSError` when it has fewer, `ArchiveError` for a name that `unpack` would refuse.
        """
        if not _is_plain(name):
            raise ArchiveError(f"the name {name[:200]!r} cannot be put back: move the file elsewhere")
        member = tarfile.TarInfo(name)
        member.size, member.mtime, member.mode = size, int(at), 0o600
        summing = _Summing(file, size)
        self._tar.addfile(member, summing)
        self._sums.write(f"{summing.hash.hexdigest()}  {name}\n".encode())
        self.files += 1
        self.bytes += size

    def add_bytes(self, name: str, content: bytes) -> None:
        """Add a member from memory."""
        self.add(io.BytesIO(content), name, len(content))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            member = tarfile.TarInfo(SUMS)
            member.size, member.mode = self._sums.tell(), 0o600
            self._sums.seek(0)
            self._tar.addfile(member, self._sums)
            self._tar.close()
        self._sums.close()


def unpack(source: IO[bytes], folder: Path, known: tuple[str, ...]) -> dict[str, Any]:
    """Write a backup's members below an empty folder and return what it says of itself; raise `ArchiveError` unless it is whole.

    `known` are the names that may stand first in a path. Files get mode 600, folders 700.
    """
    sums: dict[str, str] = {}
    told: bytes | None = None
    about: dict[str, Any] = {}
    try:
        with tarfile.open(fileobj=source, mode="r|*") as tar:
            for member in tar:
                if told is not None:
                    raise ArchiveError(f"there is more after {SUMS}")
                opened = _checked(tar, member, known)
                if member.name == SUMS:
                    told = opened.read()
                elif member.name in sums:
                    raise ArchiveError(f"{member.name} is in it twice")
                elif not sums:
                    about, sums[ABOUT] = _about(member, opened)
                else:
                    sums[member.name] = _write(opened, folder, member.name)
    except (tarfile.TarError, EOFError) as error:
        raise ArchiveError(f"it cannot be read as a tar archive ({error})") from error
    if told is None:
        raise ArchiveError(f"its end is missing: there is no {SUMS} in it")
    _compare(sums, dict(_lines(told)))
    return about


def _checked(tar: tarfile.TarFile, member: tarfile.TarInfo, known: tuple[str, ...]) -> IO[bytes]:
    opened = tar.extractfile(member) if member.isreg() and not member.issparse() else None
    if opened is None:
        raise ArchiveError(f"{member.name[:200]!r} is not a plain file")
    first = member.name.partition("/")[0]
    if not _is_plain(member.name) or first not in (ABOUT, SUMS, *known):
        raise ArchiveError(f"{member.name[:200]!r} has no place in a backup")
    return opened


def _is_plain(name: str) -> bool:
    return len(name) <= 500 and _NAME.fullmatch(name) is not None


def _about(member: tarfile.TarInfo, opened: IO[bytes]) -> tuple[dict[str, Any], str]:
    if member.name != ABOUT or member.size > MOST_ABOUT:
        raise ArchiveError(f"it does not begin with {ABOUT}")
    text = opened.read()
    try:
        about = json.loads(text)
    except ValueError as error:
        raise ArchiveError(f"{ABOUT} in it is not JSON") from error
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise ArchiveError(f"it has format {about.get('format') if isinstance(about, dict) else '?'}, and this version reads {FORMAT}")
    return about, hashlib.sha256(text).hexdigest()


def _write(opened: IO[bytes], folder: Path, name: str) -> str:
    *folders, _ = name.split("/")
    for one in folders:
        folder = folder / one
        folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / name.rpartition("/")[2]
    found = hashlib.sha256()
    with path.open("xb") as file:
        path.chmod(0o600)
        while piece := opened.read(CHUNK):
            found.update(piece)
            file.write(piece)
    return found.hexdigest()


def _lines(text: bytes) -> Iterator[tuple[str, str]]:
    for line in text.decode("utf-8", "replace").splitlines():
        digest, _, name = line.partition("  ")
        yield name, digest


def _compare(found: dict[str, str], told: dict[str, str]) -> None:
    for name, digest in told.items():
        if name not in found:
            raise ArchiveError(f"{name} is not in it")
        if found[name] != digest:
            raise ArchiveError(f"{name} is not what was written: its SHA-256 differs")
    for name in found:
        if name not in told:
            raise ArchiveError(f"{name} was put into it afterwards")
