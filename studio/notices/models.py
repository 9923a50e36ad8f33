"""What a person was told, and what they want to be told of."""

from django.db import models

from studio.accounts.models import User
from studio.notices.kinds import KINDS, Kind


class Notice(models.Model):
    """One thing that one person was told; written in the transaction that made it true."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=30)
    title = models.CharField(max_length=300)
    text = models.CharField(max_length=500, blank=True)
    # Where it leads to within the studio.
    url = models.CharField(max_length=500)
    # Whoever may no longer see the workspace sees no notice of it either; empty for what belongs to none.
    workspace = models.CharField(max_length=63, blank=True)
    # What happened, so that it is told once however often it is found out.
    about = models.CharField(max_length=200)
    at = models.DateTimeField(auto_now_add=True)
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        constraints = (models.UniqueConstraint(fields=["user", "about"], name="one_notice_a_thing"),)
        indexes = (models.Index(fields=["user", "-id"]),)

    def __str__(self) -> str:
        return self.title

    @property
    def what(self) -> Kind:
        """Return the words and the tone of its kind."""
        return KINDS[self.kind]


class Preference(models.Model):
    """Whether one person is told of one kind in the studio, and by the browser; without a row the kind's own default counts."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=30)
    page = models.BooleanField(default=True)
    browser = models.BooleanField(default=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["user", "kind"], name="one_preference_a_kind"),)

    def __str__(self) -> str:
        return f"{self.user_id}: {self.kind}"
