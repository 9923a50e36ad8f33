"""How the server says why it ends: one JSON object as the log's last line and in the termination log."""

from __future__ import annotations

import json
import os

TERMINATION_LOG = "/dev/termination-log"
TEXT_LIMIT = 2000
CODES = {
    "scoring-settings-invalid": 3,
    "scoring-python-missing": 4,
    "scoring-port-taken": 5,
    "user-script-missing": 10,
    "user-script-import-error": 11,
    "user-script-function-not-found": 12,
    "user-script-init-failed": 13,
    "mlflow-missing": 14,
    "scoring-worker-died": 15,
}


class Ending(Exception):
    """A reason for which the server cannot go on."""

    def __init__(self, id: str, text: str) -> None:
        super().__init__(text)
        self.id = id
        self.text = text if len(text) <= TEXT_LIMIT else text[: TEXT_LIMIT - 1] + "…"


def tell(ending: Ending) -> int:
    """Write the reason to the log and the termination log; give the exit code."""
    line = json.dumps({"id": ending.id, "text": ending.text})
    write_all(1, (line + "\n").encode())
    try:
        with open(os.environ.get("MOORING_TERMINATION_LOG", TERMINATION_LOG), "w", encoding="utf-8") as file:
            file.write(line)
    except OSError:
        pass
    return CODES[ending.id]


def write_all(handle: int, content: bytes) -> None:
    """Write everything to a file handle; a reader that is gone takes it no more."""
    try:
        while content:
            content = content[os.write(handle, content) :]
    except OSError:
        pass
