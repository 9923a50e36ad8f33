"""Where the audit's entries about endpoints and deployments lead."""

from collections.abc import Collection

from django.urls import reverse

from endpoints.models import Deployment, Endpoint
from studio.audit.pages.links import register_object


def register() -> None:
    """Tell the audit where endpoints and deployments are looked at."""
    register_object("endpoint", _endpoints)
    register_object("deployment", _deployments)


def _endpoints(ids: Collection[str]) -> dict[str, str]:
    rows = Endpoint.objects.filter(pk__in=ids).values_list("pk", "workspace__name", "name")
    return {str(pk): reverse("endpoints:detail", args=[workspace, name]) for pk, workspace, name in rows}


def _deployments(ids: Collection[str]) -> dict[str, str]:
    rows = Deployment.objects.filter(pk__in=ids).values_list("pk", "endpoint__workspace__name", "endpoint__name")
    return {str(pk): reverse("endpoints:detail", args=[workspace, name]) for pk, workspace, name in rows}
