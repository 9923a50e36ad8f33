"""What there is of models, and which version a reference means."""

import difflib
import re
from collections.abc import Iterable

from django.db.models import Count, Max, OuterRef, Q, QuerySet, Subquery

from studio.accounts.models import Workspace
from studio.assets.registry import problems  # noqa: F401 - its problems are raised from here
from studio.assets.registry.models import Model, ModelVersion
from studio.core.errors import ProblemError

_NAME = r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,254}"
_SHORT = re.compile(rf"(?:azureml:)?(?P<name>{_NAME})(?::(?P<version>{_NAME})|@(?P<label>{_NAME}))?")
_LONG = re.compile(
    r"(?:azureml:)?/subscriptions/[^/]+/resource[gG]roups/[^/]+/providers/Microsoft\.MachineLearningServices"
    rf"/workspaces/[^/]+/models/(?P<name>{_NAME})(?:/(?:versions/(?P<version>{_NAME})|labels/(?P<label>{_NAME})))?"
)
# Names that are looked through for one that was meant.
_NEARBY = 2_000


def models_of(workspace: Workspace) -> QuerySet[Model]:
    """Return the models of a workspace, archived ones included."""
    return Model.objects.filter(workspace=workspace).select_related("workspace", "created_by")


def with_latest(rows: QuerySet[Model]) -> QuerySet[Model]:
    """Add to each model `latest_version` and `latest_job` of its newest usable version, and how many there are (`held`)."""
    newest = ModelVersion.objects.filter(model=OuterRef("pk"), archived=False).order_by("-id")
    return rows.annotate(
        latest_version=Subquery(newest.values("version")[:1]),
        latest_job=Subquery(newest.values("job_name")[:1]),
        held=Count("versions", filter=Q(versions__archived=False)),
    )


def latest_of_each(models: Iterable[Model]) -> dict[int, ModelVersion]:
    """Return the newest version that is not archived of each model, by the model's id, in one query."""
    ids = [model.pk for model in models]
    usable = ModelVersion.objects.filter(model__in=ids, archived=False)
    newest = usable.order_by().values("model").annotate(newest=Max("id")).values("newest")
    rows = ModelVersion.objects.filter(pk__in=newest).select_related("model__workspace", "snapshot", "created_by")
    return {row.model_id: row for row in rows}


def counts_of_each(models: Iterable[Model]) -> dict[int, int]:
    """Return how many versions each model has, archived ones left out."""
    rows = ModelVersion.objects.filter(model__in=[model.pk for model in models], archived=False).order_by()
    return dict(rows.values_list("model").annotate(held=Count("id")))


def versions_of(workspace: Workspace) -> QuerySet[ModelVersion]:
    """Return all versions of all models of a workspace."""
    rows = ModelVersion.objects.filter(model__workspace=workspace)
    return rows.select_related("model__workspace", "snapshot", "created_by")


def latest_of(model: Model) -> ModelVersion | None:
    """Return the newest version that is not archived."""
    return versions_of(model.workspace).filter(model=model, archived=False).order_by("-id").first()


def model_version(workspace: Workspace, reference: str) -> ModelVersion:
    """Return the version that `azureml:name:version`, `azureml:name@latest` (or the same without `azureml:`) means.

    Raises `model-reference-invalid`, `model-unknown`, `model-version-unknown` or `model-archived`.
    """
    text = reference.strip()
    found = _LONG.fullmatch(text) or _SHORT.fullmatch(text)
    if not found or not (found["version"] or found["label"]):
        raise ProblemError("model-reference-invalid", text=text[:120] or "Nothing")
    model = named_model(workspace, found["name"])
    if found["version"]:
        return _usable(named_version(model, found["version"]))
    if found["label"] != "latest":
        raise ProblemError("model-version-unknown", name=model.name, version=f"@{found['label']}", near=" The only label is @latest.")
    if model.archived:
        raise ProblemError("model-archived", name=model.name)
    latest = latest_of(model)
    if latest is None:
        raise ProblemError("model-version-unknown", name=model.name, version="@latest", near=" All its versions are archived.")
    return latest


def named_model(workspace: Workspace, name: str) -> Model:
    """Return a model by name, archived or not; what is near is named when there is none."""
    model = models_of(workspace).filter(name=name).first()
    if model is None:
        names = models_of(workspace).filter(archived=False).values_list("name", flat=True)[:_NEARBY]
        raise ProblemError("model-unknown", name=name, near=_near(name, names))
    return model


def named_version(model: Model, version: str) -> ModelVersion:
    """Return one version of a model, archived or not."""
    found = versions_of(model.workspace).filter(model=model, version=version).first()
    if found is None:
        known = model.versions.filter(archived=False).values_list("version", flat=True)[:_NEARBY]
        raise ProblemError("model-version-unknown", name=model.name, version=version, near=_known(list(known)))
    return found


def _usable(version: ModelVersion) -> ModelVersion:
    if version.archived or version.model.archived:
        raise ProblemError("model-archived", name=version.name if version.archived else version.model.name)
    return version


def _near(name: str, names: Iterable[str]) -> str:
    by_folded = {each.casefold(): each for each in names}
    close = difflib.get_close_matches(name.casefold(), by_folded, n=3, cutoff=0.5)
    return f" Did you mean {' or '.join(by_folded[each] for each in close)}?" if close else ""


def _known(versions: list[str]) -> str:
    if not versions:
        return " It has no version that can be used."
    return f" It has {', '.join(versions[:5])}{' and others' if len(versions) > 5 else ''}."
