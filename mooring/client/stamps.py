"""Lines of a log that begin with the time at which the studio received them: what of that the log's offsets count."""

from __future__ import annotations

# 2026-03-01T12:00:00.250Z and a space.
WIDTH = 25


class Stamps:
    """Takes what the studio sends of a log with times; whatever breaks off, each line has its time once."""

    def __init__(self) -> None:
        self._inside = False
        self._held = b""
        self._due = True

    def connected(self, *, anew: bool) -> None:
        """Begin with a new answer, which begins with a time: in the middle of a line that is left out, unless the log is a new one."""
        self._inside = self._inside and not anew
        self._held, self._due = b"", True

    def take(self, chunk: bytes) -> tuple[bytes, int]:
        """Return what to show of a chunk, and how many bytes of the log it brought."""
        chunk, self._held = self._held + chunk, b""
        shown, count, at = bytearray(), 0, 0
        while at < len(chunk):
            if self._due:
                if len(chunk) - at < WIDTH:
                    self._held = chunk[at:]
                    break
                if not self._inside:
                    shown += chunk[at : at + WIDTH]
                at += WIDTH
                self._due, self._inside = False, True
                continue
            stop = chunk.find(b"\n", at) + 1
            self._due, self._inside = stop > 0, stop == 0
            stop = stop or len(chunk)
            shown += chunk[at:stop]
            count += stop - at
            at = stop
        return bytes(shown), count
