"""Create, change and delete instance types in a cluster; the rows follow at once, and by the watch in any case."""

from typing import Any

from django.db import transaction

from compute import instance_types, manifests
from compute.connections import kube_client
from compute.instance_types import OURS
from compute.kube import kinds
from compute.kube.config import KubeconfigRefused
from compute.kube.errors import Conflict, KubeError, NotFound
from compute.models import Cluster, Compute, InstanceType, StudioIdentity
from compute.problems import told
from compute.records import keep_instance_type
from compute.selectors import types_of
from studio.audit.services import record
from studio.core.errors import ProblemError, ProblemList
from studio.core.words import word_problems


def save_instance_type(actor: Any, cluster: Cluster, *, name: str, spec: dict[str, Any], create: bool, version: str = "") -> InstanceType:
    """Make an instance type, or change it; `version` (its resourceVersion when it was shown) guards against lost changes.

    Raises a ProblemList with each wrong field at its place.
    """
    spec = {key: value for key, value in spec.items() if value not in (None, {}, [], "")}
    problems = [ProblemError("instance-type-invalid", field=wrong.field, text=wrong.text) for wrong in instance_types.wrongs(name, spec)]
    problems += word_problems("description", str(spec.get("description") or ""))
    if problems:
        raise ProblemList(problems)
    existing = _ours(cluster, name)
    if create and existing:
        raise ProblemError("instance-type-exists", field="name", name=name)
    if not create and existing is None:
        raise _not_ours(cluster, name)
    manifest = manifests.instance_type(name, spec, studio=StudioIdentity.get(), default=bool(existing and existing.is_default))
    if version:
        manifest["metadata"]["resourceVersion"] = version
    made = _call(cluster, name, lambda client: client.apply(kinds.INSTANCE_TYPE, manifest, force=True))
    with transaction.atomic():
        row = keep_instance_type(cluster, made, OURS)
        diff = {"spec": [existing.spec if existing else None, spec]}
        record(actor, "created instance type" if create else "changed instance type", cluster,
               diff={"name": ["", name], **diff})  # fmt: skip
        cluster.announce()
    return row


def set_default_instance_type(actor: Any, cluster: Cluster, *, name: str) -> None:
    """Make one of our instance types the cluster's default; an empty name leaves it to the implicit one."""
    if name and _ours(cluster, name) is None:
        raise _not_ours(cluster, name)
    for row in cluster.instance_types.filter(group=OURS):
        if row.is_default != (row.name == name):
            mark = {"metadata": {"annotations": {instance_types.DEFAULT_ANNOTATION: str(row.name == name).lower()}}}
            changed = _call(cluster, row.name, lambda client, n=row.name, m=mark: client.patch(kinds.INSTANCE_TYPE, n, m))
            keep_instance_type(cluster, changed, OURS)
    with transaction.atomic():
        record(actor, "set the default instance type", cluster, diff={"default": ["", name]})
        cluster.announce()


def delete_instance_type(actor: Any, cluster: Cluster, *, name: str) -> None:
    """Delete an instance type; computes whose default it was fall back to the cluster's default."""
    if _ours(cluster, name) is None:
        raise _not_ours(cluster, name)
    _call(cluster, name, lambda client: client.delete(kinds.INSTANCE_TYPE, name))
    with transaction.atomic():
        cluster.instance_types.filter(group=OURS, name=name).delete()
        if name not in types_of(cluster):
            Compute.objects.filter(cluster=cluster, default_instance_type=name).update(default_instance_type="")
        record(actor, "deleted instance type", cluster, diff={"name": [name, ""]})
        cluster.announce()


def _ours(cluster: Cluster, name: str) -> InstanceType | None:
    return cluster.instance_types.filter(group=OURS, name=name).first()


def _not_ours(cluster: Cluster, name: str) -> ProblemError:
    if cluster.instance_types.filter(name=name).exists():
        return ProblemError("instance-type-not-ours", name=name)
    return ProblemError("not-found")


def _call(cluster: Cluster, name: str, does: Any) -> Any:
    try:
        return does(kube_client(cluster))
    except KubeconfigRefused as refusal:
        raise told(refusal) from refusal
    except Conflict as error:
        raise ProblemError("instance-type-stale", name=name) from error
    except NotFound as error:
        raise ProblemError("cluster-crd-not-applied", text="The cluster has no instance types of Mooring.") from error
    except KubeError as error:
        raise told(error) from error
