"""What others wrote, on a terminal: sequences that move its cursor, set its title or fill its clipboard are shown, not obeyed."""

from __future__ import annotations

import re
import sys
from types import TracebackType
from typing import BinaryIO, Self

# Control characters but tab and line feed, and signs that turn the direction of writing.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# In a log colours stay (ECMA-48, SGR), and what programs write a bar of progress with.
_IN_A_LOG = re.compile(rb"(\x1b\[[0-9;:]{0,32}m)|[\x00-\x07\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]")
_BEGUN = re.compile(rb"(\x1b(\[[0-9;:]{0,32})?|\xc2)\Z")
_END = b"\x1b[0m"


def plain(text: str) -> str:
    """Return a text with its control characters written out, as `\\x1b`."""
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class Log:
    """Copy bytes to standard output: to a file or a pipe as they came, to a terminal with nothing in them but text and colours."""

    def __init__(self, stream: BinaryIO | None = None, *, terminal: bool | None = None) -> None:
        self._stream = stream or sys.stdout.buffer
        self._terminal = self._stream.isatty() if terminal is None else terminal
        self._kept = b""
        self._coloured = False

    def write(self, piece: bytes) -> None:
        """Write a piece, which may end in the middle of a sequence."""
        if self._terminal:
            piece = self._kept + piece
            begun = _BEGUN.search(piece)
            self._kept = begun[0] if begun else b""
            piece = self._shown(piece[: begun.start()] if begun else piece)
        self._stream.write(piece)
        self._stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        left = self._shown(self._kept) + (_END if self._coloured else b"")
        if left:
            self._stream.write(left)
            self._stream.flush()

    def _shown(self, piece: bytes) -> bytes:
        return _IN_A_LOG.sub(self._one, piece)

    def _one(self, found: re.Match[bytes]) -> bytes:
        if found[1]:
            self._coloured = True
            return found[1]
        return found[0].decode().encode("unicode_escape")
