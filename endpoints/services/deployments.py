"""What people do with deployments: create, update, scale, go back, try again, delete."""

import secrets
from collections.abc import Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Max
from django.utils import timezone

from endpoints.accepting import AcceptedDeployment, check_deployment, transport_for
from endpoints.models import Change, Deployment, DeploymentStatus, Endpoint, EndpointStatus, Revision, RevisionStatus
from endpoints.routing import MOST_DEPLOYMENTS
from endpoints.services.endpoints import change_route
from endpoints.surroundings import changed_since
from studio.assets.registry.given import Given
from studio.assets.registry.models import ModelVersion
from studio.assets.registry.services import register_version
from studio.audit.services import record
from studio.core.errors import ProblemError
from studio.core.nudge import nudge
from studio.core.states import move

STANDING = tuple(status for status in DeploymentStatus.values if status != DeploymentStatus.DELETING)


def create_deployment(
    actor: Any, endpoint: Endpoint, *, text: str, overrides: Sequence[str] = (), code: str = "", model: str = "", all_traffic: bool = False
) -> Deployment:
    """Check the YAML and make the deployment; a worker is nudged to roll it out.

    `code` and `model` are digests of trees that the workspace holds. With `all_traffic` the deployment gets all
    requests as soon as it is ready for the first time. Raises ProblemList with every problem found.
    """
    _refuse_going(endpoint)
    accepted = check_deployment(endpoint, text, overrides, code=code, model=model)
    _refuse_taken(endpoint, accepted.name)
    if Deployment.objects.filter(endpoint=endpoint).count() >= MOST_DEPLOYMENTS:
        raise ProblemError("endpoint-too-many-deployments", field="name", endpoint=endpoint.name, most=MOST_DEPLOYMENTS)
    made = _with_registered_model(actor, endpoint, accepted)
    assert endpoint.compute is not None
    try:
        with transaction.atomic():
            deployment = Deployment.objects.create(
                endpoint=endpoint,
                name=accepted.name,
                created_by=_person(actor),
                token=secrets.token_urlsafe(32),
                transport=transport_for(endpoint.compute),
                traffic_when_ready=all_traffic,
                rollout_started_at=timezone.now(),
                **accepted.values,
            )
            revision = Revision.objects.create(deployment=deployment, number=1, spec=made, created_by=_person(actor))
            Deployment.objects.filter(pk=deployment.pk).update(wanted=revision)
            Change.objects.create(endpoint=endpoint, deployment=deployment.name, old="", status=deployment.status, at=timezone.now())
            record(actor, "created", deployment, workspace=endpoint.workspace.name)
            deployment.refresh_from_db()
            deployment.announce()
            nudge("endpoints.roll", deployment.pk)
    except IntegrityError:
        _refuse_taken(endpoint, accepted.name)
        raise
    return deployment


def update_deployment(
    actor: Any,
    deployment: Deployment,
    *,
    text: str,
    overrides: Sequence[str] = (),
    code: str = "",
    model: str = "",
    all_traffic: bool = False,
) -> Deployment:
    """Bring the deployment to what its YAML says now: a new revision if its pods change, else only what stands beside.

    With the same YAML as before its files are taken as before, where none are sent.
    """
    held = deployment.wanted.spec if deployment.wanted and text == deployment.yaml else {}
    code = code or held.get("code_digest") or ""
    model = model or (held.get("model") or {}).get("digest") or ""
    accepted = check_deployment(deployment.endpoint, text, overrides, code=code, model=model)
    if accepted.name != deployment.name:
        raise ProblemError("deployment-name-fixed", field="name", given=accepted.name, name=deployment.name)
    made = _with_registered_model(actor, deployment.endpoint, accepted)
    with transaction.atomic():
        values = dict(accepted.values)
        if all_traffic:
            values["traffic_when_ready"] = True
        wanted = deployment.wanted
        if wanted is None or wanted.spec != made:
            newest = deployment.revisions.aggregate(most=Max("number"))["most"] or 0
            wanted = Revision.objects.create(deployment=deployment, number=newest + 1, spec=made, created_by=_person(actor))
        record(actor, "updated", deployment, workspace=deployment.endpoint.workspace.name, diff={"revision": [None, wanted.number]})
        _want(deployment, wanted, DeploymentStatus.UPDATING, f"Bringing in revision {wanted.number}", **values)
        change_route(deployment.endpoint_id)
    return deployment


def scale_deployment(actor: Any, deployment: Deployment, *, instance_count: int) -> Deployment:
    """Run so many instances; not a new revision."""
    if not 1 <= instance_count <= 1000:
        raise ProblemError("field-invalid", field="instance_count", text="The number of instances is 1 to 1,000.")
    before = deployment.instance_count
    with transaction.atomic():
        diff = {"instance_count": [before, instance_count]}
        record(actor, "scaled", deployment, workspace=deployment.endpoint.workspace.name, diff=diff)
        wanted = deployment.wanted
        assert wanted is not None
        # Whoever changes a single field afterwards means the deployment as it is, not as its YAML once was.
        held = overridden(deployment.overrides, "instance_count", instance_count)
        reason = f"Scaling to {instance_count}"
        _want(deployment, wanted, DeploymentStatus.UPDATING, reason, instance_count=instance_count, overrides=held)
    return deployment


def roll_back_deployment(actor: Any, deployment: Deployment, *, number: int | None = None) -> Deployment:
    """Go back to a revision that was ready: the one named, else the last one before the one that is wanted now."""
    good = deployment.revisions.filter(status=RevisionStatus.GOOD).exclude(pk=deployment.wanted_id or 0).order_by("-ready_at")
    target = good.filter(number=number).first() if number is not None else good.first()
    if target is None:
        known = ", ".join(str(one.number) for one in good) or "none"
        asked = number if number is not None else "an earlier one"
        raise ProblemError("deployment-revision-unknown", field="revision", name=deployment.name, number=asked, known=known)
    with transaction.atomic():
        before = deployment.wanted.number if deployment.wanted else None
        diff = {"revision": [before, target.number]}
        record(actor, "rolled back", deployment, workspace=deployment.endpoint.workspace.name, diff=diff)
        _want(deployment, target, DeploymentStatus.ROLLING_BACK, f"Back to revision {target.number}, asked for by {_who(actor)}")
        change_route(deployment.endpoint_id)
    return deployment


def retry_deployment(actor: Any, deployment: Deployment) -> Deployment:
    """Roll the newest revision out once more, after a failure that was not of its own making."""
    newest = deployment.revisions.order_by("-number").first()
    assert newest is not None
    with transaction.atomic():
        record(actor, "rolled out again", deployment, workspace=deployment.endpoint.workspace.name)
        Revision.objects.filter(pk=newest.pk, status=RevisionStatus.FAILED).update(status=RevisionStatus.WAITING)
        again = F("rollouts") + 1
        _want(deployment, newest, DeploymentStatus.UPDATING, f"Trying revision {newest.number} again", rollouts=again)
    return deployment


def roll_out_deployment(actor: Any, deployment: Deployment) -> Deployment:
    """Replace all pods of the deployment by new ones of the same revision, made with the cluster's settings as they are now."""
    wanted = deployment.wanted
    if deployment.status == DeploymentStatus.FAILED or wanted is None:
        return retry_deployment(actor, deployment)
    changed = changed_since(deployment)
    with transaction.atomic():
        record(actor, "rolled out again", deployment, workspace=deployment.endpoint.workspace.name, diff={"takes": [None, changed]})
        why = f" with the cluster's {' and '.join(changed)} of now" if changed else ""
        reason = f"Replacing all pods{why}, asked for by {_who(actor)}"
        _want(deployment, wanted, DeploymentStatus.UPDATING, reason[:500], rollouts=F("rollouts") + 1)
    return deployment


def delete_deployment(actor: Any, deployment: Deployment) -> None:
    """Take a deployment without traffic out of the route, then out of the cluster, then forget it."""
    endpoint = deployment.endpoint
    with transaction.atomic():
        endpoint.refresh_from_db()
        percent = endpoint.traffic.get(deployment.name, 0) or endpoint.mirror_traffic.get(deployment.name, 0)
        if percent:
            raise ProblemError("deployment-has-traffic", name=deployment.name, percent=percent)
        if not move(deployment, DeploymentStatus.DELETING, expect=STANDING, reason=f"Deleted by {_who(actor)}"):
            return
        record(actor, "deleted", deployment, workspace=endpoint.workspace.name)
        change_route(endpoint.pk)
        nudge("endpoints.roll", deployment.pk)


def set_retries(actor: Any, deployment: Deployment, *, on: bool) -> Deployment:
    """Try requests whose connection failed at another replica, or not: a matter of the route, no pod changes."""
    with transaction.atomic():
        before = deployment.retry
        held = overridden(deployment.overrides, "rollout.retry", "true" if on else "false")
        rows = Deployment.objects.filter(pk=deployment.pk, status__in=STANDING)
        if not rows.update(retry=on, overrides=held, version=F("version") + 1):
            raise ProblemError("deployment-going", name=deployment.name)
        record(actor, "changed", deployment, workspace=deployment.endpoint.workspace.name, diff={"retry": [before, on]})
        change_route(deployment.endpoint_id)
        deployment.refresh_from_db()
        deployment.announce()
    return deployment


def overridden(overrides: Sequence[str], name: str, value: Any) -> list[str]:
    """Return what is set over a YAML with this field set, too, in the place of what was set for it."""
    return [*(one for one in overrides if one.partition("=")[0] != name), f"{name}={value}"]


def _want(deployment: Deployment, revision: Revision, status: str, reason: str, **values: Any) -> None:
    """Note which revision is wanted from now on; the cluster follows."""
    given = {"wanted": revision, "rollout_started_at": timezone.now(), "problem_id": "", "problem_params": {}, **values}
    old = deployment.wanted
    if old is not None and old.pk != revision.pk:
        rows = Revision.objects.filter(pk=old.pk, status__in=[RevisionStatus.WAITING, RevisionStatus.ROLLING_OUT])
        rows.update(status=RevisionStatus.PASSED_OVER, reason=f"Revision {revision.number} was wanted before this one was ready")
    if not move(deployment, status, expect=STANDING, reason=reason, generation=F("generation") + 1, **given):
        raise ProblemError("deployment-going", name=deployment.name)
    nudge("endpoints.roll", deployment.pk)


def _with_registered_model(actor: Any, endpoint: Endpoint, accepted: AcceptedDeployment) -> dict[str, Any]:
    """Register a model that the YAML gives with a name; return the revision's spec with the version that it is then."""
    given, made = accepted.model_given, accepted.spec
    if given is None or not given.name:
        return made
    same = ModelVersion.objects.filter(
        model__workspace=endpoint.workspace, model__name=given.name, snapshot__digest=accepted.model_digest, archived=False
    )
    # The same files under the same name are the same version, unless another one is asked for.
    version = same.filter(version=given.version).first() if given.version else same.order_by("-id").first()
    if version is None:
        version, _ = register_version(
            actor,
            endpoint.workspace,
            given=Given(
                name=given.name,
                version=given.version or "",
                type=given.type,
                tree=accepted.model_digest,
                base_name=given.base_name,
                is_file=accepted.model_is_file,
                description=given.description or "",
                tags={key: value or "" for key, value in (given.tags or {}).items()},
                properties=dict(given.properties or {}),
                flavors=dict(given.flavors or {}),
                stage=given.stage or "",
            ),
        )
    return made | {"model": made["model"] | {"version": version.version, "reference": version.reference}}


def _refuse_going(endpoint: Endpoint) -> None:
    if endpoint.status == EndpointStatus.DELETING:
        raise ProblemError("endpoint-going", name=endpoint.name)


def _refuse_taken(endpoint: Endpoint, name: str) -> None:
    found = Deployment.objects.filter(endpoint=endpoint, name=name).first()
    if found is not None:
        going = found.status == DeploymentStatus.DELETING
        raise ProblemError("deployment-going" if going else "deployment-name-taken", field="name", endpoint=endpoint.name, name=name)


def _person(actor: Any) -> Any:
    return actor if getattr(actor, "pk", None) else None


def _who(actor: Any) -> str:
    return getattr(actor, "username", None) or "the studio"
