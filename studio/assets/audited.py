"""Where the audit's entries about models, their versions and image rules lead."""

from collections.abc import Collection

from django.urls import reverse

from studio.assets.models import ImageRule, Model, ModelVersion
from studio.audit.pages.links import register_object


def register() -> None:
    """Tell the audit where models and image rules are looked at."""
    register_object("model", _models)
    register_object("modelversion", _versions)
    register_object("imagerule", _rules)


def _models(ids: Collection[str]) -> dict[str, str]:
    rows = Model.objects.filter(pk__in=ids).values_list("pk", "workspace__name", "name")
    return {str(pk): reverse("assets:model", args=[workspace, name]) for pk, workspace, name in rows}


def _versions(ids: Collection[str]) -> dict[str, str]:
    rows = ModelVersion.objects.filter(pk__in=ids).values_list("pk", "model__workspace__name", "model__name", "version")
    return {str(pk): reverse("assets:model-version", args=names) for pk, *names in rows}


def _rules(ids: Collection[str]) -> dict[str, str]:
    url = reverse("assets:image-rules")
    return {str(pk): url for pk in ImageRule.objects.filter(pk__in=ids).values_list("pk", flat=True)}
