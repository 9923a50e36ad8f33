"""Whether the router's proxies take the configuration that Envoy Gateway gives them.

All routes of the router are one configuration: when a proxy refuses it for the sake of one route, it goes on with the last
one it took, and no change of any endpoint reaches it. Neither Gateway nor route says so; the proxies count it.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from compute.extension.envoy import router_pods, stats_of
from compute.extension.observe import FAILED, Seen
from compute.kube import kinds
from compute.kube.client import KubeClient
from compute.kube.errors import KubeError
from compute.router import GATEWAY, NAMESPACE

QUERY = {"filter": r"^(http\..*\.rds\..*|cluster_manager\.cds|listener_manager\.lds)\.update_(rejected|success)$"}
REJECTED, SUCCESS = "update_rejected", "update_success"
# What Envoy Gateway writes down of a proxy's refusal, with the proxy's own words.
SAID, UNTIL = " and message ", "; the proxy is still serving"
LOG_LINES, TEXT_CHARS, MOST_NAMED = 400, 200, 5

# How often each part of the configuration was refused and taken, by proxy and part.
Counts = dict[str, list[int]]


def counted(client: KubeClient) -> Counts:
    """Return the counts of all proxies; a proxy that does not answer is left out."""
    counts: Counts = {}
    try:
        pods = router_pods(client)
    except KubeError:
        return counts
    for pod in pods:
        with suppress(KubeError, ValueError):
            text = stats_of(client, pod, QUERY) or ""
            counts |= {f"{pod['metadata']['name']} {part}": each for part, each in counts_in(text).items()}
    return counts


def counts_in(text: str) -> Counts:
    """Return how often each part was refused and taken, from Envoy's Prometheus text."""
    counts: Counts = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            for place, ending in enumerate((REJECTED, SUCCESS)):
                if sample.name.removesuffix("_total").endswith(ending):
                    part = sample.name.removesuffix("_total").removesuffix(ending).strip("_") + "".join(
                        f" {value}" for _, value in sorted(sample.labels.items())
                    )
                    counts.setdefault(part, [0, 0])[place] = int(sample.value)
    return counts


def refusing(before: Mapping[str, Any], now: Counts) -> list[str]:
    """Return the parts that are refused now, from the counts of the look before and of this one.

    A part is refused from the moment that it was refused and not taken since, until it is taken again.
    """
    refused = set(before.get("refused") or [])
    counts: Mapping[str, list[int]] = before.get("counts") or {}
    found = []
    for part, (rejected, success) in now.items():
        was_rejected, was_success = counts.get(part) or (0, 0)
        more, taken = rejected > was_rejected, success > was_success
        if (more and (not taken or success == 0)) or (part in refused and not taken):
            found.append(part)
    return sorted(found)


def look(client: KubeClient, before: Mapping[str, Any]) -> tuple[dict[str, Any], Seen | None]:
    """Return what to know at the next look, and what to show when a part is refused at this look and was at the one before."""
    counts = counted(client)
    refused = refusing(before, counts)
    known: dict[str, Any] = {"counts": counts, "refused": refused} if counts else {}
    if not set(refused) & set(before.get("refused") or []):
        return known, None
    return known, Seen("Envoy", GATEWAY, NAMESPACE, FAILED, explained(client)[:400])


def explained(client: KubeClient) -> str:
    """Return what to say of a configuration that is refused: the proxy's own words, and which routes no studio made."""
    strangers = _strangers(client)
    named = ", ".join(strangers[:MOST_NAMED]) + (" …" if len(strangers) > MOST_NAMED else "")
    whose = f" Routes that no studio made: {named}." if strangers else ""
    said = _said(client)
    return "Envoy refuses its configuration and goes on with the last one" + (f": {said}." if said else ".") + whose


def _strangers(client: KubeClient) -> list[str]:
    """Return the routes on the router that no studio has made."""
    try:
        routes = client.list(kinds.HTTP_ROUTE)
    except KubeError:
        return []
    return sorted(
        f"{each['metadata']['namespace']}/{each['metadata']['name']}" for each in routes if _is_on_it(each) and not _is_a_studios(each)
    )


def _is_on_it(route: Mapping[str, Any]) -> bool:
    parents: Iterable[Mapping[str, Any]] = (route.get("spec") or {}).get("parentRefs") or []
    return any(each.get("name") == GATEWAY and each.get("namespace") == NAMESPACE for each in parents)


def _is_a_studios(route: Mapping[str, Any]) -> bool:
    labels = route["metadata"].get("labels") or {}
    return labels.get("app.kubernetes.io/managed-by") == "mooring" and bool(labels.get("mooring.dev/studio"))


def _said(client: KubeClient) -> str:
    """Return the last refusal that Envoy Gateway wrote down."""
    try:
        for pod in client.list(kinds.POD, NAMESPACE, labels={"control-plane": "envoy-gateway"}):
            with client.logs(NAMESPACE, pod["metadata"]["name"], tail=LOG_LINES) as stream:
                lines = b"".join(stream).decode(errors="replace").splitlines()
            told = [line for line in lines if SAID in line and UNTIL in line]
            if told:
                return told[-1].partition(SAID)[2].partition(UNTIL)[0].replace('\\"', '"')[:TEXT_CHARS].rstrip(". ")
    except KubeError:
        pass
    return ""
