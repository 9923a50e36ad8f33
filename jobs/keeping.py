"""Keep what a job leaves: the bytes of its logs at their offsets, and its output files by content.

A log is one file a process; a byte is written at the offset it had at its source, so doubled or late pieces change
nothing. The Redis stream of a log has the end offset as entry id, so Redis itself refuses repeats.
"""

import os
import re
from pathlib import Path
from typing import BinaryIO

import redis
import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Sum

from jobs.arrivals import note_arrival
from jobs.models import Job, Output, Process
from studio.assets.services import store
from studio.assets.store import Blob, BlobTooLarge, BlobWriter, StoreError
from studio.core.away import REDIS
from studio.core.errors import ProblemError
from studio.core.numbers import memory
from studio.live.bus import client

log = structlog.get_logger(__name__)

# Live pieces that Redis keeps of one log; who lags further behind is served from the file.
LIVE_PIECES = 500
LIVE_BYTES = 4 * 1024 * 1024
LIVE_SECONDS = 3600


def stored_bytes(process: Process, file: str = "std_log.txt") -> int:
    """Return how many bytes of a log are kept: the file's size, as it has no holes."""
    try:
        return process.log_path(file).stat().st_size
    except FileNotFoundError:
        return 0


def append_log(path: Path, topic: str, offset: int, piece: bytes, *, timed: bool = True) -> int:
    """Write a piece at its offset and tell who watches; return the end of what is kept.

    A piece that starts behind the end is refused (nothing is written): there must be no holes. When it came is kept
    beside the log, unless it is not `timed`.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    came = offset + len(piece)
    try:
        size = os.fstat(descriptor).st_size
        if _cut_at(descriptor, size) is not None:
            # Read past, so that who brings it comes to its end.
            return max(came, size)
        if offset > size:
            return size
        # One that is longer already, from before the limit was lowered, is cut where it ends.
        most = max(settings.LARGEST_LOG, size)
        if came > most:
            # The line stands where the log was cut, whoever writes it.
            start = min(offset, most)
            piece, offset = piece[: most - start] + _CUT.format(most).encode(), start
        if timed and offset + len(piece) > size:
            note_arrival(path, size)
        view = memoryview(piece)
        at = offset
        while view:
            written = os.pwrite(descriptor, view, at)
            at += written
            view = view[written:]
    finally:
        os.close(descriptor)
    end = offset + len(piece)
    if end > size:
        _tell(topic, size, piece[size - offset :])
    return max(came, end, size)


_CUT = "\n[mooring] The log is cut here, at byte {}: no more than that is kept of one log.\n"
_CUT_LINE = re.compile(rb"\n\[mooring\] The log is cut here, at byte ([0-9]{1,19}): no more than that is kept of one log\.\n\Z")


def cut_at(path: Path) -> int | None:
    """Return at which byte a log was cut because it grew too large, or None."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        return _cut_at(descriptor, os.fstat(descriptor).st_size)
    finally:
        os.close(descriptor)


def _cut_at(descriptor: int, size: int) -> int | None:
    start = max(0, size - 120)
    found = _CUT_LINE.search(os.pread(descriptor, 120, start))
    # A job may print such a line, but hardly the place where it stands.
    return int(found[1]) if found and int(found[1]) == start + found.start() else None


def _tell(topic: str, offset: int, piece: bytes) -> None:
    if REDIS:
        return
    end = offset + len(piece)
    try:
        bus = client()
        most = max(1, min(LIVE_PIECES, LIVE_BYTES // len(piece)))
        with REDIS.noted():
            bus.xadd(topic, {"o": offset, "b": piece}, id=f"{end}-0", maxlen=most, approximate=True)
            bus.expire(topic, LIVE_SECONDS)
    except redis.ResponseError:
        # Redis has this piece already: another reader was faster.
        return
    except redis.RedisError as error:
        log.warning("live log piece lost", topic=topic, error=str(error))


def log_is_whole(process: Process) -> bool:
    """Tell whether all that the command printed is kept, as far as the runner has said how much that is."""
    total = (process.exit or {}).get("log_bytes")
    return isinstance(total, int) and (stored_bytes(process) >= total or cut_at(process.log_path()) is not None)


def note_cut(process: Process) -> None:
    """Have the job say that the log of a process was cut, once."""
    at = cut_at(process.log_path())
    if at is None:
        return
    text = f"The log of process {process.index} is cut at byte {at}: no more than that is kept of one log."
    with transaction.atomic():
        job = Job.objects.select_for_update().get(pk=process.job_id)
        if not any(warning.get("text") == text for warning in job.warnings):
            job.warnings = [*job.warnings, {"path": "", "line": None, "column": None, "text": text}]
            job.save(update_fields=["warnings"])


def log_topic(process: Process, file: str = "std_log.txt") -> str:
    """Return the topic on which a log's pieces are told."""
    return f"log:{process.pk}.{file.removesuffix('.txt')}"


def keep_output(job: Job, *, index: int, root: str, path: str, digest: str, source: BinaryIO) -> Output:
    """Keep one output file whose sha256 is `digest`; the same file again changes nothing."""
    _check_path(root, path)
    try:
        blob = store().put(source, expect=digest, limit=room_for(job, root, path))
    except BlobTooLarge as error:
        raise _too_much(root, path) from error
    except StoreError as error:
        raise ProblemError(error.problem_id, text=str(error)) from error
    return _note_output(job, index, root, path, blob)


def room_for(job: Job, root: str, path: str) -> int:
    """Return how large this output may be beside the others that the job has left."""
    others = job.output_files.exclude(root=root, path=path).aggregate(Sum("size"))["size__sum"] or 0
    return max(0, int(settings.LARGEST_OUTPUTS) - int(others))


def _too_much(root: str, path: str) -> ProblemError:
    limit = memory(settings.LARGEST_OUTPUTS)
    return ProblemError("job-outputs-too-large", output=f"{root}/{path}", limit=limit)


def _note_output(job: Job, index: int, root: str, path: str, blob: Blob) -> Output:
    values = {"size": blob.size, "digest": blob.digest, "index": index}
    with transaction.atomic():
        return Output.objects.update_or_create(job=job, root=root, path=path, defaults=values)[0]


def keep_piecewise(job: Job, index: int, root: str, path: str, digest: str, writer: BlobWriter) -> Output:
    """Keep an output that was written piece by piece, if it is the one announced."""
    _check_path(root, path)
    if writer.size > room_for(job, root, path):
        raise _too_much(root, path)
    try:
        blob = writer.commit(expect=digest)
    except StoreError as error:
        raise ProblemError(error.problem_id, text=str(error)) from error
    return _note_output(job, index, root, path, blob)


def missing_outputs(job: Job, listed: list[dict[str, object]]) -> list[str]:
    """Return those of the files that the runner says it brought which are not here with that content."""
    kept = {(row.root, row.path): row.digest for row in job.output_files.all()}
    return [
        f"{row.get('root')}/{row.get('path')}"
        for row in listed
        if kept.get((str(row.get("root")), str(row.get("path")))) != f"sha256:{row.get('sha256')}"
    ]


def _check_path(root: str, path: str) -> None:
    parts = path.split("/")
    bad = not path or len(path) > 1024 or path.startswith("/") or "\x00" in path or {"", ".", ".."} & set(parts)
    if bad or not root or len(root) > 255 or "/" in root or root in {".", ".."}:
        raise ProblemError("request-invalid", text="The path of an output is not usable.")
