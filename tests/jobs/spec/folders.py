"""A folder of this machine as the loader sees one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class OnDisk:
    root: Path

    def kind(self, path: str) -> Literal["file", "folder"] | None:
        at = self.root / path
        return "file" if at.is_file() else "folder" if at.is_dir() else None
