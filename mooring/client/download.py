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

AT_ONCE = 4


def fetch_all(transport: Transport, path: str, files: list[OutputFile], folder: Path, progress: Progress | None) -> list[Path]:
    """Fetch files from below a path of the API into a folder; return where they lie, in the same order."""
    return fetch_to(transport, below(path, files), files, [place_of(folder, file) for file in files], progress)


def fetch_to(transport: Transport, paths: list[str], files: list[OutputFile], places: list[Path], progress: Progress | None) -> list[Path]:
    """Fetch files, each from its path of the API to its place; return the places."""
    total, done = sum(file.size for file in files), 0
    if progress:
        progress(0, total)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        work = zip(paths, files, places, strict=True)
        for file in pool.map(lambda one: _fetch(transport, *one), work):
            done += file.size
            if progress:
                progress(done, total)
    return places


def _fetch(transport: Transport, path: str, file: OutputFile, place: Path) -> OutputFile:
    """Fetch one file beside its place and move it there once it is whole and right."""
    if as_kept(place, file):
        return file
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.with_name(f".{place.name}.part")
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
    check(file, digest.hexdigest(), draft)
    draft.replace(place)
    return file


def below(path: str, files: list[OutputFile]) -> list[str]:
    """Return where the API has each file, below a path."""
    return ["/".join([path, segment(file.root), *map(segment, file.path.split("/"))]) for file in files]


def as_kept(place: Path, file: OutputFile) -> bool:
    """Say whether a file is here already with the content that the studio keeps."""
    return place.is_file() and place.stat().st_size == file.size and _digest(place) == _plain(file.sha256)


def check(file: OutputFile, digest: str, draft: Path) -> None:
    """Remove what came and raise when it is not what the studio keeps."""
    if file.sha256 and digest != _plain(file.sha256):
        draft.unlink()
        raise MooringError(
            "download-differs",
            "An output did not arrive as it was kept",
            f"{file.root}/{file.path}: the bytes that came are not the ones with the digest that the studio names.",
            "Download it again; if it happens again, tell an administrator: its store may be damaged.",
        )


def place_of(folder: Path, file: OutputFile) -> Path:
    """Return where an output goes; raise for one that would lie outside the folder."""
    top = "artifacts" if file.root == "artifacts" else f"named-outputs/{file.root}"
    if "/" in file.root or "\\" in file.root or file.root in ("", ".", ".."):
        raise _outside(f"{file.root}/{file.path} would lie outside the folder.", "Fetch it from the job's page instead.")
    return place_below(folder, folder / top, file.path)


def place_below(folder: Path, top: Path, path: str) -> Path:
    """Return the place of a path below `top`; raise when it would lie outside the folder."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path:
        raise _outside(f"{top.name}/{path} would lie outside the folder.", "Fetch it from its page instead.")
    place = top.joinpath(*parts)
    if not place.parent.resolve().is_relative_to(folder.resolve()):
        raise _outside(f"{place.parent} leads out of {folder} through a link.", "Give an empty folder with --download-path.")
    return place


def _outside(text: str, todo: str) -> MooringError:
    return MooringError("download-path-outside", "An output has an unusable path", text, todo)


def _digest(place: Path) -> str:
    with place.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _plain(sha256: str) -> str:
    return sha256.removeprefix("sha256:")
