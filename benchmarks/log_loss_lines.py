"""The lines that the pods of `log_loss` print, and what is wrong with a log of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

# Prints so many lines a second from a moment on, or from its own begin when that comes later. Each has its number and the pod's name.
PRINTER = """\
import socket, sys, time
start, rate, count, width = float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
rest = (" " + socket.gethostname() + " ").ljust(width - 9, "x").encode() + b"\\n"
out, done, start = sys.stdout.buffer, 0, max(start, time.time())
while done < count:
    due = min(int((time.time() - start) * rate), count)
    for first in range(done, due, 1000):
        out.write(b"".join(b"%08d" % number + rest for number in range(first, min(first + 1000, due))))
    out.flush()
    done = max(done, due)
    time.sleep(0.05)
"""
DIGITS = 8


@dataclass(frozen=True)
class Wrong:
    """What is wrong with a log; each count is 0 when all is well. `foreign` are lines that nobody printed, torn ones, too."""

    lost: int = 0
    doubled: int = 0
    reordered: int = 0
    foreign: int = 0

    def __add__(self, other: Wrong) -> Wrong:
        return Wrong(
            self.lost + other.lost, self.doubled + other.doubled, self.reordered + other.reordered, self.foreign + other.foreign
        )

    def __bool__(self) -> bool:
        return self != Wrong()


def yaml_of(image: str, compute: str, instance_type: str, *words: float) -> str:
    """Return the job that prints; `words` are the start, lines a second, lines, and bytes of a line."""
    indented = PRINTER.replace("\n", "\n  ").rstrip()
    return (
        f"command: |\n  cat > print.py <<'END'\n  {indented}\n  END\n  python3 print.py {' '.join(map(str, words))}\n"
        f"environment:\n  image: {image}\ncompute: azureml:{compute}\nresources:\n  instance_type: {instance_type}\n"
    )


def host_of(pod: str) -> str:
    """Return what a pod of an indexed Job calls itself: its name without the random part."""
    return pod.rpartition("-")[0]


def rest_of(pod: str, width: int) -> bytes:
    """Return what follows the number in each line of a pod."""
    return f" {host_of(pod)} ".ljust(width - 1 - DIGITS, "x").encode() + b"\n"


class Tally:
    """Count what is wrong with the log of one pod, fed piece by piece."""

    def __init__(self, pod: str, count: int, width: int) -> None:
        self.rest = rest_of(pod, width)
        self.length = DIGITS + len(self.rest)
        self.seen = bytearray(count)
        self.greatest = -1
        self.doubled = self.reordered = self.foreign = 0
        self.torn = b""

    def feed(self, piece: bytes) -> None:
        """Take the next bytes of the log."""
        whole, newline, self.torn = (self.torn + piece).rpartition(b"\n")
        if not newline:
            return
        block = whole + newline
        first = self.greatest + 1
        last = min(first + len(block) // self.length, len(self.seen))
        # As it should be: compared as a whole, since there are millions of them.
        if block == b"".join(b"%08d" % number + self.rest for number in range(first, last)):
            self.seen[first:last] = b"\1" * (last - first)
            self.greatest = last - 1
            return
        for line in whole.split(b"\n"):
            self._line(line + b"\n")

    def wrong(self) -> Wrong:
        """Return what was wrong once all was fed."""
        return Wrong(len(self.seen) - sum(self.seen), self.doubled, self.reordered, self.foreign + bool(self.torn))

    def _line(self, line: bytes) -> None:
        digits = line[:DIGITS]
        if line[DIGITS:] != self.rest or not digits.isdigit() or int(digits) >= len(self.seen):
            self.foreign += 1
            return
        number = int(digits)
        if self.seen[number]:
            self.doubled += 1
            return
        self.seen[number] = 1
        self.reordered += number < self.greatest
        self.greatest = max(self.greatest, number)


def wrong_with(pieces: Iterable[bytes], pod: str, count: int, width: int) -> Wrong:
    """Return what is wrong with a log that comes in pieces."""
    tally = Tally(pod, count, width)
    for piece in pieces:
        tally.feed(piece)
    return tally.wrong()
