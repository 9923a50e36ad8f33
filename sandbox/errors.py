"""The one failure that people see: which part, what happened, the end of its log, what to do."""

from __future__ import annotations

from pathlib import Path

LOG_LINES = 15


class SandboxError(Exception):
    """Say which part of the sandbox failed, with the last lines of its log and a next step."""

    def __init__(self, part: str, sentence: str, todo: str, *, log: list[str] | None = None) -> None:
        super().__init__(sentence)
        self.part = part
        self.sentence = sentence
        self.todo = todo
        self.log = log or []

    def __str__(self) -> str:
        lines = [f"{self.part}: {self.sentence}"]
        if self.log:
            lines += ["  last lines of its log:", *(f"    {line}" for line in self.log)]
        lines.append(f"  what to do: {self.todo}")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, object]:
        """Return the failure for ``--json``."""
        return {"part": self.part, "error": self.sentence, "log": self.log, "todo": self.todo}


def tail(path: Path, lines: int = LOG_LINES) -> list[str]:
    """Return the last lines of a log file, none when there is no such file."""
    try:
        with path.open("rb") as log:
            log.seek(0, 2)
            log.seek(max(0, log.tell() - 32_768))
            text = log.read().decode(errors="replace")
    except OSError:
        return []
    return [line.rstrip() for line in text.splitlines() if line.strip()][-lines:]
