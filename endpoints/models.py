"""Online endpoints, their deployments, the revisions these went through, and the pods that serve."""

import secrets
from datetime import timedelta
from typing import Any

from django.core.validators import RegexValidator
from django.db import models
from django.urls import reverse
from django.utils import timezone

from studio.accounts.models import User, Workspace
from studio.core.secrets import EncryptedTextField
from studio.live.bus import publish
from studio.notices.services import tell

# The original's rule: 3 to 32 characters, a letter first, alphanumeric with single dashes inside.
NAME = RegexValidator(
    r"\A(?=.{3,32}\Z)[A-Za-z](-?[A-Za-z0-9])*\Z", "3 to 32 letters, digits and single dashes, a letter first and no dash last"
)
DEADLINE_SECONDS = 20 * 60


def new_key() -> str:
    """Return a key of an endpoint: 256 random bits in 43 characters that need no quoting anywhere."""
    return secrets.token_urlsafe(32)


class EndpointStatus(models.TextChoices):
    """States of an endpoint: what it asks of the router, and whether the router does it."""

    CREATING = "creating", "Creating"
    UPDATING = "updating", "Updating"
    READY = "ready", "Ready"
    FAILED = "failed", "Failed"
    DELETING = "deleting", "Deleting"


class DeploymentStatus(models.TextChoices):
    """States of a deployment."""

    CREATING = "creating", "Creating"
    UPDATING = "updating", "Updating"
    READY = "ready", "Ready"
    DEGRADED = "degraded", "Degraded"
    FAILED = "failed", "Failed"
    ROLLING_BACK = "rolling-back", "Rolling back"
    DELETING = "deleting", "Deleting"


# A rollout is under way: the deadline counts.
ROLLING = (DeploymentStatus.CREATING.value, DeploymentStatus.UPDATING.value, DeploymentStatus.ROLLING_BACK.value)


class RevisionStatus(models.TextChoices):
    """States of a revision; that it serves now is said by `Deployment.current`."""

    WAITING = "waiting", "Waiting"
    ROLLING_OUT = "rolling-out", "Rolling out"
    GOOD = "good", "Good"
    FAILED = "failed", "Failed"
    PASSED_OVER = "passed-over", "Passed over"


class Endpoint(models.Model):
    """One HTTPS address of a workspace, and how its requests are shared among its deployments."""

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="endpoints")
    name = models.CharField(max_length=32, validators=[NAME])
    description = models.TextField(blank=True)
    tags = models.JSONField(default=dict)
    yaml = models.TextField(blank=True)
    warnings = models.JSONField(default=list)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    compute = models.ForeignKey("compute.Compute", null=True, on_delete=models.SET_NULL, related_name="endpoints")
    compute_name = models.CharField(max_length=63)
    cluster = models.ForeignKey("compute.Cluster", null=True, on_delete=models.SET_NULL, related_name="+")
    namespace = models.CharField(max_length=63)

    auth_mode = models.CharField(max_length=12, default="key")
    primary_key = EncryptedTextField(default=new_key)
    secondary_key = EncryptedTextField(default=new_key)
    # name of a deployment → percent; sums to 0 or 100.
    traffic = models.JSONField(default=dict)
    mirror_traffic = models.JSONField(default=dict)

    # Counts what people asked for; the router has what `applied_generation` says, as `applied` shows it.
    generation = models.PositiveIntegerField(default=1)
    applied_generation = models.PositiveIntegerField(default=0)
    # {"traffic": {…}, "mirror_traffic": {…}, "deployments": […], "at": "…"} as last taken over by the router.
    applied = models.JSONField(default=dict)

    status = models.CharField(max_length=12, choices=EndpointStatus.choices, default=EndpointStatus.CREATING)
    reason = models.CharField(max_length=500, blank=True)
    status_at = models.DateTimeField(auto_now_add=True)
    version = models.PositiveIntegerField(default=1)
    problem_id = models.CharField(max_length=60, blank=True)
    problem_params = models.JSONField(default=dict)

    class Meta:
        ordering = ("name",)
        constraints = (
            models.UniqueConstraint(fields=["workspace", "name"], name="one_endpoint_a_name"),
            # The address holds the name alone, so it is one for all workspaces that share a cluster's router.
            models.UniqueConstraint(fields=["cluster", "name"], name="one_endpoint_a_router_and_name"),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def object_name(self) -> str:
        return f"me-{self.pk}"

    @property
    def score_path(self) -> str:
        return f"/api/v1/endpoint/{self.name}/score"

    def moved(self, old: str, new: str, *, actor: Any, reason: str, at: Any) -> None:
        Change.objects.create(endpoint=self, old=old, status=new, at=at, reason=reason)
        self.announce()

    def announce(self) -> None:
        """Tell the pages that show this endpoint or one of its deployments."""
        payload = {"name": self.name, "status": self.status, "version": self.version}
        publish((f"endpoint:{self.pk}", f"endpoints:{self.workspace.name}"), "changed", payload)


class Deployment(models.Model):
    """One way of answering an endpoint's requests: pods of one revision behind one Service."""

    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="deployments")
    name = models.CharField(max_length=32, validators=[NAME])
    description = models.TextField(blank=True)
    tags = models.JSONField(default=dict)
    # As it was last given, and what was set over it (`--set`).
    yaml = models.TextField(blank=True)
    overrides = models.JSONField(default=list)
    warnings = models.JSONField(default=list)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    instance_count = models.PositiveIntegerField(default=1)
    scale_settings = models.JSONField(default=dict)
    # Requests whose connection failed, or that were never begun, are sent once more to another replica.
    retry = models.BooleanField(default=True)
    rollout_deadline_seconds = models.PositiveIntegerField(default=DEADLINE_SECONDS)
    # Asked for when it was made: all traffic goes to it as soon as it is ready for the first time.
    traffic_when_ready = models.BooleanField(default=False)

    # What people want; what the Deployment object carries; what was ready last.
    wanted = models.ForeignKey("Revision", null=True, on_delete=models.SET_NULL, related_name="+")
    current = models.ForeignKey("Revision", null=True, on_delete=models.SET_NULL, related_name="+")
    good = models.ForeignKey("Revision", null=True, on_delete=models.SET_NULL, related_name="+")
    generation = models.PositiveIntegerField(default=1)
    applied_generation = models.PositiveIntegerField(default=0)
    object_uid = models.CharField(max_length=64, blank=True)
    # Counts what replaces all pods: asked for by people, or a revision tried again.
    rollouts = models.PositiveIntegerField(default=0)
    # What the pods' template was last rendered from: {"revision", "rollouts", "settings": {part: digest}}.
    applied = models.JSONField(default=dict)
    # What the Deployment object last said: {"wanted", "updated", "ready", "available", "at"}.
    observed = models.JSONField(default=dict)
    rollout_started_at = models.DateTimeField(null=True, blank=True)
    # With it the pods fetch the model and the code, today or in a year: it lives as long as the deployment.
    token = EncryptedTextField(blank=True)
    # How files travel: `direct` (pods call the studio) or `push` (the studio reaches pods through the API server).
    transport = models.CharField(max_length=6, default="direct")

    status = models.CharField(max_length=12, choices=DeploymentStatus.choices, default=DeploymentStatus.CREATING)
    reason = models.CharField(max_length=500, blank=True)
    status_at = models.DateTimeField(auto_now_add=True)
    version = models.PositiveIntegerField(default=1)
    problem_id = models.CharField(max_length=60, blank=True)
    problem_params = models.JSONField(default=dict)

    class Meta:
        ordering = ("name",)
        constraints = (models.UniqueConstraint(fields=["endpoint", "name"], name="one_deployment_a_name"),)
        indexes = (models.Index(fields=["status", "status_at"]),)

    def __str__(self) -> str:
        return f"{self.endpoint.name}/{self.name}"

    @property
    def object_name(self) -> str:
        return f"md-{self.pk}"

    @property
    def traffic(self) -> int:
        """The share of requests that the endpoint's traffic gives to this deployment, in percent."""
        return int(self.endpoint.traffic.get(self.name, 0))

    @property
    def deadline_passed(self) -> bool:
        started = self.rollout_started_at
        return started is not None and timezone.now() > started + timedelta(seconds=self.rollout_deadline_seconds)

    def moved(self, old: str, new: str, *, actor: Any, reason: str, at: Any) -> None:
        Change.objects.create(endpoint=self.endpoint, deployment=self.name, old=old, status=new, at=at, reason=reason)
        # A way back that a person asked for carries no problem.
        if new == DeploymentStatus.FAILED or (new == DeploymentStatus.ROLLING_BACK and self.problem_id):
            self._tell(new, reason)
        self.announce()

    def _tell(self, status: str, reason: str) -> None:
        """Tell who made the revision, and who made the endpoint, that it does not serve."""
        failed = status == DeploymentStatus.FAILED
        endpoint = self.endpoint
        people = [self.current.created_by if self.current else self.created_by, endpoint.created_by]
        url = reverse("endpoints:detail", args=[endpoint.workspace.name, endpoint.name])
        tell(people, "deployment-failed" if failed else "deployment-rolled-back", text=reason, url=url, workspace=endpoint.workspace.name,
             title=f"{endpoint.name}/{self.name} {'failed' if failed else 'went back by itself'}",
             about=f"deployment:{self.pk}:{self.version}")  # fmt: skip

    def announce(self) -> None:
        """Tell the pages that show this deployment; its endpoint's page does."""
        self.endpoint.announce()


class Revision(models.Model):
    """Everything that decides what a deployment's pods run; never changed once made."""

    deployment = models.ForeignKey(Deployment, on_delete=models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField()
    # endpoints/accepting.py says which keys there are.
    spec = models.JSONField(default=dict)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    # A manual or automatic way back makes no new revision; a new one that equals an old one says so here.
    note = models.CharField(max_length=300, blank=True)

    status = models.CharField(max_length=12, choices=RevisionStatus.choices, default=RevisionStatus.WAITING)
    reason = models.CharField(max_length=500, blank=True)
    problem_id = models.CharField(max_length=60, blank=True)
    problem_params = models.JSONField(default=dict)
    # What was seen when it failed: {"pods": […], "conditions": […], "events": […], "log": {"container", "text"}, "at"}.
    evidence = models.JSONField(default=dict)
    ready_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-number",)
        constraints = (models.UniqueConstraint(fields=["deployment", "number"], name="one_revision_a_number"),)

    def __str__(self) -> str:
        return f"{self.deployment_id} revision {self.number}"


class Replica(models.Model):
    """One pod of a deployment as last seen."""

    deployment = models.ForeignKey(Deployment, on_delete=models.CASCADE, related_name="replicas")
    # The number of the revision that the pod runs.
    revision = models.PositiveIntegerField(default=0)
    pod_uid = models.CharField(max_length=64)
    pod_name = models.CharField(max_length=253)
    node = models.CharField(max_length=253, blank=True)
    phase = models.CharField(max_length=12, default="Pending")
    # Where it stands: waiting, preparing, starting, warming, ready, not-ready, ending, ended.
    state = models.CharField(max_length=12, default="waiting")
    ready = models.BooleanField(default=False)
    restarts = models.PositiveIntegerField(default=0)
    reason = models.CharField(max_length=500, blank=True)
    # Why it does not get ready, as {"id", "params"}.
    problem = models.JSONField(null=True, blank=True)
    ending = models.BooleanField(default=False)
    created_at = models.DateTimeField(null=True, blank=True)
    ready_at = models.DateTimeField(null=True, blank=True)
    seen_at = models.DateTimeField(auto_now=True)
    # When its files were last carried to it (transport `push`).
    fed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-revision", "pod_name")
        constraints = (models.UniqueConstraint(fields=["deployment", "pod_uid"], name="one_replica_a_pod"),)

    def __str__(self) -> str:
        return self.pod_name


class ReplicaLog(models.Model):
    """What was taken of a container's log while somebody looked (endpoints/following.py)."""

    replica = models.ForeignKey(Replica, on_delete=models.CASCADE, related_name="logs")
    container = models.CharField(max_length=63)
    wanted_until = models.DateTimeField(null=True, blank=True)
    # The node's time of the last line that is here, and where the file ends.
    after = models.CharField(max_length=30, blank=True)
    size = models.PositiveBigIntegerField(default=0)
    # When the node last answered, and what it said instead of lines.
    read_at = models.DateTimeField(null=True, blank=True)
    said = models.CharField(max_length=200, blank=True)
    ended = models.BooleanField(default=False)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["replica", "container"], name="one_log_a_container"),)
        indexes = (models.Index(fields=["wanted_until"]),)

    def __str__(self) -> str:
        return f"{self.replica_id} {self.container}"


class Change(models.Model):
    """One change of the state of an endpoint, or of one of its deployments (`deployment` names it)."""

    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="changes")
    deployment = models.CharField(max_length=32, blank=True)
    old = models.CharField(max_length=12)
    status = models.CharField(max_length=12)
    at = models.DateTimeField()
    reason = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering = ("at", "id")

    def __str__(self) -> str:
        return f"{self.endpoint_id} {self.deployment}: {self.old} to {self.status}"


from endpoints.figures import models as figures_models  # noqa: E402, F401
