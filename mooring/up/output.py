"""One log of all children: each line with the name of the child that wrote it, coloured on a terminal only."""

from __future__ import annotations

import os
import sys
from typing import BinaryIO

from mooring.terminal import plain

SUPERVISOR = "mooring"
_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92)


class Log:
    """Write prefixed lines to one stream; go quiet for good when nobody reads it any more."""

    def __init__(self, names: list[str], *, stream: BinaryIO | None = None, coloured: bool | None = None) -> None:
        self._stream = stream or sys.stdout.buffer
        self._width = max(map(len, [*names, SUPERVISOR]))
        terminal = self._stream.isatty() and not os.environ.get("NO_COLOR")
        self._coloured = terminal if coloured is None else coloured
        self._colours = {name: _COLOURS[index % len(_COLOURS)] for index, name in enumerate(names)}
        self._open = True

    def line(self, name: str, text: str) -> None:
        """Write one line under a name."""
        if not self._open:
            return
        prefix = f"{name:<{self._width}} │"
        if self._coloured:
            prefix = f"\x1b[{self._colours.get(name, 1)}m{prefix}\x1b[0m"
        try:
            self._stream.write(f"{prefix} {plain(text)}\n".encode(errors="replace"))
            self._stream.flush()
        except OSError:  # the pipe's reader or the terminal has gone: the studio stays up
            self._open = False

    def say(self, text: str) -> None:
        """Write a line of the supervisor itself."""
        for line in text.splitlines():
            self.line(SUPERVISOR, line)
