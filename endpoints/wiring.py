"""Tie endpoints to what lies below them: who may watch them, and what the watch of a cluster says of their pods."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from django.db.models import Count
from django.urls import reverse

from compute.extension.services import ROUTED
from compute.models import Cluster, Compute
from compute.services import WORKLOADS, Workloads
from compute.watching import OBSERVERS, SNAPSHOTS
from endpoints.following import LogFollowers, look, path_of
from endpoints.models import Endpoint, ReplicaLog, Revision
from endpoints.observing import changed, listed
from endpoints.selectors import model_users
from endpoints.services import delete_endpoint
from jobs.leg import MORE
from studio.accounts.access import workspace_for
from studio.assets.collecting import HOLDERS, digests_in
from studio.assets.registry.models import ModelVersion
from studio.assets.registry.tables import ACTIONS, USERS, Action
from studio.core.errors import ProblemError
from studio.live.topics import register_topic


def connect() -> None:
    """Register the topics of endpoints, and the observer of their pods."""
    register_topic("endpoints", _workspace)
    register_topic("endpoint", _endpoint)
    register_topic("log-replica", _log, is_log=True, watched=_looked_at)
    MORE.append(LogFollowers)
    HOLDERS["endpoints"] = _held
    OBSERVERS["deployment"] = changed
    SNAPSHOTS["deployment"] = listed
    ROUTED["endpoints"] = _on_router
    USERS["endpoints"] = model_users
    ACTIONS["endpoints"] = _deploy
    WORKLOADS["endpoints"] = Workloads(running_on=_running_on, on_detach=_on_detach)


def _held() -> Iterator[str]:
    """Yield the digests that revisions refer to; an old one may be gone back to."""
    return digests_in(Revision.objects.values_list("spec", flat=True).iterator())


def _deploy(version: ModelVersion) -> list[Action]:
    """Offer the wizard with the version filled in."""
    url = reverse("endpoints:new", args=[version.model.workspace.name], query={"model": version.name})
    return [Action("Deploy", "plug-connected", url)]


def _running_on(computes: Collection[int]) -> dict[int, int]:
    rows = Endpoint.objects.filter(compute__in=computes).order_by()
    return dict(rows.values_list("compute").annotate(Count("pk")))


def _on_router(cluster: Cluster) -> list[str]:
    """Return the names of the endpoints on a cluster's router, with their workspaces."""
    found = Endpoint.objects.filter(cluster=cluster).select_related("workspace").order_by("workspace__name", "name")
    return [f"{endpoint.workspace.name}/{endpoint.name}" for endpoint in found]


def _on_detach(compute: Compute, running: str) -> None:
    """Delete the endpoints of a compute that goes; with `leave` they go on answering, and nobody looks after them."""
    if running != "cancel":
        return
    for endpoint in Endpoint.objects.select_related("workspace").filter(compute=compute):
        delete_endpoint(None, endpoint)


def _workspace(user: Any, key: str) -> None:
    workspace_for(user, key)


def _endpoint(user: Any, key: str) -> None:
    endpoint = Endpoint.objects.select_related("workspace").filter(pk=key).first() if key.isdecimal() else None
    workspace_for(user, endpoint.workspace.name if endpoint else "")


def _log(user: Any, key: str) -> Path:
    """Allow `log-replica:<id>`; the file is the truth that frames are offsets of."""
    rows = ReplicaLog.objects.select_related("replica__deployment__endpoint__workspace")
    row = rows.filter(pk=key).first() if key.isdecimal() else None
    workspace_for(user, row.replica.deployment.endpoint.workspace.name if row else "")
    if row is None:
        raise ProblemError("not-found")
    return path_of(row)


def _looked_at(key: str) -> None:
    if row := ReplicaLog.objects.filter(pk=key).first():
        look(row)
