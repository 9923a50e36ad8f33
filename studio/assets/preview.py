"""A file of the store shown in place: pictures, tables and text, bounded and never run.

What jobs and people bring is anybody's: text is escaped by the template, pictures come from an address that is sandboxed.
"""

import csv
import io
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from django.http import HttpRequest, HttpResponseBase

from studio.assets.services import store
from studio.assets.store import StoreError
from studio.core.bytes import download_of
from studio.core.errors import ProblemError
from studio.core.texts import in_lines, read_json

TEXT_BYTES = 256 * 1024
ROWS = 200
COLUMNS = 60
CELL = 300
PICTURES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".svg": "image/svg+xml",
}
TABLES = {".csv": ",", ".tsv": "\t"}
LARGEST_PICTURE = 32 * 1024 * 1024


@dataclass(frozen=True)
class Preview:
    """What is shown of a file: `kind` is picture, table, text, empty, binary or missing."""

    kind: str
    text: str = ""
    head: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    cut: bool = False


def picture_kind(path: str) -> str | None:
    """Return the media type of a picture by its name, or None."""
    return PICTURES.get(PurePosixPath(path).suffix.lower())


def preview_of(path: str, digest: str, size: int) -> Preview:
    """Return what can be shown of a file in the store."""
    if size == 0:
        return Preview("empty")
    if picture_kind(path) and size <= LARGEST_PICTURE:
        # A drawing has no size of its own: the page gives it the width there is.
        drawing = "drawing" if path.lower().endswith(".svg") else ""
        return Preview("picture", text=drawing) if store().has(digest) else Preview("missing")
    try:
        head = b"".join(store().stream(digest, 0, TEXT_BYTES))
    except StoreError:
        return Preview("missing")
    return shown_text(path, head, cut=size > len(head))


def send_file(request: HttpRequest, path: str, digest: str, size: int, *, save: bool) -> HttpResponseBase:
    """Return the answer that sends one file of the store, or the part of it that is asked for."""
    if not store().has(digest):
        raise ProblemError("not-found")
    kind = picture_kind(path)
    shown = kind is not None and not save
    response = download_of(
        request,
        lambda start, end: store().stream(digest, start, end),
        size=size,
        digest=digest,
        name=PurePosixPath(path).name,
        kind=kind if kind and shown else "application/octet-stream",
        inline=shown,
    )
    if shown:
        # The address carries the content's digest (?v=): what it names never changes.
        response.headers["Cache-Control"] = "private, max-age=86400, immutable"
    return response


def shown_text(path: str, head: bytes, *, cut: bool) -> Preview:
    """Return the beginning of a file as a table or as text; what is neither is binary."""
    text = _decoded(head, cut=cut)
    if text is None:
        return Preview("binary")
    suffix = PurePosixPath(path).suffix.lower()
    if suffix in TABLES:
        return _table(text, TABLES[suffix], cut=cut)
    if suffix == ".json" and not cut:
        return Preview("text", text=_indented(text))
    return Preview("text", text=text, cut=cut)


def _decoded(head: bytes, *, cut: bool) -> str | None:
    if b"\0" in head:
        return None
    # The last character may be cut in two where the preview ends.
    for less in range(4 if cut else 1):
        try:
            return head[: len(head) - less].decode("utf-8-sig")
        except UnicodeDecodeError:
            continue
    printable = sum(1 for byte in head if byte >= 32 or byte in b"\t\n\r\f\x1b")
    return head.decode("latin-1") if printable > 0.95 * len(head) else None


def _table(text: str, delimiter: str, *, cut: bool) -> Preview:
    lines = text.splitlines(keepends=True)
    if cut and lines and not lines[-1].endswith("\n"):
        lines.pop()
    rows: list[list[str]] = []
    reader = csv.reader(io.StringIO("".join(lines)), delimiter=delimiter)
    more = False
    try:
        for row in reader:
            if len(rows) > ROWS:
                more = True
                break
            rows.append([cell if len(cell) <= CELL else f"{cell[:CELL]}…" for cell in row[:COLUMNS]])
    except csv.Error:
        return Preview("text", text=text, cut=cut)
    if not rows:
        return Preview("text", text=text, cut=cut)
    return Preview("table", head=rows[0], rows=rows[1:], cut=cut or more)


def _indented(text: str) -> str:
    if "\n" in text.strip():
        return text
    try:
        return in_lines(read_json(text), len(text)) or text
    except ValueError:
        return text
