"""File trees by digest: unpack one safely from a tar stream and hold every byte against its digest.

A tree's digest is the SHA-256 of its listing, canonical JSON:
{"files":[{"digest":"sha256:…","mode":420,"path":"a/b.py","size":12},…]} with keys sorted, no spaces,
UTF-8 unescaped, files sorted by path, mode 420 (0644) or 493 (0755).
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from typing import Any, NamedTuple

from runner.errors import Damaged, RunnerError, Unsafe
from runner.layout import FILE_MODE, make_folder

BLOCK = 1 << 18


class TreeFile(NamedTuple):
    """One file of a tree."""

    path: str
    size: int
    digest: str
    mode: int


def canonical(files: list[TreeFile]) -> bytes:
    """Give the bytes whose digest names a tree."""
    rows = [
        {"path": file.path, "size": file.size, "digest": file.digest, "mode": plain_mode(file.mode)}
        for file in sorted(files, key=lambda file: file.path)
    ]
    return json.dumps({"files": rows}, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def tree_digest(files: list[TreeFile]) -> str:
    """Give the digest that names a tree."""
    return digest_of(canonical(files))


def digest_of(raw: bytes) -> str:
    """Give the digest of some bytes."""
    return "sha256:" + hashlib.sha256(raw).hexdigest()


def plain_mode(mode: int) -> int:
    """Reduce a mode to the two that a tree knows."""
    return 0o755 if mode & 0o111 else 0o644


def read_listing(raw: bytes, digest: str) -> dict[str, TreeFile]:
    """Read the listing of a tree; raise Damaged unless it is the one that was asked for."""
    try:
        rows: list[dict[str, Any]] = json.loads(raw)["files"]
        files = [TreeFile(safe_path(row["path"]), int(row["size"]), row["digest"], _mode(row.get("mode", 0o644))) for row in rows]
    except (KeyError, TypeError, ValueError) as error:
        raise Damaged("job-inputs-damaged", f"The listing of {short(digest)} cannot be understood: {error!r}.") from error
    if digest not in (digest_of(raw), tree_digest(files)):
        raise Damaged("job-inputs-damaged", f"The listing of {short(digest)} is not the one that was asked for.")
    return {file.path: file for file in files}


def unpack(
    stream: Any,
    target: str,
    digest: str,
    *,
    listing: dict[str, TreeFile] | None = None,
    progress: Callable[[int, int], None] = lambda files, size: None,
) -> list[TreeFile]:
    """Unpack a tar stream into a new folder, replacing the one that is there only when every byte is right.

    Raise Damaged when the stream is cut or changed, Unsafe when it would leave its folder, RunnerError
    `job-scratch-full` when there is no room.
    """
    spare = f"{target}.incoming"
    shutil.rmtree(spare, ignore_errors=True)
    make_folder(spare)
    try:
        found = _unpack_members(stream, spare, listing, progress, digest)
        _check_whole(found, listing, digest)
        shutil.rmtree(target, ignore_errors=True)
        os.replace(spare, target)
        return found
    except tarfile.TarError as error:
        raise Damaged("job-inputs-damaged", f"The stream of {short(digest)} is no whole tar: {error}.") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            text = f"There is no room for {short(digest)} in the job's scratch volume: {error.strerror}."
            raise RunnerError("job-scratch-full", text) from error
        raise
    finally:
        shutil.rmtree(spare, ignore_errors=True)


def safe_path(path: str) -> str:
    """Give a path of a tree back if it stays in its folder; raise Unsafe otherwise."""
    parts = path.split("/")
    if not path or path.startswith("/") or "\0" in path or any(part in ("", ".", "..") for part in parts):
        raise Unsafe("job-inputs-unsafe", f"The path {path!r} may not be in a file tree.")
    return path


def short(digest: str) -> str:
    """Give a digest as people read it."""
    return digest[:19]


def _unpack_members(
    stream: Any,
    spare: str,
    listing: dict[str, TreeFile] | None,
    progress: Callable[[int, int], None],
    digest: str,
) -> list[TreeFile]:
    found: list[TreeFile] = []
    total = 0
    with tarfile.open(fileobj=stream, mode="r|", bufsize=BLOCK) as archive:
        for member in archive:
            archive.members = []  # type: ignore[attr-defined]  # a stream cannot go back, so keeping them only costs memory
            name = member.name[2:] if member.name.startswith("./") else member.name
            if member.isdir() and name in (".", ""):
                continue
            path = safe_path(name.rstrip("/"))
            if member.isdir():
                make_folder(os.path.join(spare, path))
                continue
            if not member.isreg():
                raise Unsafe("job-inputs-unsafe", f"{path} is no ordinary file; links and devices are not taken.")
            if listing is not None and path not in listing:
                raise Damaged("job-inputs-damaged", f"{path} is not part of {short(digest)}.")
            source = archive.extractfile(member)
            file = _write_file(source, os.path.join(spare, path), path, member.size, member.mode)
            if listing is not None and (file.size, file.digest) != (listing[path].size, listing[path].digest):
                raise Damaged("job-inputs-damaged", f"{path} of {short(digest)} does not have the digest it should have.")
            found.append(file)
            total += file.size
            progress(len(found), total)
    return found


def _write_file(source: Any, target: str, path: str, size: int, mode: int) -> TreeFile:
    make_folder(os.path.dirname(target))
    summed = hashlib.sha256()
    left = size
    try:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise Unsafe("job-inputs-unsafe", f"{path} is in the file tree twice.") from error
    with os.fdopen(handle, "wb", buffering=0) as file:
        while left:
            piece = source.read(min(BLOCK, left))
            if not piece:
                raise Damaged("job-inputs-damaged", f"The stream broke off within {path}.")
            summed.update(piece)
            view = memoryview(piece)
            while view:
                view = view[file.write(view) :]
            left -= len(piece)
    os.chmod(target, 0o775 if mode & 0o111 else FILE_MODE)
    return TreeFile(path, size, "sha256:" + summed.hexdigest(), plain_mode(mode))


def _check_whole(found: list[TreeFile], listing: dict[str, TreeFile] | None, digest: str) -> None:
    if listing is None:
        if tree_digest(found) != digest:
            raise Damaged("job-inputs-damaged", f"What arrived is not {short(digest)}: files are missing or changed.")
        return
    missing = len(listing) - len(found)
    if missing:
        raise Damaged("job-inputs-damaged", f"{missing} of {len(listing)} files of {short(digest)} did not arrive.")


def _mode(value: Any) -> int:
    # Written as a number or, as people write modes, as octal digits.
    return int(value, 8) if isinstance(value, str) else int(value)
