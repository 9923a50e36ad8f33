"""What people keep of lists: their columns and density, and views."""

from django.conf import settings
from django.db import models
from django.db.models import Q


class TableChoice(models.Model):
    """How one person wants to see one list."""

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    table = models.CharField(max_length=40)
    # Keys of columns; empty: as the list is declared.
    columns = models.JSONField(default=list)
    dense = models.BooleanField(default=False)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["person", "table"], name="one_choice_a_table"),)

    def __str__(self) -> str:
        return f"{self.table} of {self.person_id}"


class SavedView(models.Model):
    """A list's filters, sort and columns under a name: a person's own, or shared with the workspace.

    A list outside workspaces (clusters, audit) has views without one; these are shared with whoever may see the list.
    """

    table = models.CharField(max_length=40)
    workspace = models.ForeignKey("accounts.Workspace", null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=60)
    query = models.TextField(blank=True)
    shared = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    # Whose list opens with it.
    opens_for = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="+", blank=True)

    class Meta:
        ordering = ("name", "id")
        # Two each: for a database, no workspace is not the same as no workspace.
        constraints = (
            models.UniqueConstraint(fields=["table", "workspace", "owner", "name"], name="one_own_view_a_name"),
            models.UniqueConstraint(
                fields=["table", "owner", "name"], condition=Q(workspace=None), name="one_own_view_a_name_outside"
            ),
            models.UniqueConstraint(
                fields=["table", "workspace", "name"], condition=Q(shared=True), name="one_shared_view_a_name"
            ),
            models.UniqueConstraint(
                fields=["table", "name"], condition=Q(shared=True, workspace=None), name="one_shared_view_a_name_outside"
            ),
        )

    def __str__(self) -> str:
        return self.name
