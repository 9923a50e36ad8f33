"""The list of a workspace's jobs."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from compute.selectors import computes_of
from jobs import selectors
from jobs.models import Job
from jobs.tables import JOBS
from jobs.views.parts import may_act, menu_of
from studio.accounts.http import workspace_view
from studio.accounts.models import Workspace
from studio.tables.declared import Line
from studio.tables.page import Listing, list_page


@require_GET
@workspace_view("reader")
def job_list(request: HttpRequest, workspace: Workspace) -> HttpResponseBase:
    """Show the jobs that pass the filters, newest first; htmx gets the table alone."""
    acts = may_act(workspace)

    def context(listing: Listing) -> dict[str, Any]:
        return {
            "may_act": acts,
            "here": "Jobs",
            "new_url": reverse("jobs:new", args=[workspace.name]),
            "command": f"mooring job create -f job.yml -w {workspace.name} --stream",
            "has_compute": computes_of(workspace).exists() if listing.nothing else True,
            "operates": request.user.is_operator or request.user.is_admin,  # type: ignore[union-attr]
            "clusters_url": reverse("compute:cluster-list"),
        }

    return list_page(
        request,
        JOBS,
        "jobs/list.html",
        rows=selectors.jobs_of(workspace),
        lines=partial(_lines, workspace, acts),
        workspace=workspace,
        topics=f"jobs:{workspace.name}",
        actions_url=reverse("jobs:bulk", args=[workspace.name]) if acts else "",
        context=context,
    )


def _lines(workspace: Workspace, acts: bool, jobs: Sequence[Job]) -> list[Line]:
    now = timezone.now()
    seconds = [selectors.seconds_of(job, now) for job in jobs]
    longest = max(seconds, default=0)
    return [
        Line(
            row=job,
            id=f"job-{job.pk}",
            title=job.display_name or job.name,
            href=reverse("jobs:detail", args=[workspace.name, job.name]),
            choose=job.name,
            links=menu_of(workspace, job, acts=acts, row=True),
            extra={
                "seconds": lasted,
                "longest": longest,
                "tags": [{"key": key, "value": value, "query": f"{key}={value}"} for key, value in list(job.tags.items())[:2]],
            },
        )
        for job, lasted in zip(jobs, seconds, strict=True)
    ]
