"""Take the extension out of a cluster, so that nothing stays but the definitions and the namespace.

Envoy Gateway removes what it has made for a Gateway only while it runs: the Gateway goes first, then the release. What
it could not remove any more is removed here.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from compute.extension.helm import Helm
from compute.extension.release import NAMESPACE, RELEASE
from compute.kube import kinds
from compute.kube.client import KubeClient
from compute.kube.errors import Conflict, Forbidden, NotFound
from compute.router import GATEWAY, GATEWAY_CLASS

# Envoy Gateway takes a second; one that started a moment ago has never known of what it made, and leaves it.
DOWN_SECONDS = 15.0
STEP_SECONDS = 0.5
UNINSTALL_SECONDS = 300.0
OWNED = {"gateway.envoyproxy.io/owning-gateway-name": GATEWAY, "gateway.envoyproxy.io/owning-gateway-namespace": NAMESPACE}
CERTGEN = f"{RELEASE}-envoy-gateway-certgen"
# Made by Envoy Gateway itself and not by the chart.
SECRETS = ("envoy-gateway", "envoy", "envoy-rate-limit", "envoy-oidc-hmac")
LEASE_SUFFIX = ".gateway.envoyproxy.io"

Check = Callable[[], None]


def take_down_router(client: KubeClient, *, check: Check) -> None:
    """Remove the Gateway and wait until Envoy is gone."""
    if not client.has_api(kinds.GATEWAY):
        return
    client.delete(kinds.GATEWAY, GATEWAY, NAMESPACE)
    deadline = time.monotonic() + DOWN_SECONDS
    while time.monotonic() < deadline and _runs(client):
        check()
        time.sleep(STEP_SECONDS)
    for kind in (kinds.DEPLOYMENT, kinds.SERVICE, kinds.CONFIG_MAP, kinds.SERVICE_ACCOUNT, kinds.DISRUPTION_BUDGET):
        for each in client.list(kind, NAMESPACE, labels=OWNED):
            client.delete(kind, each["metadata"]["name"], NAMESPACE)


def uninstall(client: KubeClient, helm: Helm, *, check: Check) -> str:
    """Remove the release; a class of gateways whose controller no longer runs is let go."""
    take_down_router(client, check=check)
    output = helm.run(
        ["uninstall", RELEASE, "--namespace", NAMESPACE, "--ignore-not-found", "--timeout", "120s"],
        seconds=UNINSTALL_SECONDS,
        while_it_runs=check,
    )
    with suppress(NotFound):
        found = client.find(kinds.GATEWAY_CLASS, GATEWAY_CLASS)
        annotations = (found or {}).get("metadata", {}).get("annotations") or {}
        if found and annotations.get("meta.helm.sh/release-name") == RELEASE:
            # Deleted, and held by the finalizer of a controller that is gone.
            client.patch(kinds.GATEWAY_CLASS, GATEWAY_CLASS, {"metadata": {"finalizers": None}})
    return output


def clear_leftovers(client: KubeClient) -> None:
    """Remove what neither Helm nor Envoy Gateway removes: the Job that made its certificates, and these."""
    for kind in (kinds.JOB, kinds.ROLE_BINDING, kinds.ROLE, kinds.SERVICE_ACCOUNT):
        client.delete(kind, CERTGEN, NAMESPACE)
    for name in SECRETS:
        client.delete(kinds.SECRET, name, NAMESPACE)
    with suppress(Forbidden, NotFound):
        for lease in client.list(kinds.LEASE, NAMESPACE):
            if str(lease["metadata"]["name"]).endswith(LEASE_SUFFIX):
                client.delete(kinds.LEASE, lease["metadata"]["name"], NAMESPACE)
    _certificate(client)


def _certificate(client: KubeClient) -> None:
    """Remove the router's certificate from the cluster; the stored one stays for the next install."""
    from compute.network import applying

    with suppress(Conflict):
        applying.withdraw(client)


def _runs(client: KubeClient) -> bool:
    found: list[dict[str, Any]] = [*client.list(kinds.DEPLOYMENT, NAMESPACE, labels=OWNED)]
    found += client.list(kinds.SERVICE, NAMESPACE, labels=OWNED)
    return bool(found or client.find(kinds.GATEWAY, GATEWAY, NAMESPACE))
