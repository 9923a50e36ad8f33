"""API operations on models and their versions."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from ninja import Query, Router

from studio.accounts.access import workspace_for
from studio.api.bodies import RequestBody
from studio.api.paging import After, Limit, page_of
from studio.assets.registry import selectors, services
from studio.assets.registry.given import Given
from studio.assets.registry.lists import MODELS, VERSIONS
from studio.assets.registry.models import Model, ModelVersion
from studio.assets.registry.tables import origin_of, uses_of
from studio.assets.services import store
from studio.assets.trees import load_tree, zip_stream
from studio.core.bytes import download
from studio.core.errors import ProblemError
from studio.tables.operations import list_query, listed_rows

router = Router(tags=["models"])
ModelsQuery: Any = list_query(MODELS)
VersionsQuery: Any = list_query(VERSIONS)
_MODEL = "/workspaces/{workspace}/models/{name}"
_VERSION = _MODEL + "/versions/{version}"


class ModelIn(RequestBody):
    """A version to register: `yaml` or the fields; its files are at a `path`, or a `tree` that was sent."""

    yaml: str = ""
    set: list[str] = []
    name: str = ""
    version: str = ""
    type: str = ""
    path: str = ""
    tree: str = ""
    base_name: str = ""
    is_file: bool = False
    description: str = ""
    tags: dict[str, str] = {}
    properties: dict[str, Any] = {}
    flavors: dict[str, Any] = {}
    stage: str = ""


class ChangeIn(RequestBody):
    """What can change of a model or a version; what is not given stays."""

    description: str | None = None
    tags: dict[str, str] | None = None


@router.get("/workspaces/{workspace}/models")
def list_models(request: HttpRequest, workspace: str, given: Query[ModelsQuery], archived: bool = False) -> dict[str, Any]:
    """List models, newest first; with `archived` the archived ones instead."""
    space = workspace_for(request.user, workspace)
    if archived:
        given.show = "archived"  # type: ignore[attr-defined]
    rows = selectors.with_latest(selectors.models_of(space))
    return listed_rows(request, MODELS, rows, given, show=lambda model: shown_model(request, model), workspace=space)


@router.post("/workspaces/{workspace}/models", response={200: dict[str, Any], 201: dict[str, Any]})
def register_model(request: HttpRequest, workspace: str, given: ModelIn) -> tuple[int, dict[str, Any]]:
    """Register a version of a model: 201 when it is new, 200 when the same one was there."""
    space = workspace_for(request.user, workspace, "contributor")
    if given.yaml:
        files = given.model_dump(include={"tree", "base_name", "is_file"})
        version, made = services.register_yaml(request.user, space, text=given.yaml, overrides=given.set, **files)
    else:
        fields = Given(**given.model_dump(exclude={"yaml", "set"}))
        version, made = services.register_version(request.user, space, given=fields)
    return 201 if made else 200, shown(request, version)


@router.get(_MODEL)
def get_model(request: HttpRequest, workspace: str, name: str) -> dict[str, Any]:
    """Return one model with its latest version."""
    return shown_model(request, _model(request, workspace, name))


@router.patch(_MODEL)
def change_model(request: HttpRequest, workspace: str, name: str, given: ChangeIn) -> dict[str, Any]:
    """Change a model's description or tags."""
    model = _model(request, workspace, name, "contributor")
    return shown_model(request, services.edit_model(request.user, model, description=given.description, tags=given.tags))


@router.delete(_MODEL, response={204: None})
def delete_model(request: HttpRequest, workspace: str, name: str) -> tuple[int, None]:
    """Delete a model with all its versions, unless one is in use."""
    services.delete_model(request.user, _model(request, workspace, name, "contributor"))
    return 204, None


@router.post(_MODEL + "/archive")
def archive_model(request: HttpRequest, workspace: str, name: str) -> dict[str, Any]:
    """Archive a model: nothing new may name it."""
    model = _model(request, workspace, name, "contributor")
    services.archive(request.user, model)
    return shown_model(request, model)


@router.post(_MODEL + "/restore")
def restore_model(request: HttpRequest, workspace: str, name: str) -> dict[str, Any]:
    """Bring an archived model back."""
    model = _model(request, workspace, name, "contributor")
    services.restore(request.user, model)
    return shown_model(request, model)


@router.get(_MODEL + "/versions")
def list_versions(
    request: HttpRequest, workspace: str, name: str, given: Query[VersionsQuery], archived: bool = False
) -> dict[str, Any]:
    """List the versions of a model, newest first; with `archived` the archived ones instead."""
    model = _model(request, workspace, name)
    if archived:
        given.show = "archived"  # type: ignore[attr-defined]
    rows = selectors.versions_of(model.workspace).filter(model=model)
    return listed_rows(request, VERSIONS, rows, given, show=lambda version: shown(request, version), workspace=model.workspace)


@router.get(_VERSION)
def get_version(request: HttpRequest, workspace: str, name: str, version: str) -> dict[str, Any]:
    """Return one version; `@latest` is the newest that is not archived."""
    row = _version(request, workspace, name, version)
    origin = origin_of(row)
    return shown(request, row) | {
        "job_status": origin.status if origin else "",
        "used_by": [{"kind": use.kind, "name": use.title, "status": use.status, "holds": use.holds} for use in uses_of(row)],
    }


@router.patch(_VERSION)
def change_version(request: HttpRequest, workspace: str, name: str, version: str, given: ChangeIn) -> dict[str, Any]:
    """Change a version's description or tags."""
    row = _version(request, workspace, name, version, "contributor")
    return shown(request, services.edit_version(request.user, row, description=given.description, tags=given.tags))


@router.delete(_VERSION, response={204: None})
def delete_version(request: HttpRequest, workspace: str, name: str, version: str) -> tuple[int, None]:
    """Delete a version, unless it is in use; its number is not given again."""
    services.delete_version(request.user, _version(request, workspace, name, version, "contributor"))
    return 204, None


@router.post(_VERSION + "/archive")
def archive_version(request: HttpRequest, workspace: str, name: str, version: str) -> dict[str, Any]:
    """Archive a version: nothing new may name it."""
    row = _version(request, workspace, name, version, "contributor")
    services.archive(request.user, row)
    return shown(request, row)


@router.post(_VERSION + "/restore")
def restore_version(request: HttpRequest, workspace: str, name: str, version: str) -> dict[str, Any]:
    """Bring an archived version back."""
    row = _version(request, workspace, name, version, "contributor")
    services.restore(request.user, row)
    return shown(request, row)


@router.get(_VERSION + "/files")
def list_files(
    request: HttpRequest, workspace: str, name: str, version: str, limit: Limit = 50, after: After = None
) -> dict[str, Any]:
    """List the files of a version."""
    tree = load_tree(_version(request, workspace, name, version).digest, store())
    return page_of(
        tree.files, limit=limit, after=after, key=lambda file: file.path,
        show=lambda file: {"path": file.path, "size": file.size, "sha256": file.digest.removeprefix("sha256:")},
    )  # fmt: skip


@router.get(_VERSION + "/files.zip")
def get_zip(request: HttpRequest, workspace: str, name: str, version: str) -> HttpResponseBase:
    """Return all files of a version as one zip."""
    return zip_of(_version(request, workspace, name, version))


@router.get(_VERSION + "/files/{path:path}")
def get_file(request: HttpRequest, workspace: str, name: str, version: str, path: str) -> HttpResponseBase:
    """Return one file of a version."""
    file = load_tree(_version(request, workspace, name, version).digest, store()).file(path)
    if file is None:
        raise ProblemError("not-found")
    return download(store().stream(file.digest), name=file.name, size=file.size)


def zip_of(version: ModelVersion) -> HttpResponseBase:
    """Send all files of a version as one zip, in the folder that deployments find them in."""
    tree = load_tree(version.digest, store())
    name = f"{version.model.name}-{version.version}.zip"
    return download(zip_stream(tree, store(), root=version.folder), name=name, kind="application/zip")


def shown_model(request: HttpRequest, model: Model) -> dict[str, Any]:
    """Return a model as the API shows it."""
    listed = hasattr(model, "held")
    row: Any = model if listed else selectors.with_latest(selectors.models_of(model.workspace)).get(pk=model.pk)
    return {
        "name": model.name,
        "type": model.type,
        "description": model.description,
        "tags": model.tags,
        "archived": model.archived,
        "latest_version": row.latest_version,
        "versions": row.held,
        "job": row.latest_job or "",
        "created_by": model.created_by.username if model.created_by else "",
        "created_at": model.created_at,
        "url": request.build_absolute_uri(reverse("assets:model", args=[model.workspace.name, model.name])),
    }


def shown(request: HttpRequest, version: ModelVersion) -> dict[str, Any]:
    """Return a version as the API shows it."""
    model = version.model
    return {
        "name": model.name,
        "version": version.version,
        "reference": version.reference,
        "type": model.type,
        "stage": version.stage,
        "description": version.description,
        "tags": version.tags,
        "properties": version.properties,
        "flavors": version.flavors,
        "signature": version.signature,
        "digest": version.digest,
        "base_name": version.base_name,
        "is_file": version.is_file,
        "size": version.size,
        "count": version.count,
        "job": version.job_name,
        "job_output": version.job_output,
        "job_path": version.job_path,
        "archived": version.archived or model.archived,
        "created_by": version.created_by.username if version.created_by else "",
        "created_at": version.created_at,
        "url": request.build_absolute_uri(reverse("assets:model-version", args=[model.workspace.name, model.name, version.version])),
    }


def _model(request: HttpRequest, workspace: str, name: str, role: str = "reader") -> Model:
    space = workspace_for(request.user, workspace, role)
    model = selectors.models_of(space).filter(name=name).first()
    if model is None:
        raise ProblemError("not-found")
    return model


def _version(request: HttpRequest, workspace: str, name: str, version: str, role: str = "reader") -> ModelVersion:
    model = _model(request, workspace, name, role)
    rows = selectors.versions_of(model.workspace).filter(model=model)
    found = selectors.latest_of(model) if version == "@latest" else rows.filter(version=version).first()
    if found is None:
        raise ProblemError("not-found")
    return found
