"""The audit log: who did what to what, from where, with the difference and the result."""

from django.conf import settings
from django.db import models


class Result(models.TextChoices):
    """How it went. Refused: the studio did not let the person; failed: it could not be done."""

    DONE = "done", "Done"
    REFUSED = "refused", "Refused"
    FAILED = "failed", "Failed"


class Via(models.TextChoices):
    """By what means somebody came; `system` is the studio itself, without a person asking."""

    PAGE = "page", "Page"
    API = "api", "API"
    CLI = "cli", "Command line"
    SYSTEM = "system", "System"


# One for each way in which the lists are narrowed, counted or sorted: the id last, so that a page is read off the index.
LISTED_BY = {
    "workspace": ("workspace",),
    "person": ("actor_name",),
    "verb": ("verb",),
    "result": ("result",),
    "way": ("via",),
    "workspace_result": ("workspace", "result"),
    "workspace_way": ("workspace", "via"),
}


class Entry(models.Model):
    """One thing a person did. Written in the transaction that did it; triggers refuse to change or take it (guards.py)."""

    at = models.DateTimeField(auto_now_add=True, db_index=True)
    # Without a constraint and never touched: an entry outlives the account, and its name is kept beside it.
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+")
    actor_name = models.CharField(max_length=150)
    via = models.CharField(max_length=10, choices=Via.choices)
    address = models.CharField(max_length=45, blank=True, default="")
    agent = models.CharField(max_length=200, blank=True, default="")
    request_id = models.CharField(max_length=40, blank=True, default="")
    token_id = models.BigIntegerField(null=True, blank=True)
    token_name = models.CharField(max_length=60, blank=True, default="")
    verb = models.CharField(max_length=60)
    target_kind = models.CharField(max_length=60)
    target_id = models.CharField(max_length=60)
    target_name = models.CharField(max_length=255)
    workspace = models.CharField(max_length=63, blank=True)
    diff = models.JSONField(default=dict)
    result = models.CharField(max_length=8, choices=Result.choices, default=Result.DONE)
    problem = models.CharField(max_length=60, blank=True, default="")

    class Meta:
        ordering = ("-id",)
        verbose_name_plural = "entries"
        indexes = (
            models.Index(fields=["target_kind", "target_id"]),
            *(models.Index(fields=[*fields, "id"], name=f"audit_by_{name}") for name, fields in LISTED_BY.items()),
        )

    def __str__(self) -> str:
        return f"{self.actor_name} {self.verb} {self.target_kind} {self.target_name}"


class Retention(models.Model):
    """For how many days entries are kept: one row, written by the task that deletes, read by the trigger that guards."""

    days = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"{self.days} days"
