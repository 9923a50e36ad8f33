"""The extension of a cluster, what is done to it, and its revisions; imported by `compute.models`."""

from typing import Any

from django.conf import settings
from django.db import models

from studio.live.bus import publish

# A field is called settings, too.
USER = settings.AUTH_USER_MODEL


class ExtensionStatus(models.TextChoices):
    """States of a cluster's extension."""

    ABSENT = "absent", "Not installed"
    INSTALLING = "installing", "Installing"
    READY = "ready", "Ready"
    DEGRADED = "degraded", "Degraded"
    UPDATING = "updating", "Updating"
    ROLLING_BACK = "rolling-back", "Rolling back"
    FAILED = "failed", "Failed"
    REMOVING = "removing", "Removing"


class OperationKind(models.TextChoices):
    """What is done to an extension."""

    INSTALL = "install", "Install"
    CHANGE = "change", "Change"
    ROLLBACK = "rollback", "Roll back"
    REMOVE = "remove", "Remove"


class OperationStatus(models.TextChoices):
    """How far an operation is; the last three are final."""

    WAITING = "waiting", "Waiting"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"


OPEN = (OperationStatus.WAITING, OperationStatus.RUNNING)


class Extension(models.Model):
    """What of the extension is wanted in a cluster, and what was last seen of it."""

    cluster = models.OneToOneField("compute.Cluster", on_delete=models.CASCADE, related_name="extension")
    status = models.CharField(max_length=12, choices=ExtensionStatus.choices, default=ExtensionStatus.ABSENT)
    reason = models.CharField(max_length=500, blank=True)
    problem_id = models.CharField(max_length=60, blank=True)
    status_at = models.DateTimeField(auto_now_add=True)
    version = models.PositiveIntegerField(default=1)
    # The settings in force under the original's names (compute.extension.wanted); {} before the first install.
    settings = models.JSONField(default=dict)
    # The number of the revision in force; 0 when nothing is installed.
    revision = models.PositiveIntegerField(default=0)
    # What the last look saw, object by object, and when.
    health = models.JSONField(default=list)
    seen_at = models.DateTimeField(null=True, blank=True)
    # Where the router answers, as `compute.router` reads it.
    router = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"extension of cluster {self.cluster_id}"

    def moved(self, old: str, new: str, *, actor: Any, reason: str, at: Any) -> None:
        self.announce()

    def announce(self) -> None:
        """Tell the pages that show the extension, or the cluster's state with it."""
        publish(f"extension:{self.cluster.name}", "changed", {"status": self.status, "version": self.version})
        publish("clusters", "changed", {"name": self.cluster.name})


class ExtensionOperation(models.Model):
    """One thing done to an extension; the row is the queue and what a killed worker is taken up again from."""

    extension = models.ForeignKey(Extension, on_delete=models.CASCADE, related_name="operations")
    kind = models.CharField(max_length=8, choices=OperationKind.choices)
    settings = models.JSONField(default=dict)
    # Somebody said that the release of another studio is to become this one's.
    take_over = models.BooleanField(default=False)
    # The revision to go back to, for a rollback.
    target = models.PositiveIntegerField(null=True, blank=True)
    actor = models.ForeignKey(USER, null=True, on_delete=models.SET_NULL, related_name="+")

    status = models.CharField(max_length=8, choices=OperationStatus.choices, default=OperationStatus.WAITING)
    reason = models.CharField(max_length=500, blank=True)
    problem_id = models.CharField(max_length=60, blank=True)
    problem = models.JSONField(default=dict)
    # [{"key", "title", "state", "text"}] in order, and the release's objects as last seen.
    steps = models.JSONField(default=list)
    objects_seen = models.JSONField(default=list)
    output = models.TextField(blank=True)
    # Helm's newest revision before Helm was started: a later one is this operation's.
    helm_before = models.IntegerField(null=True, blank=True)
    started_at = models.DateTimeField(auto_now_add=True)
    submitted_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    # Who works on it, and until when nobody else does.
    lease_owner = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=["extension"], condition=models.Q(status__in=["waiting", "running"]), name="one_open_operation_an_extension"
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"

    @property
    def is_open(self) -> bool:
        return self.status in OPEN


class ExtensionRevision(models.Model):
    """One state of the extension that Helm has brought into the cluster; never changed."""

    extension = models.ForeignKey(Extension, on_delete=models.CASCADE, related_name="revisions")
    number = models.PositiveIntegerField()
    helm_revision = models.PositiveIntegerField()
    kind = models.CharField(max_length=8, choices=OperationKind.choices)
    # For a rollback: which revision it brought back.
    of = models.PositiveIntegerField(null=True, blank=True)
    settings = models.JSONField(default=dict)
    charts = models.JSONField(default=dict)
    digest = models.CharField(max_length=64)
    manifest = models.TextField()
    # False when the release of this revision has been removed since: there is nothing to go back to.
    kept = models.BooleanField(default=True)
    actor = models.ForeignKey(USER, null=True, on_delete=models.SET_NULL, related_name="+")
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-number",)
        constraints = (models.UniqueConstraint(fields=["extension", "number"], name="one_extension_revision_a_number"),)

    def __str__(self) -> str:
        return f"revision {self.number}"
