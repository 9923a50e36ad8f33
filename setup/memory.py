"""What earlier runs of `make run` have done, kept in `<data>/seed.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class Memory:
    """Facts by name; each is on disk before the next step begins."""

    def __init__(self, data: Path) -> None:
        self.path = data / "seed.json"
        self.facts: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8")) if self.path.exists() else {}

    def __contains__(self, name: str) -> bool:
        return name in self.facts

    def __getitem__(self, name: str) -> Any:
        return self.facts[name]

    def get(self, name: str, default: Any = None) -> Any:
        """Return what is known under a name."""
        return self.facts.get(name, default)

    def keep(self, **facts: Any) -> None:
        """Remember facts, whatever happens next."""
        self.facts |= facts
        draft = self.path.with_suffix(".draft")
        draft.write_text(json.dumps(self.facts, indent=1), encoding="utf-8")
        draft.replace(self.path)
