"""Whether the names that the extension gives are free in a cluster, or taken by what somebody else has put there."""

from collections.abc import Iterable
from typing import Any

from compute.extension.looking import Looker
from compute.extension.observe import made
from compute.extension.release import NAMESPACE, RELEASE
from compute.extension.removing import OWNED
from compute.kube import kinds
from compute.kube.client import KubeClient
from compute.kube.errors import Forbidden
from compute.router import GATEWAY, GATEWAY_CLASS

Object = dict[str, Any]

# What our own chart and Envoy Gateway call by the router's name; the dependency's own names are known when it is rendered.
OURS = (
    (kinds.GATEWAY_CLASS, GATEWAY_CLASS),
    (kinds.GATEWAY, GATEWAY),
    (kinds.ENVOY_PROXY, GATEWAY),
    (kinds.SECURITY_POLICY, GATEWAY),
    (kinds.CLIENT_TRAFFIC_POLICY, GATEWAY),
    (kinds.TRAFFIC_POLICY, GATEWAY),
    (kinds.DEPLOYMENT, GATEWAY),
    (kinds.SERVICE, GATEWAY),
)
MOST_NAMED = 6


def taken_by_others(client: KubeClient) -> list[str]:
    """Return what has one of the router's own names and is not of our release."""
    found = ((kind, _found(client, kind, name)) for kind, name in OURS)
    return [_named(kind, thing) for kind, thing in found if thing is not None and not _is_ours(thing)]


def taken_of(client: KubeClient, rendered: Iterable[Object]) -> list[str]:
    """Return what has the name of an object that is to be installed and is not of our release."""
    objects = list(rendered)
    looker, taken = Looker(client), []
    for each in [*objects, *made(objects)]:
        kind = looker.kind_of(each)
        thing = _found(client, kind, each["metadata"]["name"], each["metadata"].get("namespace")) if kind else None
        if kind and thing is not None and not _is_ours(thing):
            taken.append(_named(kind, thing))
    return taken


def sentence(taken: list[str]) -> str:
    """Return what to say of names that are taken."""
    more = f" and {len(taken) - MOST_NAMED} more" if len(taken) > MOST_NAMED else ""
    return f"The cluster has these already, and they are not of this release: {'; '.join(taken[:MOST_NAMED])}{more}."


def _found(client: KubeClient, kind: kinds.Kind, name: str, namespace: str | None = None) -> Object | None:
    try:
        return client.find(kind, name, (namespace or NAMESPACE) if kind.namespaced else None)
    except Forbidden:
        # What may not be looked at is told by Helm.
        return None


def _is_ours(found: Object) -> bool:
    metadata = found["metadata"]
    annotations, labels = metadata.get("annotations") or {}, metadata.get("labels") or {}
    of_the_release = (
        annotations.get("meta.helm.sh/release-name") == RELEASE and annotations.get("meta.helm.sh/release-namespace") == NAMESPACE
    )
    return of_the_release or OWNED.items() <= labels.items()


def _named(kind: kinds.Kind, found: Object) -> str:
    metadata = found["metadata"]
    place = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
    by = (found.get("spec") or {}).get("controllerName") if kind == kinds.GATEWAY_CLASS else ""
    return f"{kind.name} {place}{metadata['name']}" + (f" of the controller {by}" if by else "")
