"""Bring outputs here: checked against their digests, continued where they were left, never outside the folder."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import httpx

from mooring.client.content import Progress
from mooring.client.models import OutputFile
from mooring.client.transport import Backoff, Transport, lost, segment
from mooring.errors import MooringError
from mooring.files import BLOCK

_AT_ONCE = 4


def fetch_all(transport: Transport, below: str, files: list[OutputFile], folder: Path, progress: Progress | None) -> list[Path]:
    """Fetch files from below a path of the API into a folder; return where they lie, in the same order."""
    places = [_place(folder, file) for file in files]
    total, done = sum(file.size for file in files), 0
    if progress:
        progress(0, total)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        work = zip(files, places, strict=True)
        for file in pool.map(lambda pair: _fetch(transport, below, *pair), work):
            done += file.size
            if progress:
                progress(done, total)
    return places


def _fetch(transport: Transport, below: str, file: OutputFile, place: Path) -> OutputFile:
    """Fetch one file beside its place and move it there once it is whole and right."""
    if place.is_file() and place.stat().st_size == file.size and _digest(place) == _plain(file.sha256):
        return file
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.with_name(f".{place.name}.part")
    path = "/".join([below, segment(file.root), *map(segment, file.path.split("/"))])
    retries = Backoff(transport.patience_seconds)
    while True:
        digest = hashlib.sha256()
        try:
            with transport.stream(path) as response, draft.open("wb") as out:
                for chunk in response.iter_bytes(BLOCK):
                    digest.update(chunk)
                    out.write(chunk)
            break
        except httpx.TransportError as error:
            if not retries.wait():
                draft.unlink(missing_ok=True)
                raise lost(transport.url, error) from error
    if file.sha256 and digest.hexdigest() != _plain(file.sha256):
        draft.unlink()
        raise MooringError(
            "download-differs",
            "An output did not arrive as it was kept",
            f"{file.root}/{file.path}: the bytes that came are not the ones with the digest that the studio names.",
            "Download it again; if it happens again, tell an administrator: its store may be damaged.",
        )
    draft.replace(place)
    return file


def _place(folder: Path, file: OutputFile) -> Path:
    """Return where a file goes; raise for one that would lie outside the folder."""
    top = folder / "artifacts" if file.root == "artifacts" else folder / "named-outputs" / file.root
    parts = PurePosixPath(file.path).parts
    usable = parts and not file.path.startswith("/") and ".." not in parts and "\\" not in file.path
    if not usable or "/" in file.root or "\\" in file.root or file.root in ("", ".", ".."):
        raise MooringError(
            "download-path-outside",
            "An output has an unusable path",
            f"{file.root}/{file.path} would lie outside the folder.",
            "Fetch it from the job's page instead.",
        )
    place = top.joinpath(*parts)
    if not place.parent.resolve().is_relative_to(folder.resolve()):
        raise MooringError(
            "download-path-outside",
            "An output has an unusable path",
            f"{place.parent} leads out of {folder} through a link.",
            "Give an empty folder with --download-path.",
        )
    return place


def _digest(place: Path) -> str:
    with place.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _plain(sha256: str) -> str:
    return sha256.removeprefix("sha256:")
