"""What a studio beside a cluster of the sandbox is told through its environment to install the cluster extension."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def of_studio(status: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables that follow from a cluster's status; what is not on this machine is left out."""
    extension = status.get("extension") or {}
    images = extension.get("images") or {}
    found = {
        "MOORING_HELM": (status.get("programs") or {}).get("helm"),
        "MOORING_EXTENSION_CHARTS": extension.get("charts"),
        "MOORING_EXTENSION_IMAGES": ",".join(f"{name}={reference}" for name, reference in images.items()),
    }
    return {name: value for name, value in found.items() if value}
