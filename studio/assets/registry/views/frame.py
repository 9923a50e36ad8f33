"""What every page of one model or version has: the row, its crumbs, its tabs, what may be done with it."""

from typing import Any

from django.urls import reverse

from studio.accounts.models import RANK, Workspace
from studio.assets.registry import selectors
from studio.assets.registry.models import Model, ModelVersion
from studio.assets.registry.tables import actions_of
from studio.core.errors import ProblemError
from studio.core.templatetags.mooring import confirm

TABS = (("Details", "model-version"), ("Files", "model-files"), ("Lineage", "model-lineage"))


def may_act(workspace: Workspace) -> bool:
    """Tell whether the person at the page may register, change and delete here."""
    return RANK[getattr(workspace, "held_role", "reader")] >= RANK["contributor"]


def model_for(workspace: Workspace, name: str) -> Model:
    """Return a workspace's model by name; there is nothing when there is none."""
    model = selectors.models_of(workspace).filter(name=name).first()
    if model is None:
        raise ProblemError("not-found")
    return model


def version_for(workspace: Workspace, name: str, version: str) -> ModelVersion:
    """Return a version of a workspace's model; there is nothing when there is none."""
    row = selectors.versions_of(workspace).filter(model__name=name, version=version).first()
    if row is None:
        raise ProblemError("not-found")
    return row


def crumbs(workspace: Workspace, model: Model | None = None) -> list[tuple[str, str]]:
    """Return the way to a page of a model."""
    way = [("Models", reverse("assets:models", args=[workspace.name]))]
    return [*way, (model.name, reverse("assets:model", args=[workspace.name, model.name]))] if model else way


def version_frame(workspace: Workspace, version: ModelVersion, tab: str) -> dict[str, Any]:
    """Return the context that the template of a version's pages takes."""
    acts = may_act(workspace)
    place = [workspace.name, version.model.name, version.version]
    usable = not (version.archived or version.model.archived)
    return {
        "version": version,
        "model": version.model,
        "usable": usable,
        "may_act": acts,
        "crumbs": crumbs(workspace, version.model),
        "here": f"Version {version.version}",
        "actions": actions_of(version) if acts and usable else [],
        "links": version_menu(workspace, version, acts=acts),
        "tabs": [
            {
                "title": title,
                "url": reverse(f"assets:{view}", args=place),
                "active": view == tab,
                "count": version.count if view == "model-files" else None,
            }
            for title, view in TABS
        ],
    }


def version_menu(workspace: Workspace, version: ModelVersion, *, acts: bool) -> list[dict[str, Any]]:
    """Return the ⋯ menu of a version."""
    place = [workspace.name, version.model.name, version.version]
    links: list[dict[str, Any]] = [{"title": "Download", "icon": "download", "url": reverse("assets:model-zip", args=place)}]
    if not acts:
        return links
    links.append({"title": "Edit description and tags", "icon": "edit", "url": reverse("assets:model-version-edit", args=place)})
    return [*links, *_endings("model-version", place, version.name, archived=version.archived, what="version")]


def model_menu(workspace: Workspace, model: Model, *, acts: bool) -> list[dict[str, Any]]:
    """Return the ⋯ menu of a model."""
    if not acts:
        return []
    place = [workspace.name, model.name]
    edit = {"title": "Edit description and tags", "icon": "edit", "url": reverse("assets:model-edit", args=place)}
    return [edit, *_endings("model", place, model.name, archived=model.archived, what="model")]


def _endings(view: str, place: list[str], name: str, *, archived: bool, what: str) -> list[dict[str, Any]]:
    if archived:
        aside = {"title": "Restore", "icon": "rotate", "post": reverse(f"assets:{view}-restore", args=place)}
    else:
        aside = {"title": "Archive", "icon": "archive", "post": reverse(f"assets:{view}-archive", args=place)}
    goes = [f"{what.capitalize()} {name}", "Its versions and their files" if what == "model" else "Its files"]
    asks = confirm(title=f"Delete {name}", text="This cannot be undone. To put it aside, archive it.", verb=f"Delete {what}", goes=goes)
    delete = {"title": "Delete", "icon": "trash", "post": reverse(f"assets:{view}-delete", args=place), "danger": True, "confirm": asks}
    return [aside, delete]
