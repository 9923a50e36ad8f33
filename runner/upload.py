"""Bring outputs, the end of the log and the end of the run to the studio (transport `direct`)."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from typing import Any

from runner.errors import Damaged, Refused, RunnerError, Unavailable
from runner.journal import Journal, Stamp
from runner.layout import Layout
from runner.outputs import Output, Problem
from runner.patience import persist
from runner.studio import Studio, quote

BLOCK = 1 << 18
LOG_BLOCK = 1 << 20
# How often the studio may answer that it has no more of the log than before.
REFUSED_PIECES = 5
# After these the studio does not want anything of this job any more.
OVER = {401, 403, 404, 410}


class Given(Exception):
    """The studio has no more use for this job's files."""


class Upload:
    """Puts files one after another; each is known by its digest, so doing it twice harms nothing."""

    def __init__(
        self,
        studio: Studio,
        index: int,
        journal: Journal,
        remaining: Callable[[], float | None],
        say: Callable[[str], None],
        moved: Callable[[int], None] = lambda size: None,
    ) -> None:
        self._studio, self._index, self._journal = studio, index, journal
        self._remaining, self._say, self._moved = remaining, say, moved

    def put(self, output: Output) -> Problem | None:
        """Put one file; give what kept it from being stored."""
        what = f"{output.root}/{output.path}"
        try:
            persist(lambda: self._put_once(output), self._remaining, self._say)
        except Damaged:
            return Problem("output-changing", f"{what} kept changing while it was being stored.")
        except Refused as error:
            if error.status in OVER:
                raise Given(error.text) from error
            return Problem("output-not-stored", f"{what} could not be stored. {error.text}")
        except RunnerError as error:
            return Problem("output-not-stored", f"{what} could not be stored in time. {error.text}")
        except OSError as error:
            return Problem("output-not-readable", f"{what} cannot be read: {error.strerror}.")
        return None

    def push_log(self, volume: Layout, pod_uid: str, offset: int, size: int) -> None:
        """Push what nobody has pulled of the log; raise RunnerError when the studio does not take it."""
        refusals = 0
        with open(volume.log("std_log.txt"), "rb") as file:
            while offset < size:
                piece = os.pread(file.fileno(), min(LOG_BLOCK, size - offset), offset)
                # The studio knows best what it has: its number may lie before what a reader acknowledged.
                stored = self._push_piece(pod_uid, offset, piece)
                self._journal.acknowledge("std_log.txt", min(stored, size))
                refusals = 0 if stored > offset else refusals + 1
                if refusals > REFUSED_PIECES:
                    raise RunnerError("job-log-not-stored", f"The studio keeps only {stored} of {size} bytes of the log.")
                offset = stored

    def finish(self, content: dict[str, Any]) -> bool:
        """Tell the studio how it ended; False when it has not all the outputs that it was told of."""
        try:
            answer = persist(lambda: self._studio.post(f"/processes/{self._index}/finish", content), self._remaining, self._say)
        except Refused as error:
            if error.status != 409:
                raise
            self._say(error.text)
            return False
        return answer.get("acknowledged") is True

    def forget(self) -> None:
        """Put every output once more: the studio has lost some."""
        self._journal.stored.clear()

    def _push_piece(self, pod_uid: str, offset: int, piece: bytes) -> int:
        path = f"/processes/{self._index}/log?pod_uid={quote(pod_uid)}&offset={offset}"

        def push() -> int:
            try:
                answer = self._studio.call("PUT", path, body=lambda: iter([piece]), length=len(piece))
            except Refused as error:
                if error.status in OVER:
                    raise
                # A command that was quick may have ended before the studio has heard of its pod.
                raise Unavailable(error.id, error.text) from error
            return int(answer.get("stored", offset + len(piece)))

        return persist(push, self._remaining, self._say)

    def _put_once(self, output: Output) -> None:
        handle = open_output(output)
        try:
            stamp = digest_file(handle)
            if self._journal.stored.get((output.root, output.path)) == stamp:
                self._moved(stamp[0])
                return
            answer = self._studio.call(
                "PUT",
                f"/outputs/{self._index}/{quote(output.root)}/{quote(output.path)}",
                headers={"X-Mooring-Sha256": stamp[2], "Content-Type": "application/octet-stream"},
                body=lambda: read_file(handle, stamp),
                length=stamp[0],
            )
            stored = str(answer.get("sha256", stamp[2]))
            if stored.rpartition(":")[2] != stamp[2]:
                raise Damaged("output-changing", f"{output.path} arrived as something else than was sent.")
            self._journal.store(output.root, output.path, stamp)
            self._moved(stamp[0])
        finally:
            os.close(handle)


def open_output(output: Output) -> int:
    """Open a file to keep; never through a link that was put in its place since it was found."""
    # Not blocking: a pipe may stand where the file was.
    handle = os.open(output.place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(0, "it is no file any more")
    return handle


def digest_file(handle: int) -> Stamp:
    """Give size, time of change and SHA-256 of a file."""
    before = os.fstat(handle)
    summed = hashlib.sha256()
    offset = 0
    while offset < before.st_size:
        piece = os.pread(handle, min(BLOCK, before.st_size - offset), offset)
        if not piece:
            raise Damaged("output-changing", "The file became shorter while it was read.")
        summed.update(piece)
        offset += len(piece)
    return before.st_size, before.st_mtime_ns, summed.hexdigest()


def read_file(handle: int, stamp: Stamp) -> Iterator[bytes]:
    """Give a file in pieces; raise Damaged before the last one when it is not what was digested."""
    summed = hashlib.sha256()
    offset = 0
    while offset < stamp[0]:
        piece = os.pread(handle, min(BLOCK, stamp[0] - offset), offset)
        if not piece:
            raise Damaged("output-changing", "The file became shorter while it was stored.")
        summed.update(piece)
        offset += len(piece)
        if offset == stamp[0] and summed.hexdigest() != stamp[2]:
            raise Damaged("output-changing", "The file changed while it was stored.")
        yield piece


def listing(stored: dict[tuple[str, str], Stamp], outputs: list[Output]) -> list[dict[str, Any]]:
    """List the outputs that are stored, as they are sent."""
    rows = []
    for output in outputs:
        stamp = stored.get((output.root, output.path))
        if stamp is not None:
            rows.append({"root": output.root, "path": output.path, "size": stamp[0], "sha256": stamp[2]})
    return rows
