"""Send all entries that pass the filters as a file, piece by piece: the log may be larger than the memory."""

from collections.abc import AsyncIterator, Callable

from asgiref.sync import sync_to_async
from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.utils import timezone

from studio.audit.models import Entry
from studio.audit.pages.shown import COLUMNS, as_csv_line, as_json_line, csv_line
from studio.core.bytes import disposition
from studio.core.errors import ProblemError

FORMATS = {"csv": ("text/csv; charset=utf-8", as_csv_line), "jsonl": ("application/x-ndjson", as_json_line)}
PIECE = 500


def export(rows: QuerySet[Entry], *, format: str, name: str = "audit") -> StreamingHttpResponse:
    """Return the entries, newest first, as a file that is saved; raises ProblemError for a format there is not."""
    if format not in FORMATS:
        raise ProblemError("request-invalid", field="format", text=f"`format` is one of {', '.join(FORMATS)}.")
    kind, line = FORMATS[format]
    head = csv_line(list(COLUMNS)) if format == "csv" else b""
    response = StreamingHttpResponse(_pieces(rows.order_by("-pk"), line, head), content_type=kind)
    response.headers["Content-Disposition"] = disposition(f"{name}-{timezone.now():%Y%m%d-%H%M}.{format}")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "private, no-store"
    return response


async def _pieces(rows: QuerySet[Entry], line: Callable[[Entry], bytes], head: bytes) -> AsyncIterator[bytes]:
    """Yield the lines of a few hundred entries at a time; each piece is a query of its own that begins after the last row."""
    if head:
        yield head
    read = sync_to_async(lambda after: list((rows.filter(pk__lt=after) if after else rows)[:PIECE]))
    after = 0
    while found := await read(after):
        yield b"".join(map(line, found))
        after = found[-1].pk
        if len(found) < PIECE:
            return
