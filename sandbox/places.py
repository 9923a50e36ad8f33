"""Where the sandbox keeps things: the cache that outlives clusters, and one folder a cluster."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def cache_folder() -> Path:
    """Return the folder of what takes long to make: binaries, images, build caches."""
    given = os.environ.get("MOORING_CACHE")
    return Path(given).expanduser().resolve() if given else Path.home() / ".cache" / "mooring"


def state_folder() -> Path:
    """Return the folder with one folder a cluster."""
    given = os.environ.get("MOORING_SANDBOX_STATE")
    if given:
        return Path(given).expanduser().resolve()
    return Path("/var/lib/mooring-sandbox") if os.geteuid() == 0 else cache_folder() / "sandbox"


@dataclass(frozen=True)
class ClusterPlace:
    """The folder of one cluster and what lies in it."""

    name: str
    root: Path

    @classmethod
    def of(cls, name: str) -> ClusterPlace:
        return cls(name, state_folder() / name)

    @property
    def record(self) -> Path:
        return self.root / "cluster.json"

    @property
    def given(self) -> Path:
        return self.root / "given.json"

    @property
    def plan(self) -> Path:
        return self.root / "plan.json"

    @property
    def health(self) -> Path:
        return self.root / "health.json"

    @property
    def pki(self) -> Path:
        return self.root / "pki"

    @property
    def authority(self) -> Path:
        """The certificate of the authority for demonstrations; never the one that the cluster itself trusts."""
        return self.root / "ca.pem"

    @property
    def etc(self) -> Path:
        return self.root / "etc"

    @property
    def logs(self) -> Path:
        return self.root / "log"

    @property
    def kubeconfig(self) -> Path:
        return self.root / "kubeconfig"

    @property
    def network_ready(self) -> Path:
        return self.root / "network-ready"

    def folder(self, *parts: str) -> Path:
        """Return a folder below the cluster's own, made when it is missing."""
        path = self.root.joinpath(*parts)
        path.mkdir(parents=True, exist_ok=True)
        return path


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; an absent or torn file is an empty one."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Replace a JSON file in one step, so that no reader sees half of it."""
    write_text(path, json.dumps(content, indent=1, sort_keys=True) + "\n")


def write_text(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace a file in one step with the given mode from the first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
    temporary.replace(path)
