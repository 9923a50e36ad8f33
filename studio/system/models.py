"""Tasks that failed: kept for an administrator to look at, bounded, one row for the same failure again and again."""

from django.db import models


class FailedTask(models.Model):
    """A task that raised something it should not have; the sweeps try its work again all the same."""

    name = models.CharField(max_length=120)
    task_id = models.CharField(max_length=60)
    error = models.CharField(max_length=500)
    traceback = models.TextField(blank=True)
    count = models.PositiveIntegerField(default=1)
    first_at = models.DateTimeField()
    at = models.DateTimeField()

    class Meta:
        ordering = ("-at",)
        indexes = (models.Index(fields=["name", "error"]),)

    def __str__(self) -> str:
        return f"{self.name}: {self.error}"
