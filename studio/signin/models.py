"""What people have set for themselves, what came from their groups, and who may use a password all the same."""

from django.conf import settings
from django.db import models


class Preferences(models.Model):
    """How one person wants to see the studio; empty means as the browser has it."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="preferences")
    time_zone = models.CharField(max_length=64, blank=True)
    theme = models.CharField(max_length=5, default="auto")

    def __str__(self) -> str:
        return f"preferences of {self.user}"


class MappedRole(models.Model):
    """A role that a person has because of a group at the provider, and what it took the place of."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="mapped_roles")
    workspace = models.ForeignKey("accounts.Workspace", null=True, on_delete=models.CASCADE, related_name="+")
    role = models.CharField(max_length=16)
    before = models.CharField(max_length=16, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["user", "workspace"], condition=models.Q(workspace__isnull=False), name="one_mapped_role"),
            models.UniqueConstraint(fields=["user", "role"], condition=models.Q(workspace__isnull=True), name="one_mapped_site_role"),
        )

    def __str__(self) -> str:
        return f"{self.role} of {self.workspace or 'the studio'} for {self.user}"


class PasswordLeave(models.Model):
    """Lets one administrator sign in with a password for a while although passwords are switched off."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="password_leave")
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.user} until {self.until}"
