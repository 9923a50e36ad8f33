"""Where a cluster's router answers, or why it does not: read from what was last seen, without a call out."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from compute.extension.models import Extension, ExtensionStatus
from compute.models import Cluster

NAMESPACE = "mooring-system"
GATEWAY = "mooring-router"
GATEWAY_CLASS = "mooring"
TLS_SECRET = "mooring-router-tls"  # noqa: S105 a name
HTTPS_LISTENER = "https"
HTTP_LISTENER = "http"
# A namespace with this label (any value) may have routes on the router.
ROUTES_LABEL = "mooring.dev/compute"


@dataclass(frozen=True)
class Router:
    """Say where the router of a cluster answers.

    `base_url` has no slash at its end and is empty while unknown. With TLS its host is `sslCname`; where that name
    need not resolve from here, `address` is what to connect to (as curl's `--resolve host:port:address`). `in_cluster`
    says that the address answers only inside the cluster. `service` is the name of Envoy's Service in NAMESPACE.
    `insecure` says that plain HTTP is what the address speaks, `plain_too` that it answers beside TLS.
    """

    installed: bool = False
    ready: bool = False
    base_url: str = ""
    scheme: str = "https"
    host: str = ""
    port: int = 0
    address: str = ""
    insecure: bool = False
    plain_too: bool = False
    in_cluster: bool = False
    service: str = ""
    service_type: str = ""
    reason: str = ""
    problem_id: str = ""


def router_of(cluster: Cluster) -> Router:
    """Return the router of a cluster as last seen."""
    return _router(Extension.objects.filter(cluster=cluster).first())


def routers_of(cluster_ids: Iterable[int]) -> dict[int, Router]:
    """Return the routers of many clusters, by the cluster's id."""
    wanted = set(cluster_ids)
    rows = {row.cluster_id: row for row in Extension.objects.filter(cluster__in=wanted)}
    return {id: _router(rows.get(id)) for id in wanted}


def _router(row: Extension | None) -> Router:
    if row is None or row.status == ExtensionStatus.ABSENT:
        return Router(reason="The extension is not installed.", problem_id="extension-absent")
    if not row.revision:
        return Router(reason=f"The extension is not there yet. {row.reason}".strip(), problem_id=row.problem_id or "extension-absent")
    if not row.settings.get("enableInference"):
        return Router(reason="The extension is installed without inference.", problem_id="extension-no-inference")
    seen: dict[str, Any] = row.router or {}
    return Router(
        installed=True,
        ready=bool(seen.get("ready")) and row.status in (ExtensionStatus.READY, ExtensionStatus.UPDATING, ExtensionStatus.ROLLING_BACK),
        base_url=str(seen.get("base_url") or ""),
        scheme=str(seen.get("scheme") or "https"),
        host=str(seen.get("host") or ""),
        port=int(seen.get("port") or 0),
        address=str(seen.get("address") or ""),
        insecure=seen.get("scheme") == "http",
        plain_too=seen.get("scheme") == "https" and bool(row.settings.get("allowInsecureConnections")),
        in_cluster=bool(seen.get("in_cluster")),
        service=str(seen.get("service") or ""),
        service_type=str(row.settings.get("inferenceRouterServiceType") or ""),
        reason=str(seen.get("reason") or row.reason),
        problem_id=str(seen.get("problem_id") or row.problem_id),
    )
