"""Send bytes to browsers and pods in bounded pieces: a sync file response on ASGI would be read whole into memory."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

PIECE = 256 * 1024


async def pieces(source: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Yield what a sync iterator yields, each step in a thread; closes it when the reader goes away."""
    iterator: Iterator[bytes] = iter(source)
    try:
        while (piece := await asyncio.to_thread(next, iterator, None)) is not None:
            yield piece
    finally:
        close = getattr(iterator, "close", None)
        if close:
            await asyncio.to_thread(close)


def file_pieces(path: Path, start: int = 0, end: int | None = None) -> Iterator[bytes]:
    """Yield the bytes `start`..`end` of a file (to its present end without `end`)."""
    with path.open("rb") as file:
        file.seek(start)
        left = None if end is None else end - start
        while left is None or left > 0:
            piece = file.read(PIECE if left is None else min(PIECE, left))
            if not piece:
                return
            left = None if left is None else left - len(piece)
            yield piece


def download(source: Iterable[bytes], *, name: str, size: int | None = None, kind: str = "application/octet-stream",
             inline: bool = False) -> HttpResponseBase:  # fmt: skip
    """Return a streamed answer that saves as `name`.

    What jobs wrote is never run as the person looking at it: inline content is sandboxed and cannot load or run.
    """
    response = StreamingHttpResponse(pieces(source), content_type=kind)
    response.headers["Content-Disposition"] = disposition(name, inline=inline)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'"
    response.headers["Cache-Control"] = "private, no-store"
    if size is not None:
        response.headers["Content-Length"] = str(size)
    return response


def download_of(request: HttpRequest, stream: Callable[[int, int], Iterable[bytes]], *, size: int, digest: str, name: str,
                kind: str = "application/octet-stream", inline: bool = False) -> HttpResponseBase:  # fmt: skip
    """Return content by its digest, or the part of it that `Range` asks for, so that a broken download goes on.

    `stream(start, end)` gives the bytes; the digest is the validator: it never changes its meaning.
    """
    tag = f'"{digest}"'
    asked = _asked_range(request.headers.get("Range", ""), size)
    if request.headers.get("If-Range", tag) != tag:
        asked = None
    if asked == ():
        response: HttpResponseBase = HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    elif asked:
        start, end = asked
        response = download(stream(start, end), name=name, size=end - start, kind=kind, inline=inline)
        response.status_code = 206
        response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    else:
        response = download(stream(0, size), name=name, size=size, kind=kind, inline=inline)
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["ETag"] = tag
    return response


def _asked_range(header: str, size: int) -> tuple[int, int] | tuple[()] | None:
    """Return the one range that is asked for, () for one that is not there, None for all of it (also for several)."""
    match = re.fullmatch(r"bytes=([0-9]{0,18})-([0-9]{0,18})", header.replace(" ", ""))
    if not match or not (match[1] or match[2]):
        return None
    if not match[1]:
        start, end = max(0, size - int(match[2])), size
    else:
        start, end = int(match[1]), min(int(match[2]) + 1 if match[2] else size, size)
        if match[2] and int(match[2]) < int(match[1]):
            return None
    return (start, end) if start < end else ()


def disposition(name: str, *, inline: bool = False) -> str:
    """Return a Content-Disposition for a name that nobody checked (RFC 6266)."""
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\;%/' else "_" for c in name) or "file"
    return f"{'inline' if inline else 'attachment'}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def range_of_file(request: HttpRequest, path: Path) -> HttpResponseBase:
    """Answer `?from=&to=` of a file as raw bytes, clipped to what there is, with its size in X-Log-Size."""
    size = path.stat().st_size if path.exists() else 0
    start = min(whole(request.GET.get("from"), 0), size)
    end = max(start, min(whole(request.GET.get("to"), size), size))
    if end == start:
        response: HttpResponseBase = HttpResponse(b"", content_type="application/octet-stream")
    else:
        response = StreamingHttpResponse(pieces(file_pieces(path, start, end)), content_type="application/octet-stream")
        response.headers["Content-Length"] = str(end - start)
    response.headers["X-Log-Size"] = str(size)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-store"
    return response


def whole(text: str | None, default: int) -> int:
    """Return the whole number of a query, or the default where none is given."""
    return int(text) if text and text.isdecimal() and len(text) < 19 else default
