"""Bring outputs here without blocking, with the checks of `mooring.client.download`."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import httpx

from mooring.client.aio.transport import Backoff, Transport, lost
from mooring.client.content import Progress
from mooring.client.download import AT_ONCE, as_kept, below, check, place_below, place_of
from mooring.client.models import OutputFile
from mooring.files import BLOCK

__all__ = ["fetch_all", "fetch_to", "place_below"]


async def fetch_all(
    transport: Transport, path: str, files: list[OutputFile], folder: Path, progress: Progress | None
) -> list[Path]:
    """Fetch files from below a path of the API into a folder; return where they lie, in the same order."""
    return await fetch_to(transport, below(path, files), files, [place_of(folder, file) for file in files], progress)


async def fetch_to(
    transport: Transport, paths: list[str], files: list[OutputFile], places: list[Path], progress: Progress | None
) -> list[Path]:
    """Fetch files, each from its path of the API to its place; return the places."""
    total, done = sum(file.size for file in files), 0
    gate = asyncio.Semaphore(AT_ONCE)
    if progress:
        progress(0, total)

    async def one(path: str, file: OutputFile, place: Path) -> None:
        nonlocal done
        async with gate:
            await _fetch(transport, path, file, place)
        done += file.size
        if progress:
            progress(done, total)

    await asyncio.gather(*map(one, paths, files, places))
    return places


async def _fetch(transport: Transport, path: str, file: OutputFile, place: Path) -> None:
    """Fetch one file beside its place and move it there once it is whole and right."""
    if await asyncio.to_thread(as_kept, place, file):
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.with_name(f".{place.name}.part")
    retries = Backoff(transport.patience_seconds)
    while True:
        digest = hashlib.sha256()
        try:
            async with transport.stream(path) as response:
                with draft.open("wb") as out:
                    async for chunk in response.aiter_bytes(BLOCK):
                        digest.update(chunk)
                        await asyncio.to_thread(out.write, chunk)
            break
        except httpx.TransportError as error:
            if not await retries.wait():
                draft.unlink(missing_ok=True)
                raise lost(transport.url, error) from error
    check(file, digest.hexdigest(), draft)
    draft.replace(place)
