"""What people do to the extension of a cluster; page, API and command line end here."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings as studio_settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from compute.connections import kube_client
from compute.extension import checking
from compute.extension.helm import HelmMissing, find_program
from compute.extension.models import OPEN, Extension, ExtensionOperation, ExtensionStatus, OperationKind
from compute.extension.notes import BUSY
from compute.extension.wanted import Wanted, flattened, merged, read
from compute.kube.config import KubeconfigRefused
from compute.kube.errors import KubeError
from compute.models import Cluster, ClusterStatus
from compute.problems import told
from studio.audit.services import record
from studio.core.errors import ProblemError, ProblemList
from studio.core.nudge import nudge
from studio.core.states import move

# A removal that failed is tried again after so long while its cluster is being detached.
RETRY = timedelta(seconds=60)
# Filled by the apps that put endpoints on a cluster's router: each returns their names.
ROUTED: dict[str, Callable[[Cluster], list[str]]] = {}


def routed_on(cluster: Cluster) -> list[str]:
    """Return the names of the endpoints on a cluster's router."""
    return [name for names in ROUTED.values() for name in names(cluster)]


def install_extension(actor: Any, cluster: Cluster, *, settings: Mapping[str, Any], take_over: bool = False) -> ExtensionOperation:
    """Begin to install the extension; raises ProblemList with everything that stands against the settings.

    With `take_over` a release of another studio becomes this one's; what it has in the cluster goes on meanwhile.
    """
    row = _row(cluster)
    if row.revision:
        raise ProblemError("extension-exists", cluster=cluster.name, revision=row.revision)
    wanted = check_settings(cluster, settings, take_over=take_over).as_settings()
    diff = difference({}, wanted) | ({"take over": ["", "True"]} if take_over else {})
    return _begin(actor, row, OperationKind.INSTALL, settings=wanted, diff=diff, take_over=take_over)


def change_extension(
    actor: Any, cluster: Cluster, *, settings: Mapping[str, Any], merge: bool = True, take_over: bool = False
) -> ExtensionOperation:
    """Begin to change the settings; with `merge` those that are not given stay, an empty value takes one out."""
    row = _installed(cluster)
    wanted = check_settings(cluster, merged(row.settings, settings) if merge else settings, take_over=take_over).as_settings()
    diff = difference(row.settings, wanted) | ({"take over": ["", "True"]} if take_over else {})
    return _begin(actor, row, OperationKind.CHANGE, settings=wanted, diff=diff, take_over=take_over)


def roll_back_extension(actor: Any, cluster: Cluster, *, revision: int) -> ExtensionOperation:
    """Begin to bring an earlier revision back, exactly as it was rendered then."""
    row = _installed(cluster)
    target = row.revisions.filter(number=revision).first()
    if target is None:
        raise ProblemError("extension-revision-none", cluster=cluster.name, number=revision)
    if not target.kept:
        raise ProblemError("extension-revision-gone", number=revision)
    _check_usable(cluster)
    diff = {"revision": [row.revision, revision], **difference(row.settings, target.settings)}
    return _begin(actor, row, OperationKind.ROLLBACK, settings=target.settings, target=revision, diff=diff)


def remove_extension(actor: Any, cluster: Cluster, *, force: bool = False) -> ExtensionOperation:
    """Begin to remove the extension; refused while endpoints need it, unless forced."""
    row = _row(cluster)
    if row.status == ExtensionStatus.ABSENT:
        raise ProblemError("extension-absent", cluster=cluster.name)
    names = routed_on(cluster)
    if names and not force:
        listed = ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
        raise ProblemError("extension-in-use", count=len(names), cluster=cluster.name, names=listed)
    _check_usable(cluster)
    _check_helm()
    return _begin(actor, row, OperationKind.REMOVE, settings=row.settings, diff={"forced": ["", str(force)]} if names else {})


def removed_for_detach(cluster: Cluster) -> str:
    """Have the extension removed from a cluster that is being detached; returns what is waited for, nothing when it is gone."""
    row = Extension.objects.filter(cluster=cluster).first()
    if row is None or row.status == ExtensionStatus.ABSENT:
        return ""
    last = row.operations.first()
    if last is not None and last.is_open:
        return f"Waiting for the extension: {last.reason or last.get_kind_display()}"
    if last is not None and last.kind == OperationKind.REMOVE and last.ended_at and timezone.now() - last.ended_at < RETRY:
        return f"The extension could not be removed and is tried again: {last.reason}"
    _begin(None, row, OperationKind.REMOVE, settings=row.settings, diff={"forced": ["", "the cluster is detached"]})
    return "Removing the extension"


def check_settings(cluster: Cluster, settings: Mapping[str, Any], *, take_over: bool = False) -> Wanted:
    """Return what settings ask for; raises ProblemList with everything wrong in them, and with the cluster for them."""
    _check_usable(cluster)
    wanted, wrongs = read(settings)
    problems = checking.told(wrongs)
    try:
        # Settings that contradict each other say nothing that the cluster could be asked about.
        if not wrongs:
            problems += checking.check(cluster, kube_client(cluster), wanted, take_over=take_over)
    except (KubeError, KubeconfigRefused) as error:
        problems.append(told(error))
    try:
        _check_helm()
    except ProblemError as problem:
        problems.append(problem)
    if problems:
        raise ProblemList(problems)
    return wanted


def preview(
    cluster: Cluster, *, settings: Mapping[str, Any], merge: bool = True, take_over: bool = False
) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """Return the settings as they would be and what of them changes; raises ProblemList as a change would."""
    row = Extension.objects.filter(cluster=cluster).first()
    kept = row.settings if row else {}
    wanted = check_settings(cluster, merged(kept, settings) if merge else settings, take_over=take_over).as_settings()
    return wanted, difference(kept, wanted)


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return what changes from one set of settings to another: key to [old, new]."""
    before, after = flattened(old), flattened(new)
    return {
        key: [before.get(key, ""), after.get(key, "")]
        for key in sorted({*before, *after})
        if before.get(key, "") != after.get(key, "") and not (before.get(key) in (None, "") and after.get(key) in (None, "", [], {}))
    }


def _begin(actor: Any, row: Extension, kind: OperationKind, *, settings: dict[str, Any], target: int | None = None,
           diff: dict[str, Any], take_over: bool = False) -> ExtensionOperation:  # fmt: skip
    cluster = row.cluster
    try:
        with transaction.atomic():
            operation = ExtensionOperation.objects.create(
                extension=row,
                kind=kind,
                settings=settings,
                target=target,
                take_over=take_over,
                actor=actor if getattr(actor, "pk", None) else None,
            )
            row.refresh_from_db()
            if not move(row, BUSY[kind], expect=row.status, actor=actor, reason="Waiting for a worker"):
                raise ProblemError("changed-meanwhile", what="The extension")
            record(actor, f"began to {OperationKind(kind).label.lower()} the extension", cluster, diff=diff)
            nudge("compute.run_extension", operation.pk)
    except IntegrityError as error:
        raise _busy(row) from error
    return operation


def _row(cluster: Cluster) -> Extension:
    row, _ = Extension.objects.get_or_create(cluster=cluster)
    if row.operations.filter(status__in=OPEN).exists():
        raise _busy(row)
    return row


def _busy(row: Extension) -> ProblemError:
    operation = row.operations.filter(status__in=OPEN).first()
    what = operation.get_kind_display() if operation else "An operation"
    return ProblemError("extension-busy", what=what, cluster=row.cluster.name)


def _installed(cluster: Cluster) -> Extension:
    row = _row(cluster)
    if not row.revision:
        raise ProblemError("extension-absent", cluster=cluster.name)
    return row


def _check_usable(cluster: Cluster) -> None:
    if cluster.status in (ClusterStatus.DETACHING, ClusterStatus.UNREACHABLE, ClusterStatus.CONNECTING):
        raise ProblemError("cluster-not-ready", name=cluster.name, status=cluster.get_status_display().lower(), reason=cluster.reason)


def _check_helm() -> None:
    try:
        find_program(studio_settings.HELM)
    except HelmMissing as error:
        raise ProblemError("extension-helm-missing", text=str(error)) from error
