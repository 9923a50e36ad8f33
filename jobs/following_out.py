"""Hand a log on to a program: its bytes from an offset, and then as they come."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpResponseBase, StreamingHttpResponse

from jobs.arrivals import Stamper, first_record, index_of
from jobs.keeping import cut_at, stored_bytes
from jobs.models import FINAL, LOG_FILES, Job, Process
from studio.accounts.access import as_before, workspace_for
from studio.core.bytes import file_pieces, pieces
from studio.core.errors import ProblemError

LOOK_S = 0.05
# The row is asked less often than the file: it only says whether more will come.
ASK_S = 1.0
LIFE_S = 600
LARGEST_OFFSET = 2**62


def logs_of(job: Job) -> list[dict[str, Any]]:
    """Return which logs there are; the command's own first."""
    found = []
    for file in LOG_FILES:
        for process in job.processes.all():
            bytes = stored_bytes(process, file)
            if bytes or file == "std_log.txt":
                final = process.log_final or job.status in FINAL
                found.append(
                    {"process": process.index, "attempt": process.attempt, "file": file, "bytes": bytes, "final": final,
                     "cut": (process.log_tail_lost and file == "std_log.txt") or cut_at(process.log_path(file)) is not None}
                )  # fmt: skip
    # A reader takes the last row of a process as its log: the newest attempt of the command's own output.
    return sorted(found, key=lambda row: (row["file"] == "std_log.txt", row["process"], row["attempt"]))


def kept(process: Process) -> int:
    """Return how many bytes of the command's output are kept."""
    return stored_bytes(process)


def log_response(
    job: Job, *, index: int, file: str, offset: int, follow: bool, timestamps: bool = False, watcher: Any = None
) -> HttpResponseBase:
    """Answer with raw bytes of the newest attempt's log, from `offset` on; followed, as long as `watcher` may see the job.

    With `timestamps`, what is answered first and each line begin with when it came.
    """
    if offset > LARGEST_OFFSET:
        raise ProblemError("request-invalid", text="`offset` is too long a number.")
    if file not in LOG_FILES:
        raise ProblemError("not-found")
    process = job.processes.filter(index=index).order_by("-attempt").first()
    if process is None:
        raise ProblemError("not-found")
    path = process.log_path(file)
    change = Stamper(path, offset).stamp if timestamps else bytes
    if follow:
        stream = _followed(process.pk, path, offset, change, watcher)
    else:
        stream = pieces(map(change, file_pieces(path, offset))) if path.exists() else pieces(())
    response = StreamingHttpResponse(stream, content_type="application/octet-stream")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-store"
    return response


def records_response(path: Path, offset: int) -> HttpResponseBase:
    """Answer with when the bytes of a log came: records (offset, ms since 1970) of 8 bytes each, from `offset` on."""
    try:
        records = pieces(file_pieces(index_of(path), first_record(path, offset)))
    except FileNotFoundError:
        records = pieces(())
    response = StreamingHttpResponse(records, content_type="application/octet-stream")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-store"
    return response


async def _followed(
    process_id: int, path: Path, offset: int, change: Callable[[bytes], bytes], watcher: Any
) -> AsyncIterator[bytes]:
    ends, asked, over = time.monotonic() + LIFE_S, 0.0, False
    while time.monotonic() < ends:
        if time.monotonic() - asked > ASK_S:
            asked = time.monotonic()
            over = await sync_to_async(_over)(process_id)
            if not await sync_to_async(_may_watch)(process_id, watcher):
                return
        size = await asyncio.to_thread(_size, path)
        if size > offset:
            async for piece in pieces(map(change, file_pieces(path, offset, size))):
                yield piece
            offset = size
        elif over:
            return
        else:
            await asyncio.sleep(LOOK_S)


def _may_watch(process_id: int, watcher: Any) -> bool:
    """Tell whether the person who follows a log still has a role where it belongs, and the token they came with."""
    person = as_before(watcher)
    process = Process.objects.select_related("job__workspace").filter(pk=process_id).first()
    try:
        workspace_for(person, process.job.workspace.name if process else "")
    except ProblemError:
        return False
    return True


def _over(process_id: int) -> bool:
    process = Process.objects.select_related("job").filter(pk=process_id).first()
    return process is None or process.log_final or process.job.status in FINAL


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
