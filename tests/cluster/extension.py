"""The extension in tests: away whoever left it, or there with plain HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from compute.extension import removing
from compute.extension.helm import find_program, helm_for
from compute.extension.release import history
from compute.kube.client import KubeClient
from compute.kube.config import connection
from tests.studio_process import Studio

SETTINGS: dict[str, Any] = {
    "enableTraining": True,
    "enableInference": True,
    "inferenceRouterServiceType": "nodePort",
    "inferenceRouterHA": False,
    "allowInsecureConnections": True,
}


def clear_extension(studio: Studio, folder: Path) -> None:
    """Remove the extension of a cluster: with the studio when it is its own, with Helm when another studio left it."""
    if studio.client.extensions.get(studio.cluster)["status"] != "absent":
        operation = studio.client.extensions.get(studio.cluster)["operation"]
        if operation and operation["status"] in ("waiting", "running"):
            settled(studio, operation["id"])
        studio.client.extensions.wait(studio.cluster, studio.client.extensions.remove(studio.cluster, force=True)["id"], seconds=180)
        return
    given = connection(studio.kubeconfig)
    with KubeClient(given, timeout=30) as client:
        if not history(client):
            return
        with helm_for(given, find_program(studio.sandbox["programs"]["helm"]), folder, "test") as helm:
            removing.uninstall(client, helm, check=lambda: None)
            removing.clear_leftovers(client)


def settled(studio: Studio, id: int, *, seconds: float = 240) -> dict[str, Any]:
    """Wait until an operation has ended in whichever way, and return it."""

    def ended() -> dict[str, Any] | None:
        found = studio.client.extensions.operation(studio.cluster, id)
        return found if found["status"] in ("done", "failed") else None

    found: dict[str, Any] = studio.until(ended, seconds=seconds, what=f"operation {id} to end")
    return found


def installed(studio: Studio, folder: Path, **settings: Any) -> dict[str, Any]:
    """Install the extension anew and return it when it is ready."""
    clear_extension(studio, folder)
    operation = studio.client.extensions.install(studio.cluster, SETTINGS | settings)
    studio.client.extensions.wait(studio.cluster, operation["id"], seconds=240)
    return studio.client.extensions.get(studio.cluster)
