"""What of the frame a person has put away."""

from django.db import models

from studio.accounts.models import User


class PutAway(models.Model):
    """A guide that a person does not want to see on their home any more."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    guide = models.CharField(max_length=20)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["user", "guide"], name="one_row_a_guide_put_away"),)

    def __str__(self) -> str:
        return f"{self.user_id}: {self.guide}"
