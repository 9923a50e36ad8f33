"""What workspaces keep by content: files, trees of files, and the rules for images."""

from django.db import models

from studio.accounts.models import Workspace
from studio.assets.registry.models import Model, ModelVersion

__all__ = ["Blob", "ImageRule", "Model", "ModelVersion", "Snapshot"]


class Blob(models.Model):
    """One file's content that a workspace has brought in; equal content is stored once for all of them.

    The row is the workspace's right to the content: knowing a digest is not enough to read it.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    digest = models.CharField(max_length=80)
    size = models.PositiveBigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["workspace", "digest"], name="one_claim_a_blob"),)

    def __str__(self) -> str:
        return self.digest


class Snapshot(models.Model):
    """A folder of files (code, or an input) by content; the tree itself lies in the store under `digest`."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="snapshots")
    digest = models.CharField(max_length=80)
    count = models.PositiveIntegerField()
    size = models.PositiveBigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["workspace", "digest"], name="one_snapshot_a_tree"),)

    def __str__(self) -> str:
        return self.digest


class ImageRule(models.Model):
    """Say which image stands in for a name that jobs ask for; the first rule by `position` that matches wins."""

    position = models.PositiveIntegerField(default=100)
    # With * for any run of characters; matched against the whole name.
    pattern = models.CharField(max_length=300, unique=True)
    image = models.CharField(max_length=500)
    note = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("position", "id")

    def __str__(self) -> str:
        return f"{self.pattern} → {self.image}"
