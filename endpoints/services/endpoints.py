"""What people do with endpoints: create, update, share traffic, change keys, delete."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F

from endpoints.accepting import AcceptedEndpoint, check_endpoint
from endpoints.models import Change, Deployment, DeploymentStatus, Endpoint, EndpointStatus, new_key
from studio.accounts.models import Workspace
from studio.audit.services import record
from studio.core.errors import ProblemError
from studio.core.nudge import nudge
from studio.core.states import move
from studio.core.words import check_words

KEYS = {"primary": "primary_key", "secondary": "secondary_key"}
STANDING = (EndpointStatus.CREATING, EndpointStatus.UPDATING, EndpointStatus.READY, EndpointStatus.FAILED)


def create_endpoint(actor: Any, workspace: Workspace, *, text: str, overrides: Sequence[str] = ()) -> Endpoint:
    """Check the YAML and make the endpoint; a worker is nudged to bring it into the cluster."""
    accepted = check_endpoint(workspace, text, overrides, new=True)
    assert accepted.compute is not None
    refuse_taken(workspace, accepted)
    check_traffic([], accepted.traffic or {}, accepted.mirror_traffic or {}, accepted.name)
    compute = accepted.compute
    try:
        with transaction.atomic():
            endpoint = Endpoint.objects.create(
                workspace=workspace,
                name=accepted.name,
                compute=compute,
                compute_name=compute.name,
                cluster=compute.cluster,
                namespace=compute.namespace,
                created_by=actor if getattr(actor, "pk", None) else None,
                **accepted.values,
            )
            Change.objects.create(endpoint=endpoint, old="", status=endpoint.status, at=endpoint.created_at)
            record(actor, "created", endpoint, workspace=workspace.name)
            endpoint.announce()
            nudge("endpoints.apply", endpoint.pk)
    except IntegrityError:
        # Another request made it at this moment.
        refuse_taken(workspace, accepted)
        raise
    return endpoint


def update_endpoint(actor: Any, endpoint: Endpoint, *, text: str, overrides: Sequence[str] = ()) -> Endpoint:
    """Change an endpoint to what its YAML says now; what the YAML does not name of its traffic stays."""
    accepted = check_endpoint(endpoint.workspace, text, overrides, new=False)
    if accepted.name != endpoint.name:
        raise ProblemError("deployment-name-fixed", field="name", given=accepted.name, name=endpoint.name)
    if accepted.compute is not None and accepted.compute.pk != endpoint.compute_id:
        raise ProblemError("endpoint-compute-fixed", field="compute", name=endpoint.name, compute=endpoint.compute_name)
    if accepted.traffic is not None or accepted.mirror_traffic is not None:
        _check_traffic_of(endpoint, accepted.traffic, accepted.mirror_traffic)
    values = dict(accepted.values)
    if accepted.traffic is not None:
        values["traffic"] = _without_zeros(accepted.traffic)
    if accepted.mirror_traffic is not None:
        values["mirror_traffic"] = _without_zeros(accepted.mirror_traffic)
    return _ask(actor, endpoint, "changed", values)


def edit_endpoint(actor: Any, endpoint: Endpoint, *, description: str | None = None, tags: Mapping[str, str] | None = None) -> Endpoint:
    """Change the description or the tags; nothing in the cluster changes."""
    check_words(description=description, tags=tags)
    given = {"description": description, "tags": dict(tags) if tags is not None else None}
    values = {name: value for name, value in given.items() if value is not None}
    with transaction.atomic():
        before = Endpoint.objects.get(pk=endpoint.pk)
        Endpoint.objects.filter(pk=endpoint.pk).update(version=F("version") + 1, **values)
        diff = {name: [getattr(before, name), value] for name, value in values.items() if getattr(before, name) != value}
        record(actor, "changed", endpoint, workspace=endpoint.workspace.name, diff=diff)
        endpoint.refresh_from_db()
        endpoint.announce()
    return endpoint


def set_traffic(
    actor: Any, endpoint: Endpoint, *, traffic: Mapping[str, int] | None = None, mirror_traffic: Mapping[str, int] | None = None
) -> Endpoint:
    """Share the requests among deployments (percents, 0 or 100 in all) and copy some of them to another one."""
    _check_traffic_of(endpoint, traffic, mirror_traffic)
    values: dict[str, Any] = {}
    if traffic is not None:
        values["traffic"] = _without_zeros(traffic)
    if mirror_traffic is not None:
        values["mirror_traffic"] = _without_zeros(mirror_traffic)
    return _ask(actor, endpoint, "changed the traffic of", values)


def regenerate_key(actor: Any, endpoint: Endpoint, *, which: str) -> Endpoint:
    """Replace one of the two keys by a new one; the other goes on opening the endpoint."""
    field = KEYS.get(which)
    if field is None:
        raise ProblemError("endpoint-key-unknown", field="key_type", key=which[:20])
    return _ask(actor, endpoint, f"regenerated the {which} key of", {field: new_key()}, tell=False)


def reveal_keys(actor: Any, endpoint: Endpoint) -> dict[str, str]:
    """Return both keys, and write down who saw them."""
    with transaction.atomic():
        record(actor, "revealed the keys of", endpoint, workspace=endpoint.workspace.name)
    return {"primaryKey": endpoint.primary_key, "secondaryKey": endpoint.secondary_key}


def delete_endpoint(actor: Any, endpoint: Endpoint) -> None:
    """Take an endpoint with all its deployments out of the cluster, then forget it."""
    with transaction.atomic():
        if not move(endpoint, EndpointStatus.DELETING, expect=STANDING, reason=f"Deleted by {_who(actor)}"):
            return
        record(actor, "deleted", endpoint, workspace=endpoint.workspace.name)
        others = [status for status in DeploymentStatus.values if status != DeploymentStatus.DELETING]
        for deployment in Deployment.objects.filter(endpoint=endpoint).select_related("endpoint__workspace"):
            move(deployment, DeploymentStatus.DELETING, expect=others, reason="Its endpoint is deleted")
        nudge("endpoints.apply", endpoint.pk)


def left_behind(endpoint: Endpoint) -> None:
    """Say of an endpoint whose compute is gone that nobody looks after it any more."""
    reason = ProblemError("endpoint-cluster-detached").text
    standing = [status for status in STANDING if status != EndpointStatus.FAILED]
    move(endpoint, EndpointStatus.FAILED, expect=standing, reason=reason, problem_id="endpoint-cluster-detached")


def change_route(endpoint_id: int, **values: Any) -> None:
    """Note that the endpoint's route has to be written anew, for a change of the studio's own making."""
    with transaction.atomic():
        rows = Endpoint.objects.filter(pk=endpoint_id).exclude(status=EndpointStatus.DELETING)
        if rows.update(generation=F("generation") + 1, version=F("version") + 1, **values):
            nudge("endpoints.apply", endpoint_id)


def check_traffic(deployments: Sequence[Deployment], traffic: Mapping[str, int], mirror: Mapping[str, int], endpoint: str) -> None:
    """Raise for percents that the deployments cannot take."""
    known = {one.name: one for one in deployments}
    total = sum(traffic.values())
    if total not in (0, 100) or any(value < 0 for value in traffic.values()):
        raise ProblemError("endpoint-traffic-sum", field="traffic", total=total)
    for field, shares in (("traffic", traffic), ("mirror_traffic", mirror)):
        for name, percent in shares.items():
            if name not in known:
                names = ", ".join(known) or "none yet"
                raise ProblemError("endpoint-traffic-unknown", field=field, endpoint=endpoint, name=name, known=names)
            if percent and known[name].good_id is None:
                raise ProblemError("endpoint-traffic-not-ready", field=field, name=name)
            if percent and known[name].status == DeploymentStatus.DELETING:
                raise ProblemError("deployment-going", field=field, name=name)
    _check_mirror(traffic, {name: percent for name, percent in mirror.items() if percent})
    _check_paths([known[name] for name, percent in traffic.items() if percent])


def refuse_taken(workspace: Workspace, accepted: AcceptedEndpoint) -> None:
    """Raise when an endpoint of this workspace or of this router has the name already."""
    assert accepted.compute is not None
    name = accepted.name
    mine = Endpoint.objects.filter(workspace=workspace, name=name).first()
    if mine is not None:
        going = mine.status == EndpointStatus.DELETING
        raise ProblemError("endpoint-going" if going else "endpoint-name-taken", field="name", name=name)
    cluster = accepted.compute.cluster
    if Endpoint.objects.filter(cluster=cluster, name=name).exists():
        raise ProblemError("endpoint-name-taken-on-router", field="name", name=name, cluster=cluster.name)


def _check_mirror(traffic: Mapping[str, int], mirror: Mapping[str, int]) -> None:
    if len(mirror) > 1:
        raise ProblemError("endpoint-mirror-not-usable", field="mirror_traffic", text="Requests are copied to one deployment at most.")
    for name, percent in mirror.items():
        if not 1 <= percent <= 100:
            raise ProblemError("endpoint-mirror-not-usable", field="mirror_traffic", text=f"{percent} percent cannot be copied.")
        if traffic.get(name):
            raise ProblemError(
                "endpoint-mirror-not-usable", field="mirror_traffic", text=f"{name} gets {traffic[name]} % of the requests already."
            )


def _check_paths(shared: Sequence[Deployment]) -> None:
    """Refuse to share requests among deployments that are scored at different paths: a rule rewrites to one."""
    paths = {one.name: score_path(one) for one in shared}
    first, *others = paths.items() or [("", "")]
    for name, path in others:
        if path != first[1]:
            raise ProblemError("endpoint-routes-differ", field="traffic", name=first[0], path=first[1], other=name, other_path=path)


def score_path(deployment: Deployment) -> str:
    """Return the path at which the deployment's serving revision is scored."""
    routes = (deployment.good.spec if deployment.good else {}).get("routes") or {}
    return str((routes.get("scoring") or {}).get("path") or "/score")


def _check_traffic_of(endpoint: Endpoint, traffic: Mapping[str, int] | None, mirror: Mapping[str, int] | None) -> None:
    deployments = list(Deployment.objects.filter(endpoint=endpoint).select_related("good"))
    shares = endpoint.traffic if traffic is None else traffic
    copies = endpoint.mirror_traffic if mirror is None else mirror
    check_traffic(deployments, shares, copies, endpoint.name)


def _ask(actor: Any, endpoint: Endpoint, verb: str, values: dict[str, Any], *, tell: bool = True) -> Endpoint:
    """Note what is wanted of the endpoint from now on; the router follows."""
    before = {name: getattr(endpoint, name) for name in values} if tell else {}
    with transaction.atomic():
        rows = Endpoint.objects.filter(pk=endpoint.pk, status__in=STANDING)
        if not rows.update(generation=F("generation") + 1, version=F("version") + 1, **values):
            raise ProblemError("endpoint-going", name=endpoint.name)
        endpoint.refresh_from_db()
        changed = {name: [old, values[name]] for name, old in before.items() if name != "yaml" and old != values[name]}
        record(actor, verb, endpoint, workspace=endpoint.workspace.name, diff=changed)
        standing = (EndpointStatus.READY, EndpointStatus.FAILED)
        if not move(endpoint, EndpointStatus.UPDATING, expect=standing, reason="Telling the router"):
            endpoint.announce()
        nudge("endpoints.apply", endpoint.pk)
    return endpoint


def _without_zeros(shares: Mapping[str, int]) -> dict[str, int]:
    return {name: percent for name, percent in shares.items() if percent}


def _who(actor: Any) -> str:
    return getattr(actor, "username", None) or "the studio"
