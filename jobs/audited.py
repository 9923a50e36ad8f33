"""Where the audit's entries about jobs lead."""

from collections.abc import Collection

from django.urls import reverse

from jobs.models import Job
from studio.audit.pages.links import register_object


def register() -> None:
    """Tell the audit where jobs are looked at."""
    register_object("job", _jobs)


def _jobs(ids: Collection[str]) -> dict[str, str]:
    rows = Job.objects.filter(pk__in=ids).values_list("pk", "workspace__name", "name")
    return {str(pk): reverse("jobs:detail", args=[workspace, name]) for pk, workspace, name in rows}
