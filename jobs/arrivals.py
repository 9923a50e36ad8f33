"""When the bytes of a log came: a small index beside the log, and lines that begin with their time.

The index `<log>.times` is a row of records (offset, ms since 1970; 8 bytes each, little end first): what begins at the
offset came at that time. A new one is written at most four times a second, before the bytes that it tells of: who is
killed in between leaves a record that the next writer puts right. The log itself stays as the program wrote it.
"""

import os
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

RECORD = struct.Struct("<QQ")
EACH_MS = 250
# What stands in front of a line: 2026-03-01T12:00:00.250Z and a space; a dash where no time was kept.
UNKNOWN = b"-".ljust(24) + b" "


def index_of(log: Path) -> Path:
    """Return where the index of a log is kept."""
    return log.with_name(f"{log.name}.times")


# When this process last noted something of a log, so that a busy one's index is not opened for each piece.
_noted: dict[Path, int] = {}
MOST_NOTED = 1000


def note_arrival(log: Path, offset: int) -> None:
    """Note that what begins at `offset` comes now, unless something came just before; a log matters more than its times."""
    now = time.time_ns() // 1_000_000
    if 0 <= now - _noted.get(log, 0) < EACH_MS:
        return
    if len(_noted) >= MOST_NOTED:
        _noted.clear()
    with suppress(OSError):
        descriptor = os.open(index_of(log), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            count = os.fstat(descriptor).st_size // RECORD.size
            if count:
                last, came = RECORD.unpack(os.pread(descriptor, RECORD.size, (count - 1) * RECORD.size))
                # A clock that was set back counts from there.
                if last > offset or 0 <= now - came < EACH_MS:
                    _noted[log] = came
                    return
                # Who noted this place never brought its bytes.
                count -= last == offset
            os.pwrite(descriptor, RECORD.pack(offset, now), count * RECORD.size)
            _noted[log] = now
        finally:
            os.close(descriptor)


def arrivals(log: Path, start: int, end: int | None = None) -> list[tuple[int, int]]:
    """Return (offset, ms) of what came from `start` to `end`, beginning with the last before it; nothing where none were kept."""
    try:
        with index_of(log).open("rb") as file:
            file.seek(_first(file.fileno(), start) * RECORD.size)
            found: list[tuple[int, int]] = []
            while len(records := file.read(RECORD.size * 1024)) >= RECORD.size:
                found += RECORD.iter_unpack(records[: len(records) // RECORD.size * RECORD.size])
                if end is not None and found[-1][0] >= end:
                    break
    except FileNotFoundError:
        return []
    return [each for each in found if end is None or each[0] < end]


def first_record(log: Path, start: int) -> int:
    """Return where in the index the record stands that tells of `start`."""
    with index_of(log).open("rb") as file:
        return _first(file.fileno(), start) * RECORD.size


def _first(descriptor: int, start: int) -> int:
    """Return the number of the last record that is not behind `start`."""
    low, high = 0, os.fstat(descriptor).st_size // RECORD.size
    while low < high:
        middle = (low + high) // 2
        if RECORD.unpack(os.pread(descriptor, RECORD.size, middle * RECORD.size))[0] <= start:
            low = middle + 1
        else:
            high = middle
    return max(low - 1, 0)


class Stamper:
    """Puts its time in front of each line of a log, from `offset` on; what stands there first has one, too."""

    def __init__(self, log: Path, offset: int) -> None:
        self.log = log
        self.offset = offset
        self.due = True

    def stamp(self, piece: bytes) -> bytes:
        """Return the next bytes of the log with the times of its lines."""
        time_at = _times(arrivals(self.log, self.offset, self.offset + len(piece)))
        done, at = bytearray(), 0
        while at < len(piece):
            if self.due:
                done += time_at(self.offset + at)
            stop = piece.find(b"\n", at) + 1
            self.due = stop > 0
            stop = stop or len(piece)
            done += piece[at:stop]
            at = stop
        self.offset += len(piece)
        return bytes(done)


def _times(known: list[tuple[int, int]]) -> Callable[[int], bytes]:
    """Return what gives the time of an offset, for offsets that only grow."""
    waiting, now = iter(known), UNKNOWN
    ahead = next(waiting, None)

    def time_at(offset: int) -> bytes:
        nonlocal ahead, now
        came = None
        while ahead is not None and ahead[0] <= offset:
            came, ahead = ahead[1], next(waiting, None)
        now = now if came is None else _written(came)
        return now

    return time_at


def _written(ms: int) -> bytes:
    text = datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
    return f"{text.removesuffix('+00:00')}Z ".encode()
