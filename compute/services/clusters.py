"""Attach clusters, change how they are reached, and let them go."""

import re
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from compute.connections import forget_client, kube_client
from compute.extension.models import Extension, ExtensionStatus
from compute.extension.services import removed_for_detach
from compute.kube import config, kinds, names
from compute.kube.config import Connection, ContextChoice, KubeconfigRefused
from compute.kube.errors import Forbidden, KubeError, NotFound
from compute.manifests import STUDIO, SYSTEM_NAMESPACE
from compute.models import NAME, Cluster, ClusterStatus, StudioIdentity
from compute.network.applying import withdraw
from compute.permissions import CRD_NAME
from compute.preflight import FirstLook, first_look
from compute.problems import told
from compute.services.computes import CANCEL_SECONDS, WORKLOADS, begin_detach, let_go, running_in
from studio.audit.services import record
from studio.core.errors import ProblemError
from studio.core.nudge import nudge
from studio.core.states import move, touch


def read_contexts(text: str, *, allow_insecure: bool = False) -> list[ContextChoice]:
    """Return the contexts of a kubeconfig; raises ProblemError at the field `kubeconfig`."""
    try:
        return config.contexts(text, allow_insecure=allow_insecure, reach=settings.CLUSTER_NETWORKS)
    except KubeconfigRefused as refusal:
        raise told(refusal, field="kubeconfig") from refusal


def runs_in_a_cluster() -> bool:
    """Tell whether this studio is a pod with a service account: only then is there a cluster to attach without a kubeconfig."""
    try:
        config.in_cluster()
    except KubeconfigRefused:
        return False
    return True


@dataclass(frozen=True)
class Attachable:
    """Say what would be attached: where it is, what answers there, and as whom we come."""

    server: str
    version: str
    username: str
    insecure: bool


def look_before_attach(
    actor: Any, *, name: str, kubeconfig: str = "", context: str = "", allow_insecure: bool = False, in_cluster: bool = False
) -> Attachable:
    """Look at a cluster as attaching it would, and keep nothing; raises the ProblemError that attaching would raise."""
    _check_name(name)
    connection = _connection(actor, kubeconfig, context, allow_insecure=allow_insecure, in_cluster=in_cluster)
    look = first_look(connection)
    _check_unknown(look, connection.server)
    if Cluster.objects.filter(name=name).exists():
        raise ProblemError("name-taken", field="name", what="cluster", name=name)
    return Attachable(connection.server, look.version, look.username, connection.insecure)


def attach_cluster(
    actor: Any,
    *,
    name: str,
    kubeconfig: str = "",
    context: str = "",
    allow_insecure: bool = False,
    in_cluster: bool = False,
) -> Cluster:
    """Look at a cluster, keep it with its credentials encrypted, and have it probed.

    Nothing is kept when it cannot be used: the ProblemError says at which field and what to do.
    """
    _check_name(name)
    connection = _connection(actor, kubeconfig, context, allow_insecure=allow_insecure, in_cluster=in_cluster)
    look = first_look(connection)
    _check_unknown(look, connection.server)
    with transaction.atomic():
        try:
            with transaction.atomic():
                cluster = Cluster.objects.create(
                    name=name,
                    created_by=actor if getattr(actor, "pk", None) else None,
                    uid=look.uid,
                    kubernetes_version=look.version,
                    seen_at=timezone.now(),
                    reason="Looking at its nodes",
                    **_kept(connection, in_cluster=in_cluster),
                )
        except IntegrityError as error:
            raise ProblemError("name-taken", field="name", what="cluster", name=name) from error
        record(actor, "attached", cluster, diff={"server": ["", cluster.server], "as": ["", look.username]})
        cluster.announce()
        nudge("compute.probe_cluster", cluster.pk)
    return cluster


def replace_credentials(actor: Any, cluster: Cluster, *, kubeconfig: str, context: str = "", allow_insecure: bool = False) -> Cluster:
    """Put new credentials in place of the old ones, after they were seen to open the same cluster."""
    connection = _connection(actor, kubeconfig, context, allow_insecure=allow_insecure, in_cluster=False)
    look = first_look(connection)
    if cluster.uid and look.uid and cluster.uid != look.uid:
        raise ProblemError("cluster-other-than-before", field="kubeconfig", name=cluster.name)
    with transaction.atomic():
        diff = {"credentials": ["(kept secret)", "(replaced)"]}
        if cluster.server != connection.server:
            diff["server"] = [cluster.server, connection.server]
        touch(cluster, **_kept(connection, in_cluster=False))
        record(actor, "replaced the credentials", cluster, diff=diff)
        cluster.announce()
        nudge("compute.probe_cluster", cluster.pk)
    return cluster


def edit_cluster(actor: Any, cluster: Cluster, *, name: str | None = None, server: str | None = None) -> Cluster:
    """Rename a cluster. Another server address is refused: credentials are given anew with it, never sent along."""
    if server is not None and server.rstrip("/") != cluster.server:
        raise ProblemError("credentials-needed-again", field="server")
    if name is None or name == cluster.name:
        return cluster
    _check_name(name)
    with transaction.atomic():
        old = cluster.name
        if Cluster.objects.filter(name=name).exists():
            raise ProblemError("name-taken", field="name", what="cluster", name=name)
        touch(cluster, name=name)
        record(actor, "renamed", cluster, diff={"name": [old, name]})
        cluster.announce()
    return cluster


def probe_again(actor: Any, cluster: Cluster) -> None:
    """Have a cluster looked at again: its permissions, and the ways that bytes take."""
    with transaction.atomic():
        record(actor, "asked to check", cluster)
        nudge("compute.probe_cluster", cluster.pk)
        nudge("compute.settle_network", cluster.pk)


@dataclass(frozen=True)
class Going:
    """Name what detaching takes away, and what it leaves."""

    computes: list[str]
    running: int
    namespaces: list[str]
    instance_types: list[str]
    custom_resource: bool
    stays: list[str]
    extension: bool = False

    @property
    def lines(self) -> list[str]:
        """Return it as lines for a dialog."""
        lines = [f"compute {name}" for name in self.computes]
        if self.running:
            lines.append(f"{self.running} running jobs, which are canceled")
        lines += [f"namespace {name} with all that is in it" for name in self.namespaces]
        lines += [f"instance type {name}" for name in self.instance_types]
        if self.extension:
            lines.append("the extension with its router")
        if self.custom_resource:
            lines.append(f"custom resource {CRD_NAME}")
        return [*lines, "the stored credentials"]


def what_goes(cluster: Cluster) -> Going:
    """Return what detaching takes away; asks the cluster what it can, and says what the rows know otherwise."""
    computes = list(cluster.computes.select_related("workspace"))
    made = sorted({compute.namespace for compute in computes if compute.namespace_made})
    stays = [f"namespace {compute.namespace} (it was there before)" for compute in computes if not compute.namespace_made]
    takes_resource = False
    types: list[str] = []
    try:
        client = kube_client(cluster)
        made = sorted({*made, *(each["metadata"]["name"] for each in our_namespaces(client))})
        takes_resource = takes_custom_resource(client)
        types = our_instance_types(client)
    except (KubeError, KubeconfigRefused):
        stays.append("whatever it holds, if the cluster stays unreachable")
    others = sorted(row.name for row in cluster.instance_types.all() if row.is_ours and row.name not in types)
    if others:
        stays.append(f"instance types {', '.join(others)} (not made by this studio)")
    return Going(
        computes=[f"{compute.workspace.name}/{compute.name}" for compute in computes],
        running=running_in(cluster),
        namespaces=made,
        instance_types=types,
        custom_resource=takes_resource,
        stays=stays,
        extension=Extension.objects.filter(cluster=cluster).exclude(status=ExtensionStatus.ABSENT).exists(),
    )


def detach_cluster(actor: Any, cluster: Cluster, *, forget: bool = False) -> Cluster:
    """Begin to let a cluster go: its jobs are canceled, what the studio put there is removed, then the row goes.

    With `forget` a cluster that does not answer is dropped without cleaning it.
    """
    with transaction.atomic():
        if forget:
            record(actor, "forgot", cluster)
            for compute in cluster.computes.select_related("workspace", "cluster"):
                let_go(compute, "leave")
            _drop(cluster)
            return cluster
        moved = move(cluster, ClusterStatus.DETACHING, expect=[*set(ClusterStatus.values) - {"detaching"}], actor=actor,
                     reason="Canceling what runs, then cleaning up")  # fmt: skip
        if moved:
            record(actor, "detached", cluster)
            for compute in cluster.computes.select_related("workspace", "cluster"):
                begin_detach(compute, "cancel", actor)
            for each in WORKLOADS.values():
                each.on_cluster_detach(cluster)
        nudge("compute.finish_detach", cluster.pk)
    return cluster


def finish_detach(cluster_id: int) -> None:
    """Clean a cluster that is being detached, as far as it goes now; the row goes when nothing of ours is left.

    Runs until it succeeds: the sweep comes back to it.
    """
    cluster = Cluster.objects.filter(pk=cluster_id, status=ClusterStatus.DETACHING).first()
    if cluster is None:
        return
    running = running_in(cluster)
    waited = (timezone.now() - cluster.status_at).total_seconds()
    if running and waited < CANCEL_SECONDS:
        _waits(cluster, f"Waiting for {running} jobs to end")
        return
    lying = sum(each.left_in(cluster.pk) for each in WORKLOADS.values())
    if lying and waited < CANCEL_SECONDS:
        # In a namespace that others made, nothing would take along what is not taken out yet.
        _waits(cluster, f"Waiting until what {lying} {'job' if lying == 1 else 'jobs'} left is taken out")
        return
    waits = removed_for_detach(cluster)
    if waits:
        _waits(cluster, waits)
        return
    try:
        left = _clean(cluster)
    except (KubeError, KubeconfigRefused) as error:
        _waits(cluster, f"Not cleaned yet: {told(error).text}", problem_id="cluster-still-used")
        return
    if left:
        _waits(cluster, f"Waiting until {', '.join(left)} {'is' if len(left) == 1 else 'are'} gone")
        return
    with transaction.atomic():
        _drop(cluster)


def our_namespaces(client: Any) -> list[dict[str, Any]]:
    """Return the namespaces that this studio made in a cluster."""
    return list(client.list(kinds.NAMESPACE, labels={names.MANAGED_BY: names.MANAGER, STUDIO: StudioIdentity.get()}))


def our_instance_types(client: Any) -> list[str]:
    """Return the names of the instance types that this studio made in a cluster."""
    try:
        found = client.list(kinds.INSTANCE_TYPE, labels={STUDIO: StudioIdentity.get()})
    except (NotFound, Forbidden):
        return []
    return sorted(each["metadata"]["name"] for each in found)


def takes_custom_resource(client: Any) -> bool:
    """Tell whether the custom resource goes, too: a studio installed it, and nobody else's things depend on it.

    One that came with the least-privilege manifest carries no studio's mark, and goes with the manifest.
    """
    crd = client.find(kinds.CRD, CRD_NAME)
    mine = StudioIdentity.get()
    if crd is None or not (crd["metadata"].get("annotations") or {}).get(STUDIO):
        return False
    marked = client.list(kinds.NAMESPACE, labels={STUDIO: None})
    types = client.list(kinds.INSTANCE_TYPE)
    return all((each["metadata"].get("labels") or {}).get(STUDIO) == mine for each in [*marked, *types])


def _other_studios(client: Any) -> set[str]:
    """Return the identities of the other studios that use a cluster."""
    marked = client.list(kinds.NAMESPACE, labels={STUDIO: None})
    return {each["metadata"]["labels"][STUDIO] for each in marked} - {StudioIdentity.get()}


def _clean(cluster: Cluster) -> list[str]:
    """Remove what is ours; return the names of what is still on its way out."""
    client = kube_client(cluster)
    for compute in cluster.computes.all():
        if not compute.namespace_made:
            unmark_namespace(client, compute.namespace)
    withdraw(client)
    namespaces = [each["metadata"]["name"] for each in our_namespaces(client)]
    takes_resource = takes_custom_resource(client)
    others = _other_studios(client)
    for name in namespaces:
        if name == SYSTEM_NAMESPACE and others:
            # Another studio's probe pods run there, too: it is theirs from now on.
            client.patch(kinds.NAMESPACE, name, {"metadata": {"labels": {STUDIO: sorted(others)[0]}}})
        else:
            client.delete(kinds.NAMESPACE, name)
    for name in our_instance_types(client):
        client.delete(kinds.INSTANCE_TYPE, name)
    if takes_resource:
        client.delete(kinds.CRD, CRD_NAME)
    left = [f"namespace {each['metadata']['name']}" for each in our_namespaces(client)]
    if takes_resource and client.find(kinds.CRD, CRD_NAME) is not None:
        left.append("the custom resource")
    return left


def unmark_namespace(client: Any, name: str) -> None:
    """Take the studio's labels off a namespace that others made, if it may."""
    gone = {"metadata": {"labels": {STUDIO: None, names.WORKSPACE: None, names.COMPUTE: None}}}
    found = client.find(kinds.NAMESPACE, name)
    if found is not None and (found["metadata"].get("labels") or {}).get(STUDIO) == StudioIdentity.get():
        client.patch(kinds.NAMESPACE, name, gone)


def _drop(cluster: Cluster) -> None:
    cluster.announce()
    forget_client(cluster.pk)
    cluster.delete()


def _waits(cluster: Cluster, reason: str, problem_id: str = "") -> None:
    if cluster.reason != reason[:500]:
        touch(cluster, reason=reason[:500], problem_id=problem_id)
        cluster.announce()


def _check_name(name: str) -> None:
    if not re.match(NAME.regex, name):
        raise ProblemError("name-invalid", field="name", name=name, what="cluster", why=str(NAME.message))


def _connection(actor: Any, kubeconfig: str, context: str, *, allow_insecure: bool, in_cluster: bool) -> Connection:
    if allow_insecure and not getattr(actor, "is_admin", False):
        raise ProblemError("insecure-not-allowed", field="allow_insecure")
    try:
        if in_cluster:
            return config.in_cluster()
        return config.connection(kubeconfig, context or None, allow_insecure=allow_insecure, reach=settings.CLUSTER_NETWORKS)
    except KubeconfigRefused as refusal:
        # Only where there are contexts to choose from is it a matter of the choice.
        place = "in_cluster" if in_cluster else "context" if refusal.params.get("contexts") else "kubeconfig"
        raise told(refusal, field=place) from refusal


def _kept(connection: Connection, *, in_cluster: bool) -> dict[str, Any]:
    return {
        "server": connection.server,
        "context": connection.context,
        "allow_insecure": connection.insecure,
        "in_cluster": in_cluster,
        "credentials": "" if in_cluster else config.render_kubeconfig(connection),
    }


def _check_unknown(look: FirstLook, server: str) -> None:
    same = Cluster.objects.filter(uid=look.uid).first() if look.uid else Cluster.objects.filter(server=server).first()
    if same is None:
        return
    if same.status == ClusterStatus.DETACHING:
        raise ProblemError("cluster-detaching", field="kubeconfig", name=same.name)
    raise ProblemError("cluster-already-attached", field="kubeconfig", name=same.name)
