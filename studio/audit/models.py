"""The audit log: who did what to what, from where, with the difference."""

from django.conf import settings
from django.db import models


class Entry(models.Model):
    """One thing a person did. Written in the transaction that did it, and never changed."""

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    # Kept beside the key: an entry outlives the person's account.
    actor_name = models.CharField(max_length=150)
    via = models.CharField(max_length=10)
    verb = models.CharField(max_length=60)
    target_kind = models.CharField(max_length=60)
    target_id = models.CharField(max_length=60)
    target_name = models.CharField(max_length=255)
    workspace = models.CharField(max_length=63, blank=True)
    diff = models.JSONField(default=dict)

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=["target_kind", "target_id"]), models.Index(fields=["workspace", "-id"]))

    def __str__(self) -> str:
        return f"{self.actor_name} {self.verb} {self.target_kind} {self.target_name}"
