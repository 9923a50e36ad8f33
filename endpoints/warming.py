"""Ask the router's pods whether they know the way to a deployment's replicas.

The Gateway API says when a route is accepted, not when every proxy has what it leads to. Envoy itself says it: it counts
the healthy members of each cluster that it has.
"""

import time
from collections.abc import Iterable
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from compute.extension.envoy import router_pods, stats_of
from compute.kube.client import KubeClient
from compute.kube.errors import KubeError
from endpoints.routing import Backend, Plan, render_route

MEMBERS = "envoy_cluster_membership_healthy"
# How long one call waits; the sweep asks again. Where no pod of the router can be asked, time is all there is.
WARM_SECONDS, ASK_SECONDS, BLIND_SECONDS = 5.0, 0.1, 3.0


def wait_until_known(client: KubeClient, plan: Plan, backends: Iterable[Backend]) -> list[str]:
    """Wait a moment until every pod of the router has healthy replicas of these; return the names that one does not have yet."""
    wanted = {backend.name: _clusters_of(plan, backend) for backend in backends}
    began = time.monotonic()
    while True:
        known = _known(client, plan, list(backends))
        if known is None:
            missing = list(wanted) if time.monotonic() < began + BLIND_SECONDS else []
        else:
            missing = [name for name, clusters in wanted.items() if not all(any(_is(one, clusters) for one in pod) for pod in known)]
        if not missing or time.monotonic() > began + WARM_SECONDS:
            return missing
        time.sleep(ASK_SECONDS)


def _known(client: KubeClient, plan: Plan, backends: list[Backend]) -> list[set[str]] | None:
    """Return for each pod of the router the clusters of which it has healthy members; None where none could be asked."""
    ids = "|".join(str(backend.id) for backend in backends)
    pattern = rf"^cluster\.(service/{plan.namespace}/md-({ids})/.*|httproute/{plan.namespace}/me-{plan.id}/.*)\.membership_healthy$"
    found: list[set[str]] = []
    try:
        for pod in router_pods(client):
            if not _serves(pod):
                continue
            text = stats_of(client, pod, {"filter": pattern})
            if text is None:
                return None
            found.append(members_in(text))
    except KubeError:
        return None
    return found or None


def members_in(text: str) -> set[str]:
    """Return the names of the clusters with at least one healthy member, in Envoy's Prometheus text."""
    return {
        sample.labels.get("envoy_cluster_name", "")
        for family in text_string_to_metric_families(text)
        if family.name == MEMBERS
        for sample in family.samples
        if sample.value >= 1
    }


def _clusters_of(plan: Plan, backend: Backend) -> tuple[str, ...]:
    """Return how Envoy's clusters of a deployment begin: of its Service, or, with a router that merges none, of its own rule."""
    rules = [rule["name"] for rule in render_route(plan)["spec"]["rules"]]
    own = f"httproute/{plan.namespace}/{plan.object_name}/rule/{rules.index(f'd-{backend.id}')}"
    return f"service/{plan.namespace}/{backend.service}", own


def _is(name: str, clusters: tuple[str, ...]) -> bool:
    return any(name == one or name.startswith(f"{one}/") for one in clusters)


def _serves(pod: dict[str, Any]) -> bool:
    metadata, status = pod.get("metadata") or {}, pod.get("status") or {}
    ready = any(one.get("type") == "Ready" and one.get("status") == "True" for one in status.get("conditions") or [])
    return ready and not metadata.get("deletionTimestamp")
