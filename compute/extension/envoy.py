"""Read what the router's own pods say of themselves: each answers with Envoy's counters, as Prometheus' text."""

from collections.abc import Mapping
from typing import Any

from compute.kube import kinds
from compute.kube.client import KubeClient
from compute.router import GATEWAY, NAMESPACE

LABELS = {"gateway.envoyproxy.io/owning-gateway-name": GATEWAY, "gateway.envoyproxy.io/owning-gateway-namespace": NAMESPACE}
STATS_PORT = 19001
# Envoy's text for a hundred deployments is about 1 MB.
MOST_BYTES = 32 * 1024 * 1024


def router_pods(client: KubeClient) -> list[dict[str, Any]]:
    """Return the pods of the router."""
    return client.list(kinds.POD, NAMESPACE, labels=LABELS)


def stats_of(client: KubeClient, pod: Mapping[str, Any], query: Mapping[str, str | int]) -> str | None:
    """Return the counters of one pod that match the query (Envoy's `/stats/prometheus`); None where it answers otherwise."""
    with client.pod_proxy(NAMESPACE, pod["metadata"]["name"], STATS_PORT, "GET", "/stats/prometheus", query=query) as answer:
        return answer.read(MOST_BYTES).decode(errors="replace") if answer.status == 200 else None
