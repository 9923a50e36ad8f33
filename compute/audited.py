"""Where the audit's entries about clusters and computes lead."""

from collections.abc import Collection

from django.urls import reverse

from compute.models import Cluster, Compute
from studio.audit.pages.links import register_object


def register() -> None:
    """Tell the audit where clusters and computes are looked at."""
    register_object("cluster", _clusters)
    register_object("compute", _computes)


def _clusters(ids: Collection[str]) -> dict[str, str]:
    rows = Cluster.objects.filter(pk__in=ids).values_list("pk", "name")
    return {str(pk): reverse("compute:cluster", args=[name]) for pk, name in rows}


def _computes(ids: Collection[str]) -> dict[str, str]:
    rows = Compute.objects.filter(pk__in=ids).values_list("pk", "workspace__name")
    return {str(pk): reverse("compute:browse", args=[workspace]) for pk, workspace in rows}
