"""Clusters, what was last seen in them, and the computes that workspaces have on them."""

import secrets
from typing import Any

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.urls import reverse

from studio.accounts.models import Workspace
from studio.core.secrets import EncryptedTextField
from studio.live.bus import publish
from studio.notices.services import tell_operators

NAME = RegexValidator(r"\A[a-z]([a-z0-9-]{0,30}[a-z0-9])?\Z", "1 to 32 lower-case letters, digits and dashes, a letter first")


def _new_identity() -> str:
    return secrets.token_hex(6)


class ClusterStatus(models.TextChoices):
    """States of a cluster."""

    CONNECTING = "connecting", "Connecting"
    READY = "ready", "Ready"
    DEGRADED = "degraded", "Degraded"
    UNREACHABLE = "unreachable", "Unreachable"
    DETACHING = "detaching", "Detaching"


class ComputeStatus(models.TextChoices):
    """States of a compute; that its cluster is unreachable is said by `Compute.shown_status`."""

    ATTACHING = "attaching", "Attaching"
    READY = "ready", "Ready"
    DEGRADED = "degraded", "Degraded"
    DETACHING = "detaching", "Detaching"


# With one of these problems a compute has no namespace that takes jobs.
NO_NAMESPACE = frozenset({"compute-namespace-missing", "compute-namespace-terminating"})


class LogRoute(models.TextChoices):
    """How the bytes of logs travel from a cluster's pods to the studio."""

    UNKNOWN = "unknown", "Not probed yet"
    PROXY = "proxy", "Pod proxy"
    PORT_FORWARD = "port-forward", "Port-forward"
    PODS_LOG = "pods-log", "Pod log (may lose lines)"


class StudioIdentity(models.Model):
    """This studio's own name in clusters: by it, its namespaces are told from those of another studio."""

    value = models.CharField(max_length=16, default=_new_identity)

    def __str__(self) -> str:
        return self.value

    @classmethod
    def get(cls) -> str:
        """Return this studio's identity, made once."""
        return cls.objects.get_or_create(pk=1)[0].value


class Cluster(models.Model):
    """One Kubernetes cluster that this studio uses, and what it last looked like."""

    name = models.CharField(max_length=32, unique=True, validators=[NAME])
    server = models.CharField(max_length=500)
    # A kubeconfig that holds exactly the connection; empty for the cluster that the studio runs in.
    credentials = EncryptedTextField(blank=True)
    context = models.CharField(max_length=253, blank=True)
    allow_insecure = models.BooleanField(default=False)
    in_cluster = models.BooleanField(default=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    status = models.CharField(max_length=12, choices=ClusterStatus.choices, default=ClusterStatus.CONNECTING)
    reason = models.CharField(max_length=500, blank=True)
    problem_id = models.CharField(max_length=60, blank=True)
    status_at = models.DateTimeField(auto_now_add=True)
    version = models.PositiveIntegerField(default=1)

    # What was seen, and when: the age of everything that pages show of the cluster.
    seen_at = models.DateTimeField(null=True, blank=True)
    probed_at = models.DateTimeField(null=True, blank=True)
    # What tells one cluster from another whatever its address: the uid of its namespace kube-system.
    uid = models.CharField(max_length=64, blank=True)
    kubernetes_version = models.CharField(max_length=60, blank=True)
    distribution = models.CharField(max_length=40, blank=True)
    simulated = models.BooleanField(default=False)
    facts = models.JSONField(default=dict)
    # Warnings found by the last probe: [{"id", "text"}]; a cluster with any of them is degraded.
    findings = models.JSONField(default=list)
    log_route = models.CharField(max_length=12, choices=LogRoute.choices, default=LogRoute.UNKNOWN)
    log_route_detail = models.JSONField(default=dict)
    pods_reach_studio = models.BooleanField(null=True, blank=True)
    pods_reach_studio_detail = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def moved(self, old: str, new: str, *, actor: Any, reason: str, at: Any) -> None:
        Change.objects.create(cluster=self, old=old, status=new, at=at, reason=reason)
        self._tell(old, new, reason)
        self.announce()

    def _tell(self, old: str, new: str, reason: str) -> None:
        """Tell operators that the cluster was lost, or is back; one that was never reached was not lost."""
        lost = new == ClusterStatus.UNREACHABLE and self.seen_at is not None
        back = old == ClusterStatus.UNREACHABLE and new in (ClusterStatus.READY, ClusterStatus.DEGRADED)
        if lost or back:
            title = f"The cluster {self.name} {'was lost' if lost else 'is back'}"
            url = reverse("compute:cluster", args=[self.name])
            kind = "cluster-lost" if lost else "cluster-back"
            tell_operators(kind, title=title, text=reason, url=url, about=f"cluster:{self.pk}:{self.version}")

    def announce(self) -> None:
        """Tell the pages that show this cluster or a compute of it."""
        payload = {"name": self.name, "status": self.status, "version": self.version}
        publish((f"cluster:{self.name}", "clusters"), "changed", payload)
        for compute in self.computes.select_related("workspace"):
            compute.announce()


class Change(models.Model):
    """One change of a cluster's state."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="changes")
    old = models.CharField(max_length=12)
    status = models.CharField(max_length=12)
    at = models.DateTimeField()
    reason = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ("-at", "-id")

    def __str__(self) -> str:
        return f"{self.cluster_id}: {self.old} to {self.status}"


class Node(models.Model):
    """One node of a cluster as last seen; quantities are floats (CPU in cores, memory in bytes, others counted)."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="nodes")
    name = models.CharField(max_length=253)
    uid = models.CharField(max_length=64)
    ready = models.BooleanField()
    schedulable = models.BooleanField(default=True)
    reason = models.CharField(max_length=300, blank=True)
    kubelet_version = models.CharField(max_length=60, blank=True)
    simulated = models.BooleanField(default=False)
    capacity = models.JSONField(default=dict)
    allocatable = models.JSONField(default=dict)
    requested = models.JSONField(default=dict)
    labels = models.JSONField(default=dict)
    taints = models.JSONField(default=list)
    pods = models.PositiveIntegerField(default=0)
    # What runs, for the capacity picture: [{"owner": workspace or namespace, "kind", "cpu", "memory", "gpu", "pods"}]
    runs = models.JSONField(default=list)
    seen_at = models.DateTimeField()

    class Meta:
        ordering = ("name",)
        constraints = (models.UniqueConstraint(fields=["cluster", "name"], name="one_row_a_node"),)

    def __str__(self) -> str:
        return self.name


class InstanceType(models.Model):
    """An InstanceType object of a cluster as last seen; `problem` says why it cannot be used, if so."""

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="instance_types")
    group = models.CharField(max_length=60)
    name = models.CharField(max_length=253)
    spec = models.JSONField(default=dict)
    description = models.CharField(max_length=300, blank=True)
    is_default = models.BooleanField(default=False)
    problem = models.CharField(max_length=500, blank=True)
    uid = models.CharField(max_length=64, blank=True)
    resource_version = models.CharField(max_length=40, blank=True)

    class Meta:
        ordering = ("name", "-group")
        constraints = (models.UniqueConstraint(fields=["cluster", "group", "name"], name="one_row_an_instance_type"),)

    def __str__(self) -> str:
        return self.name

    @property
    def is_ours(self) -> bool:
        return self.group == "mooring.dev"


class Compute(models.Model):
    """One namespace of a cluster, attached to one workspace.

    A namespace belongs to one compute only: two workspaces on one cluster never share secrets, pods or quotas.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="computes")
    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="computes")
    name = models.CharField(max_length=32, validators=[NAME])
    namespace = models.CharField(max_length=63)
    # The studio made the namespace, and removes it when the compute is detached.
    namespace_made = models.BooleanField(default=False)
    run_as_root = models.BooleanField(default=False)
    default_instance_type = models.CharField(max_length=253, blank=True)
    description = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    status = models.CharField(max_length=12, choices=ComputeStatus.choices, default=ComputeStatus.ATTACHING)
    reason = models.CharField(max_length=500, blank=True)
    problem_id = models.CharField(max_length=60, blank=True)
    status_at = models.DateTimeField(auto_now_add=True)
    version = models.PositiveIntegerField(default=1)
    # What happens to what still runs while it is detached: cancel or leave.
    on_detach = models.CharField(max_length=6, blank=True)
    # The ResourceQuotas of its namespace as last seen: [{"name", "hard", "used"}].
    quotas = models.JSONField(default=list)

    class Meta:
        ordering = ("name",)
        constraints = (
            models.UniqueConstraint(fields=["workspace", "name"], name="one_compute_a_name"),
            models.UniqueConstraint(fields=["cluster", "namespace"], name="one_compute_a_namespace"),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def shown_status(self) -> str:
        """The state that counts for people: nothing can be ready on a cluster that is not there."""
        cluster = self.cluster.status
        if self.status == ComputeStatus.READY and cluster in (ClusterStatus.UNREACHABLE, ClusterStatus.DETACHING):
            return cluster
        return self.status

    @property
    def shown_reason(self) -> str:
        return self.reason if self.shown_status == self.status else self.cluster.reason

    @property
    def usable(self) -> bool:
        """Tell whether jobs may be submitted to it now."""
        there = self.status in (ComputeStatus.READY, ComputeStatus.DEGRADED) and self.problem_id not in NO_NAMESPACE
        return there and self.cluster.status not in (ClusterStatus.DETACHING, ClusterStatus.CONNECTING)

    def moved(self, old: str, new: str, *, actor: Any, reason: str, at: Any) -> None:
        self.announce()

    def announce(self) -> None:
        """Tell the pages that show this compute."""
        payload = {"id": self.pk, "name": self.name, "status": self.shown_status, "version": self.version}
        publish((f"compute:{self.pk}", f"computes:{self.workspace.name}"), "changed", payload)


# Models of this app that live beside what they are about.
from compute.extension import models as extension_models  # noqa: E402, F401
from compute.network import models as network_models  # noqa: E402, F401
