"""Give workspaces computes, change these in place, and take them back."""

import contextlib
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any

import structlog
from django.db import IntegrityError, transaction
from django.utils import timezone

from compute import manifests
from compute.connections import kube_client
from compute.kube import kinds, names
from compute.kube.config import KubeconfigRefused
from compute.kube.errors import Conflict, Forbidden, KubeError
from compute.models import NAME, Cluster, ClusterStatus, Compute, ComputeStatus, StudioIdentity
from compute.observe import is_terminating
from compute.permissions import JOB_NEEDS, questions
from compute.problems import told
from compute.selectors import types_of
from studio.accounts.models import Workspace
from studio.audit.services import record
from studio.core.errors import ProblemError
from studio.core.nudge import nudge
from studio.core.states import move, touch
from studio.core.words import check_words

log = structlog.get_logger(__name__)

RESERVED = ("kube-system", "kube-public", "kube-node-lease", manifests.SYSTEM_NAMESPACE)
# Canceled jobs get their grace period and time to bring outputs home; then the compute goes regardless.
CANCEL_SECONDS = 660.0


@dataclass(frozen=True)
class Workloads:
    """What an app runs on computes: how much of it there is, and what to do when a compute goes (cancel or leave)."""

    # compute id → count; computes without any may be left out
    running_on: Callable[[Collection[int]], dict[int, int]]
    on_detach: Callable[[Compute, str], None]
    # cluster id → how many run there on no compute any more
    running_in: Callable[[int], int] = lambda _: 0
    # cluster id → how many are over and have objects there that are still to be taken out
    left_in: Callable[[int], int] = lambda _: 0
    on_cluster_detach: Callable[[Cluster], None] = lambda _: None


# Filled by the apps that run things on computes, keyed by their label.
WORKLOADS: dict[str, Workloads] = {}


def workspace_named(name: str) -> Workspace:
    """Return a workspace for an operator, who gives computes to workspaces without being in them."""
    found = Workspace.objects.filter(name=name).first()
    if found is None:
        raise ProblemError("not-found")
    return found


def running_on(compute: Compute) -> int:
    """Return how many jobs (and the like) have not ended on a compute."""
    return running_on_each([compute])[compute.pk]


def running_on_each(computes: Iterable[Compute]) -> dict[int, int]:
    """Return the same for many computes, by their id."""
    ids = [compute.pk for compute in computes]
    counted = [each.running_on(ids) for each in WORKLOADS.values()]
    return {id: sum(counts.get(id, 0) for counts in counted) for id in ids}


def running_in(cluster: Cluster) -> int:
    """Return how many jobs (and the like) have not ended on a cluster, those whose compute is gone among them."""
    held = running_on_each(cluster.computes.all()).values()
    return sum(held) + sum(each.running_in(cluster.pk) for each in WORKLOADS.values())


def let_go(compute: Compute, running: str) -> None:
    """Tell every app that a compute goes, and whether what runs is canceled or left."""
    for each in WORKLOADS.values():
        each.on_detach(compute, running)


def proposed_namespace(workspace: Workspace, name: str = "") -> str:
    """Return a namespace to propose for a workspace's compute."""
    return f"mooring-{workspace.name}" if not name or name == "default" else f"mooring-{workspace.name}-{name}"[:63].strip("-")


def attach_compute(
    actor: Any,
    workspace: Workspace,
    *,
    name: str,
    cluster: Cluster,
    namespace: str = "",
    create: bool = True,
    default_instance_type: str = "",
    run_as_root: bool = False,
    description: str = "",
) -> Compute:
    """Give a workspace a namespace of a cluster, made here or checked to be fit for jobs.

    Raises ProblemError at the field that it is about, and then leaves nothing behind.
    """
    check_words(description=description)
    namespace = namespace or proposed_namespace(workspace, name)
    _check_given(workspace, name, namespace, cluster)
    _check_type(cluster, default_instance_type)
    client = _client(cluster)
    found = _look_at(client, cluster, namespace, create=create, run_as_root=run_as_root)
    if not create:
        _check_permissions(client, namespace)
    values = {
        "cluster": cluster,
        "namespace": namespace,
        "namespace_made": create or _is_ours(found),
        "default_instance_type": default_instance_type,
        "run_as_root": run_as_root,
        "description": description[:300],
        "reason": "Making its namespace" if create else "",
    }
    with transaction.atomic():
        compute = _insert(workspace, name, values)
        diff = {"cluster": ["", cluster.name], "namespace": ["", namespace]}
        record(actor, "attached", compute, workspace=workspace.name, diff=diff)
        compute.announce()
    try:
        _make_or_mark(client, compute)
        if create:
            _check_permissions(client, namespace)
    except (KubeError, ProblemError) as error:
        problem = error if isinstance(error, ProblemError) else told(error, field="namespace")
        with transaction.atomic():
            record(actor, "could not attach", compute, workspace=workspace.name, result="failed", problem=problem.problem.id)
            compute.delete()
        raise problem from error
    move(compute, ComputeStatus.READY, expect=ComputeStatus.ATTACHING, actor=actor)
    return compute


def finish_attach(compute_id: int) -> None:
    """Bring a compute whose attaching was cut off to its end; called by the sweep."""
    compute = _row(compute_id)
    if compute is None or compute.status != ComputeStatus.ATTACHING:
        return
    try:
        client = kube_client(compute.cluster)
        _make_or_mark(client, compute)
        _check_permissions(client, compute.namespace)
    except (KubeError, KubeconfigRefused) as error:
        problem = told(error)
    except ProblemError as error:
        problem = error
    else:
        move(compute, ComputeStatus.READY, expect=ComputeStatus.ATTACHING)
        return
    move(compute, ComputeStatus.DEGRADED, expect=ComputeStatus.ATTACHING, reason=problem.text[:500],
         problem_id=problem.problem.id)  # fmt: skip


def change_compute(
    actor: Any,
    compute: Compute,
    *,
    name: str | None = None,
    namespace: str | None = None,
    create: bool = False,
    default_instance_type: str | None = None,
    run_as_root: bool | None = None,
    description: str | None = None,
) -> Compute:
    """Change a compute in place. Another namespace takes that nothing runs; what ran before keeps its records."""
    check_words(description=description)
    wanted = {
        "name": name,
        "namespace": namespace,
        "default_instance_type": default_instance_type,
        "run_as_root": run_as_root,
        "description": description[:300] if description is not None else None,
    }
    changes = {key: value for key, value in wanted.items() if value is not None and value != getattr(compute, key)}
    if not changes:
        return compute
    diff = {key: [getattr(compute, key), value] for key, value in changes.items()}
    if "name" in changes:
        _check_compute_name(compute.workspace, str(changes["name"]))
    if "default_instance_type" in changes:
        _check_type(compute.cluster, str(changes["default_instance_type"]))
    if "namespace" in changes or "run_as_root" in changes:
        changes |= _change_namespace(compute, changes, create=create)
    with transaction.atomic():
        touch(compute, **changes)
        record(actor, "changed", compute, workspace=compute.workspace.name, diff=diff)
        compute.announce()
    return compute


def detach_compute(actor: Any, compute: Compute, *, running: str = "cancel") -> Compute:
    """Begin to take a compute back: `running` says whether its jobs are canceled or left to end by themselves.

    The namespace is removed when the studio made it, unless jobs are left running in it.
    """
    if running not in ("cancel", "leave"):
        raise ProblemError("field-invalid", field="running", text="What runs is either canceled (cancel) or left (leave).")
    with transaction.atomic():
        if begin_detach(compute, running, actor):
            record(actor, "detached", compute, workspace=compute.workspace.name, diff={"running": ["", running]})
        nudge("compute.finish_detach_compute", compute.pk)
    return compute


def begin_detach(compute: Compute, running: str, actor: Any = None) -> bool:
    """Move a compute to detaching and tell what runs on it; True when this call did it."""
    states = [state for state in ComputeStatus.values if state != ComputeStatus.DETACHING]
    if not move(compute, ComputeStatus.DETACHING, expect=states, actor=actor, reason="Detaching", on_detach=running):
        return False
    let_go(compute, running)
    return True


def finish_detach_compute(compute_id: int) -> None:
    """Remove what a compute left in its cluster, once nothing runs; then the row. The sweep comes back until it is done."""
    compute = _row(compute_id)
    if compute is None or compute.status != ComputeStatus.DETACHING or compute.cluster.status == ClusterStatus.DETACHING:
        return
    running = running_on(compute)
    waited = (timezone.now() - compute.status_at).total_seconds()
    if running and compute.on_detach == "cancel" and waited < CANCEL_SECONDS:
        _waits(compute, f"Waiting for {running} jobs to end")
        return
    try:
        if not (compute.on_detach == "leave" and running):
            remove_namespace(kube_client(compute.cluster), compute)
    except (KubeError, KubeconfigRefused) as error:
        _waits(compute, f"Not cleaned yet: {told(error).text}")
        return
    with transaction.atomic():
        compute.announce()
        compute.delete()


def remove_namespace(client: Any, compute: Compute) -> None:
    """Delete a namespace that the studio made; take its labels off one that others made."""
    found = client.find(kinds.NAMESPACE, compute.namespace)
    if found is None:
        return
    if compute.namespace_made and _is_ours(found):
        client.delete(kinds.NAMESPACE, compute.namespace, uid=found["metadata"]["uid"])
    elif (found["metadata"].get("labels") or {}).get(manifests.STUDIO) == StudioIdentity.get():
        gone = {manifests.STUDIO: None, names.WORKSPACE: None, names.COMPUTE: None}
        with contextlib.suppress(Forbidden):
            client.patch(kinds.NAMESPACE, compute.namespace, {"metadata": {"labels": gone}})


def _row(compute_id: int) -> Compute | None:
    return Compute.objects.select_related("cluster", "workspace").filter(pk=compute_id).first()


def _client(cluster: Cluster) -> Any:
    if cluster.status in (ClusterStatus.UNREACHABLE, ClusterStatus.DETACHING):
        word = cluster.get_status_display().lower()
        raise ProblemError("cluster-not-ready", field="cluster", name=cluster.name, status=word, reason=cluster.reason)
    try:
        return kube_client(cluster)
    except KubeconfigRefused as refusal:
        raise told(refusal, field="cluster") from refusal


def _check_given(workspace: Workspace, name: str, namespace: str, cluster: Cluster) -> None:
    _check_compute_name(workspace, name)
    check_namespace_name(namespace)
    _check_namespace_free(cluster, namespace)


def _check_compute_name(workspace: Workspace, name: str) -> None:
    if not re.match(NAME.regex, name):
        raise ProblemError("name-invalid", field="name", name=name, what="compute", why=str(NAME.message))
    if Compute.objects.filter(workspace=workspace, name=name).exists():
        raise ProblemError("name-taken", field="name", what="compute", name=name)


def check_namespace_name(namespace: str) -> None:
    """Raise ProblemError when a text cannot name a compute's namespace."""
    if not names.is_namespace(namespace):
        raise ProblemError("compute-namespace-invalid", field="namespace", namespace=namespace)
    if namespace in RESERVED:
        raise ProblemError("compute-namespace-reserved", field="namespace", namespace=namespace)


def _check_namespace_free(cluster: Cluster, namespace: str) -> None:
    holder = Compute.objects.select_related("workspace").filter(cluster=cluster, namespace=namespace).first()
    if holder:
        owner = f"the compute {holder.name} of the workspace {holder.workspace.name}"
        raise ProblemError("compute-namespace-taken", field="namespace", namespace=namespace, cluster=cluster.name, owner=owner)


def _check_type(cluster: Cluster, name: str) -> None:
    types = types_of(cluster)
    if name and name not in types:
        raise ProblemError("instance-type-none", field="default_instance_type", compute=cluster.name, name=name,
                           names=", ".join(types))  # fmt: skip


def _look_at(client: Any, cluster: Cluster, namespace: str, *, create: bool, run_as_root: bool) -> dict[str, Any] | None:
    """Return the namespace as it is; raise when it is not what was asked for."""
    try:
        found: dict[str, Any] | None = client.find(kinds.NAMESPACE, namespace)
    except KubeError as error:
        raise told(error, field="namespace") from error
    where: dict[str, Any] = {"field": "namespace", "namespace": namespace, "cluster": cluster.name}
    if found is None:
        if not create:
            raise ProblemError("compute-namespace-missing", **where)
        return None
    labels = found["metadata"].get("labels") or {}
    if is_terminating(found):
        raise ProblemError("compute-namespace-terminating", **where)
    if labels.get(manifests.STUDIO) not in (None, StudioIdentity.get()):
        raise ProblemError("compute-namespace-taken", **where, owner="another Mooring studio")
    if create and not _is_ours(found):
        raise ProblemError("compute-namespace-exists", **where)
    if run_as_root and not _is_ours(found) and labels.get(manifests.ENFORCE) == "restricted":
        raise ProblemError("compute-root-refused", field="run_as_root", namespace=namespace, level="restricted")
    return found


def _is_ours(found: dict[str, Any] | None) -> bool:
    labels = (found or {}).get("metadata", {}).get("labels") or {}
    return labels.get(names.MANAGED_BY) == names.MANAGER and labels.get(manifests.STUDIO) == StudioIdentity.get()


def _check_permissions(client: Any, namespace: str) -> None:
    try:
        missing = [str(answer.rule) for answer in client.can_i(questions(JOB_NEEDS, namespace)) if not answer.allowed]
    except KubeError as error:
        raise told(error, field="namespace") from error
    if missing:
        shown = ", ".join(missing[:6]) + (f" and {len(missing) - 6} more" if len(missing) > 6 else "")
        raise ProblemError("compute-permissions-missing", field="namespace", namespace=namespace, missing=shown)


def _insert(workspace: Workspace, name: str, values: dict[str, Any]) -> Compute:
    try:
        with transaction.atomic():
            return Compute.objects.create(workspace=workspace, name=name, **values)
    except IntegrityError as error:
        # Somebody else took the name or the namespace between the check and now.
        _check_compute_name(workspace, name)
        _check_namespace_free(values["cluster"], values["namespace"])
        raise ProblemError("changed-meanwhile", what="The list of computes") from error


def _make_or_mark(client: Any, compute: Compute) -> None:
    studio, workspace = StudioIdentity.get(), compute.workspace.name
    if compute.namespace_made:
        manifest = manifests.namespace(
            compute.namespace, studio=studio, workspace=workspace, compute=compute.pk, run_as_root=compute.run_as_root
        )
        try:
            client.apply(kinds.NAMESPACE, manifest, force=True)
        except (Forbidden, Conflict) as error:
            raise ProblemError("compute-namespace-not-created", field="namespace", text=error.message) from error
        return
    marks = manifests.namespace_marks(studio=studio, workspace=workspace, compute=compute.pk)
    try:
        client.patch(kinds.NAMESPACE, compute.namespace, {"metadata": {"labels": marks}})
    except Forbidden:
        # The least-privilege identity may not label namespaces: the labels help people, nothing depends on them.
        log.info("namespace not labelled", namespace=compute.namespace)


def _change_namespace(compute: Compute, changes: dict[str, Any], *, create: bool) -> dict[str, Any]:
    """Do in the cluster what a change of namespace or of root takes; return what else changes in the row."""
    running = running_on(compute)
    if running and "namespace" in changes:
        raise ProblemError("compute-busy", field="namespace", count=f"{running} jobs", name=compute.name)
    namespace = changes.get("namespace", compute.namespace)
    root = changes.get("run_as_root", compute.run_as_root)
    client = _client(compute.cluster)
    if "namespace" in changes:
        check_namespace_name(namespace)
        _check_namespace_free(compute.cluster, namespace)
    made = create if "namespace" in changes else compute.namespace_made
    found = _look_at(client, compute.cluster, namespace, create=made, run_as_root=root)
    made = made or _is_ours(found)
    new = Compute(pk=compute.pk, workspace=compute.workspace, cluster=compute.cluster, name=compute.name,
                  namespace=namespace, namespace_made=made, run_as_root=root)  # fmt: skip
    try:
        if not made:
            _check_permissions(client, namespace)
        _make_or_mark(client, new)
        if "namespace" in changes:
            remove_namespace(client, compute)
    except KubeError as error:
        raise told(error, field="namespace") from error
    return {"namespace_made": made}


def _waits(compute: Compute, reason: str) -> None:
    if compute.reason != reason[:500]:
        touch(compute, reason=reason[:500])
        compute.announce()
