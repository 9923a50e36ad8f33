"""The extension in tests: away whoever left it, there with plain HTTP, or there with TLS as endpoints have it.

A cluster has one extension, and tests of several studios share the cluster. Whoever needs it there asks `ensured` (or
the fixture `tls_router`), in whatever order: what another studio has there is taken over, what is right is left alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from compute.extension import removing
from compute.extension.helm import find_program, helm_for
from compute.extension.release import history, owner
from compute.kube import kinds
from compute.kube.client import KubeClient
from compute.kube.config import connection
from compute.manifests import STUDIO
from tests.studio_process import ROOT, Studio

ROUTER_NAME = "scoring.mooring.example"
SETTINGS: dict[str, Any] = {
    "enableTraining": True,
    "enableInference": True,
    "inferenceRouterServiceType": "nodePort",
    "inferenceRouterHA": False,
    "allowInsecureConnections": True,
}
TLS: dict[str, Any] = SETTINGS | {"allowInsecureConnections": False, "sslCname": ROUTER_NAME}


@pytest.fixture
def tls_router(studio: Studio, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Have the extension there with TLS; give its `router` with the `authority` that signed its certificate."""
    yield ensured(studio, tmp_path)


def ensured(studio: Studio, folder: Path) -> dict[str, Any]:
    """Have the extension there with TLS and a certificate of the sandbox's authority, at once when it is so already."""
    extensions, cluster = studio.client.extensions, studio.cluster
    found = extensions.get(cluster)
    if found["operation"] and found["operation"]["status"] in ("waiting", "running"):
        settled(studio, found["operation"]["id"])
        found = extensions.get(cluster)
    renewed = _certified(studio, folder)
    wrong = {key for key, value in TLS.items() if found["settings"].get(key) != value}
    if renewed or wrong or found["status"] != "ready" or not _is_its_own(studio):
        bring = extensions.change if found["revision"] else extensions.install
        extensions.wait(cluster, bring(cluster, TLS, take_over=True)["id"], seconds=300)
        found = extensions.get(cluster)
    return found["router"] | {"authority": str(Path(studio.sandbox["kubeconfig"]).parent / "ca.pem")}


def _certified(studio: Studio, folder: Path) -> bool:
    """Give the router a certificate of the sandbox's authority unless it has one; tell whether it was given."""
    known = studio.client.network.get(studio.cluster)["certificate"]
    if known and "mooring-sandbox" in str(known["issuer"]) and known["status"] in ("ready", "waiting"):
        return False
    node = urlsplit(studio.sandbox["server"]).hostname
    command = [sys.executable, "-m", "sandbox", "certificate", "--name", f"{ROUTER_NAME},{node}", "--out", str(folder / "tls"), "--json"]
    made = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()[-1])
    chain, key = (Path(made[each]).read_text() for each in ("certificate", "key"))
    studio.client.network.set_certificate(studio.cluster, chain=chain, key=key)
    return True


def _is_its_own(studio: Studio) -> bool:
    """Tell whether the release in the cluster is this studio's, which its row learns only when it is looked at."""
    with KubeClient(connection(studio.kubeconfig), timeout=30) as client:
        labels = client.get(kinds.NAMESPACE, studio.namespace)["metadata"]["labels"]
        return owner(client) == labels[STUDIO]


def clear_extension(studio: Studio, folder: Path) -> None:
    """Remove the extension of a cluster: with the studio when it is its own, with Helm when another studio left it."""
    if studio.client.extensions.get(studio.cluster)["status"] != "absent":
        operation = studio.client.extensions.get(studio.cluster)["operation"]
        if operation and operation["status"] in ("waiting", "running"):
            settled(studio, operation["id"])
        studio.client.extensions.wait(studio.cluster, studio.client.extensions.remove(studio.cluster, force=True)["id"], seconds=180)
    given = connection(studio.kubeconfig)
    with KubeClient(given, timeout=30) as client:
        if not history(client):
            return
        with helm_for(given, find_program(studio.sandbox["programs"]["helm"]), folder, "test") as helm:
            removing.uninstall(client, helm, check=lambda: None)
            removing.clear_leftovers(client)


def forget_certificate(studio: Studio) -> None:
    """Take away the certificate that another test has given the router."""
    if studio.client.network.get(studio.cluster)["certificate"]:
        studio.client.network.remove_certificate(studio.cluster)
        studio.until(lambda: not studio.client.network.get(studio.cluster)["certificate"], what="the certificate to be gone")


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
