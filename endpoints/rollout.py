"""Move a deployment forward by what was seen of it: its pods and its Deployment object.

Everything here may be called twice, late, or by two processes at once: each step is a compare-and-set, decided from
the rows alone. Nothing here calls the cluster.
"""

from typing import Any

import structlog
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from endpoints.models import ROLLING, Deployment, DeploymentStatus, Endpoint, Replica, Revision, RevisionStatus
from endpoints.observe import Rollout, Seen, Told
from endpoints.services.endpoints import change_route
from studio.core.errors import ProblemError
from studio.core.nudge import nudge
from studio.core.states import move, touch

log = structlog.get_logger(__name__)

# A deployment that stood is called degraded when it has lacked replicas for so long (seconds).
PATIENCE_SECONDS = 5


def saw_pod(deployment: Deployment, seen: Seen) -> None:
    """Note what one pod says; a worker decides what follows from it."""
    if not seen.uid:
        return
    problem = {"id": seen.problem.id, "params": seen.problem.params, "hopeless": seen.hopeless} if seen.problem else None
    facts: dict[str, Any] = {
        "revision": seen.revision,
        "pod_name": seen.name,
        "node": seen.node,
        "phase": seen.phase,
        "state": seen.state,
        "ready": seen.ready,
        "restarts": seen.restarts,
        "reason": seen.reason[:500],
        "problem": problem,
        "ending": seen.ending,
        "created_at": seen.created_at,
        "ready_at": seen.ready_at,
    }
    try:
        with transaction.atomic():
            replica, made = Replica.objects.get_or_create(deployment=deployment, pod_uid=seen.uid, defaults=facts)
            changes = {name: value for name, value in facts.items() if getattr(replica, name) != value}
            if not made and not changes:
                return
            if changes:
                Replica.objects.filter(pk=replica.pk).update(seen_at=timezone.now(), **changes)
            _changed(deployment)
    except IntegrityError:
        # The last words of a pod whose deployment was forgotten at this moment.
        if Deployment.objects.filter(pk=deployment.pk).exists():
            raise


def lost_pod(deployment: Deployment, uid: str) -> None:
    """Note that a pod is no longer in the cluster."""
    with transaction.atomic():
        if Replica.objects.filter(deployment=deployment, pod_uid=uid).delete()[0]:
            _changed(deployment)


def saw_all_pods(deployment: Deployment, listed: list[Seen]) -> None:
    """Note that these are all the pods there are."""
    for seen in listed:
        saw_pod(deployment, seen)
    for uid in deployment.replicas.exclude(pod_uid__in=[seen.uid for seen in listed]).values_list("pod_uid", flat=True):
        lost_pod(deployment, uid)


def begin(deployment: Deployment) -> None:
    """Make the wanted revision the current one: what is applied from now on."""
    wanted = deployment.wanted
    if wanted is None or deployment.status not in ROLLING or deployment.current_id == wanted.pk:
        return
    with transaction.atomic():
        rows = Deployment.objects.filter(pk=deployment.pk, generation=deployment.generation, status=deployment.status)
        if rows.update(current=wanted):
            fresh = Revision.objects.filter(pk=wanted.pk, status__in=[RevisionStatus.WAITING, RevisionStatus.PASSED_OVER])
            fresh.update(status=RevisionStatus.ROLLING_OUT)
    deployment.refresh_from_db()


def saw_object(deployment: Deployment, rollout: Rollout) -> None:
    """Note what the Deployment object says."""
    said = {"wanted": rollout.wanted, "updated": rollout.updated, "ready": rollout.ready, "available": rollout.available}
    if {name: deployment.observed.get(name) for name in said} != said:
        touch(deployment, observed=said | {"at": timezone.now().isoformat()})
        deployment.announce()


def decide(deployment: Deployment, rollout: Rollout) -> Told | None:
    """Move the deployment as far as the rows allow; return why its rollout has failed, for who gathers the evidence."""
    replicas = list(deployment.replicas.all())
    if deployment.status in ROLLING:
        if deployment.applied_generation != deployment.generation:
            return None
        if rollout.done:
            succeed(deployment)
            return None
        told = _hopeless(deployment, replicas) or _late(deployment, replicas)
        if told is None:
            _explain(deployment, _waits_for(deployment, rollout, replicas))
        return told
    if deployment.status in (DeploymentStatus.READY, DeploymentStatus.DEGRADED):
        _stand(deployment, rollout, replicas)
    return None


def succeed(deployment: Deployment) -> None:
    """Note that the current revision serves with all its replicas."""
    current, old = deployment.current, deployment.good
    assert current is not None
    back = deployment.status == DeploymentStatus.ROLLING_BACK
    newest = deployment.revisions.order_by("-number").first()
    reason = ""
    if back and newest is not None and newest.pk != current.pk:
        failed = f": revision {newest.number} failed. {newest.reason}" if newest.status == RevisionStatus.FAILED else ""
        reason = f"Back on revision {current.number}{failed}"
    with transaction.atomic():
        done = move(
            deployment,
            DeploymentStatus.READY,
            expect=deployment.status,
            reason=reason[:500],
            good=current,
            rollout_started_at=None,
            problem_id="",
            problem_params={},
        )
        if not done:
            return
        now = timezone.now()
        Revision.objects.filter(pk=current.pk).update(status=RevisionStatus.GOOD, ready_at=now, reason="", problem_id="", problem_params={})
        if deployment.traffic_when_ready:
            _give_all_traffic(deployment)
        elif old is None or old.pk != current.pk:
            change_route(deployment.endpoint_id)


def fail(deployment: Deployment, told: Told, evidence: dict[str, Any]) -> None:
    """End the rollout of the current revision: back to the last good one if there is another, else failed."""
    current, good = deployment.current, deployment.good
    assert current is not None
    sentence = ProblemError(told.id, **told.params).text[:500]
    problem: dict[str, Any] = {"problem_id": told.id, "problem_params": told.params}
    with transaction.atomic():
        if good is not None and good.pk == current.pk:
            # It served before: what it lacks now is room, not a better revision.
            move(deployment, DeploymentStatus.DEGRADED, expect=deployment.status, reason=sentence, rollout_started_at=None, **problem)
            return
        if good is None:
            moved = move(deployment, DeploymentStatus.FAILED, expect=deployment.status, reason=sentence, rollout_started_at=None,
                         generation=F("generation") + 1, **problem)  # fmt: skip
        else:
            reason = f"Revision {current.number} failed, going back to revision {good.number}. {sentence}"
            moved = move(deployment, DeploymentStatus.ROLLING_BACK, expect=deployment.status, reason=reason[:500], wanted=good,
                         rollout_started_at=timezone.now(), generation=F("generation") + 1, **problem)  # fmt: skip
        if moved:
            rows = Revision.objects.filter(pk=current.pk).exclude(status=RevisionStatus.GOOD)
            rows.update(status=RevisionStatus.FAILED, reason=sentence, evidence=evidence, failed_at=timezone.now(), **problem)
            nudge("endpoints.roll", deployment.pk)


def refused(deployment: Deployment, text: str) -> Told:
    """Return what to say of a Deployment that the cluster does not take."""
    return Told("deployment-refused-by-cluster", {"text": text[:400]})


def wait(deployment: Deployment, reason: str) -> None:
    """Say what the deployment waits for."""
    _explain(deployment, reason)


def _give_all_traffic(deployment: Deployment) -> None:
    Deployment.objects.filter(pk=deployment.pk).update(traffic_when_ready=False)
    endpoint = Endpoint.objects.get(pk=deployment.endpoint_id)
    mirror = {name: percent for name, percent in endpoint.mirror_traffic.items() if name != deployment.name}
    change_route(endpoint.pk, traffic={deployment.name: 100}, mirror_traffic=mirror)


def _hopeless(deployment: Deployment, replicas: list[Replica]) -> Told | None:
    """Return what keeps the current revision's pods from ever serving."""
    current = deployment.current
    assert current is not None
    if deployment.good_id == current.pk:
        return None
    for replica in replicas:
        if replica.revision == current.number and replica.problem and replica.problem.get("hopeless"):
            return Told(replica.problem["id"], replica.problem.get("params") or {})
    return None


def _late(deployment: Deployment, replicas: list[Replica]) -> Told | None:
    if not deployment.deadline_passed:
        return None
    worst = _worst(deployment, replicas)
    if worst is not None:
        return worst
    last = next((f"{replica.pod_name}: {replica.reason or replica.state}" for replica in replicas if not replica.ready), "no pod was made")
    return Told("deployment-not-ready-in-time", {"limit": _duration(deployment.rollout_deadline_seconds), "text": last})


def _worst(deployment: Deployment, replicas: list[Replica]) -> Told | None:
    number = deployment.current.number if deployment.current else 0
    for replica in sorted(replicas, key=lambda one: one.revision != number):
        if replica.problem:
            return Told(replica.problem["id"], replica.problem.get("params") or {})
    return None


def _stand(deployment: Deployment, rollout: Rollout, replicas: list[Replica]) -> None:
    """Call a deployment that lacks replicas degraded, and ready again when it has them."""
    if rollout.done:
        reason = deployment.reason if deployment.status == DeploymentStatus.READY else ""
        if deployment.status == DeploymentStatus.DEGRADED:
            values: dict[str, Any] = {"problem_id": "", "problem_params": {}}
            move(deployment, DeploymentStatus.READY, expect=DeploymentStatus.DEGRADED, reason=reason, **values)
        return
    if rollout.available >= rollout.wanted or not rollout.current:
        return
    told = _worst(deployment, replicas)
    what = ProblemError(told.id, **told.params).text if told else ""
    params: dict[str, Any] = {"ready": rollout.available, "wanted": rollout.wanted, "text": what[:300]}
    reason = ProblemError("deployment-replicas-missing", **params).text[:500]
    if deployment.status == DeploymentStatus.DEGRADED:
        _explain(deployment, reason)
    elif (timezone.now() - deployment.status_at).total_seconds() > PATIENCE_SECONDS:
        values = {"problem_id": "deployment-replicas-missing", "problem_params": params}
        move(deployment, DeploymentStatus.DEGRADED, expect=DeploymentStatus.READY, reason=reason, **values)


def _waits_for(deployment: Deployment, rollout: Rollout, replicas: list[Replica]) -> str:
    number = deployment.current.number if deployment.current else 0
    told = _worst(deployment, [replica for replica in replicas if replica.revision == number])
    ready = sum(1 for replica in replicas if replica.ready and replica.revision == number)
    count = f"{ready} of {deployment.instance_count} replicas of revision {number} ready"
    if told:
        return f"{count}. {ProblemError(told.id, **told.params).text}"[:500]
    waiting = next((replica for replica in replicas if not replica.ready and replica.revision == number), None)
    if waiting is None:
        old = sum(1 for replica in replicas if replica.revision != number and not replica.ending)
        return f"{count}; {old} of the old revision still there" if old else count
    return f"{count}. {waiting.reason or waiting.state}"[:500]


def _explain(deployment: Deployment, reason: str) -> None:
    if deployment.reason != reason[:500]:
        rows = Deployment.objects.filter(pk=deployment.pk, status=deployment.status)
        if rows.update(reason=reason[:500], version=F("version") + 1):
            deployment.reason = reason[:500]
            deployment.announce()


def _changed(deployment: Deployment) -> None:
    Deployment.objects.filter(pk=deployment.pk).update(version=F("version") + 1)
    deployment.announce()
    nudge("endpoints.roll", deployment.pk)


def _duration(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    if not minutes:
        return f"{rest} s"
    return f"{minutes} m {rest} s" if rest else f"{minutes} m"
