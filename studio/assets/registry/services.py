"""What people do with models: register, describe, archive, delete. Pages, API and command line all come through here."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, ProtectedError, RestrictedError

from studio.accounts.models import Workspace
from studio.assets.paths import PathRefused, clean_path
from studio.assets.registry import problems  # noqa: F401 - its problems are raised from here
from studio.assets.registry.given import Given, number_of, tag_problems
from studio.assets.registry.mlmodel import NAME as MLMODEL
from studio.assets.registry.mlmodel import Described, described
from studio.assets.registry.models import Model, ModelVersion, Type
from studio.assets.registry.tables import READERS, Found, found_at, uses_of
from studio.assets.services import keep_tree, store, tree_for
from studio.audit.services import record
from studio.core.errors import ProblemError, ProblemList
from studio.core.words import check_words
from studio.live.bus import publish


def register_version(actor: Any, workspace: Workspace, *, given: Given) -> tuple[ModelVersion, bool]:
    """Register a version of a model; return it, and whether it is new.

    No byte is copied: its tree names content that the workspace has. The same name, version and files again give the
    version that is there; other files under its name are refused. Raises ProblemList with all that is wrong.
    """
    wrong = given.problems()
    if wrong:
        raise ProblemList(wrong)
    found = _files(workspace, given)
    said = described(found.tree, store())
    kind = _type(given, found, said)
    snapshot = keep_tree(workspace, found.tree)
    row = ModelVersion(
        snapshot=snapshot,
        base_name=found.base_name,
        is_file=found.is_file,
        flavors=given.flavors or (said.flavors if said else {}),
        signature=said.signature if said else {},
        stage=given.stage,
        description=given.description,
        tags=given.tags,
        properties=given.properties,
        job_name=found.job_name,
        job_output=found.job_output,
        job_path=found.job_path,
        created_by=actor if getattr(actor, "pk", None) else None,
    )
    try:
        return _keep(actor, workspace, given, kind, row)
    except IntegrityError:
        # Another request made the model or the version at this moment: now it is there to compare with.
        return _keep(actor, workspace, given, kind, row)


def register_yaml(
    actor: Any,
    workspace: Workspace,
    *,
    text: str,
    overrides: Sequence[str] = (),
    tree: str = "",
    base_name: str = "",
    is_file: bool = False,
) -> tuple[ModelVersion, bool]:
    """Register the model of a YAML, whose local files were sent as `tree`; every problem stands at its line."""
    read = READERS["yaml"](text, overrides)
    sent: dict[str, Any] = {} if read.given.path else {"tree": tree, "base_name": base_name or read.given.base_name, "is_file": is_file}
    try:
        return register_version(actor, workspace, given=replace(read.given, **sent))
    except (ProblemError, ProblemList) as error:
        for one in error.errors if isinstance(error, ProblemList) else [error]:
            # Of files the YAML says where they lie.
            one.field = "path" if one.field in ("tree", "base_name") else one.field
            if one.field and one.line is None:
                one.line, one.column = read.place(one.field)
        raise


def edit_version(actor: Any, version: ModelVersion, *, description: str | None = None, tags: dict[str, str] | None = None) -> ModelVersion:
    """Change the description and the tags of a version; its files never change."""
    _edit(actor, version, description, tags, version.model.workspace)
    return version


def edit_model(actor: Any, model: Model, *, description: str | None = None, tags: dict[str, str] | None = None) -> Model:
    """Change the description and the tags of a model."""
    _edit(actor, model, description, tags, model.workspace)
    return model


def archive(actor: Any, row: Model | ModelVersion) -> None:
    """Put a model or a version aside: nothing new may name it, what uses it goes on."""
    _set_archived(actor, row, archived=True)


def restore(actor: Any, row: Model | ModelVersion) -> None:
    """Bring an archived model or version back."""
    _set_archived(actor, row, archived=False)


def delete_version(actor: Any, version: ModelVersion) -> None:
    """Remove a version that nothing uses; its number is not given again."""
    _refuse_used(version.name, [version])
    try:
        with transaction.atomic():
            record(actor, "deleted", version, workspace=version.model.workspace.name)
            version.delete()
            announce(version.model)
    except (ProtectedError, RestrictedError) as error:
        raise ProblemError("model-in-use", name=version.name, users="something made at this moment") from error


def delete_model(actor: Any, model: Model) -> None:
    """Remove a model with all its versions, of which nothing may be in use."""
    _refuse_used(model.name, list(model.versions.select_related("model__workspace", "snapshot")))
    try:
        with transaction.atomic():
            record(actor, "deleted", model, workspace=model.workspace.name)
            model.delete()
            announce(model)
    except (ProtectedError, RestrictedError) as error:
        raise ProblemError("model-in-use", name=model.name, users="something made at this moment") from error


def announce(model: Model) -> None:
    """Tell the pages that show the workspace's models."""
    publish(f"models:{model.workspace.name}", "changed", {"name": model.name})


def _files(workspace: Workspace, given: Given) -> Found:
    if given.path:
        found = found_at(workspace, given.path)
        if found is None:
            text = f"{given.path[:200]} leads nowhere that can be registered from here."
            raise ProblemError("model-path-not-usable", field="path", text=text)
    elif given.tree:
        tree = tree_for(workspace, given.tree)
        if tree is None:
            raise ProblemError("model-files-unknown", field="tree", digest=given.tree[:80])
        single = given.is_file and len(tree.files) == 1
        found = Found(tree, tree.files[0].name if single else _base_name(given.base_name), is_file=single)
    else:
        raise ProblemError("model-files-missing", field="path")
    if not found.tree.files:
        raise ProblemError("model-empty", field="path", text="The folder holds no files.")
    return found


def _base_name(path: str) -> str:
    """Return the folder's name below AZUREML_MODEL_DIR: the last part of its path, or `model` when that says none."""
    names = [name for name in path.split("/") if name not in ("", ".")]
    if not names or names[-1] == "..":
        return "model"
    try:
        return clean_path(names[-1])
    except PathRefused as error:
        raise ProblemError("model-path-not-usable", field="base_name", text=error.text) from error


def _type(given: Given, found: Found, said: Described | None) -> str:
    """Return the type that was given, else what the files are; empty when they do not say."""
    if given.type == Type.MLFLOW and said is None:
        there = "one that cannot be read" if found.tree.file(MLMODEL) else "none"
        raise ProblemError("model-mlmodel-missing", field="type", text=there)
    return given.type or (Type.MLFLOW.value if said else "")


def _keep(actor: Any, workspace: Workspace, given: Given, kind: str, row: ModelVersion) -> tuple[ModelVersion, bool]:
    with transaction.atomic():
        values = {"type": kind or Type.CUSTOM, "created_by": row.created_by, "description": given.description, "tags": given.tags}
        model, made = Model.objects.get_or_create(workspace=workspace, name=given.name, defaults=values)
        model.workspace = workspace
        there = model.versions.select_related("snapshot", "created_by").filter(version=given.version).first() if given.version else None
        if there:
            there.model = model
            return _same(there, row, given), False
        if model.archived:
            raise ProblemError("model-archived", field="name", name=model.name)
        if given.type and given.type != model.type:
            raise ProblemError("model-type-differs", field="type", name=model.name, held=model.type, given=given.type)
        if made:
            record(actor, "created", model, workspace=workspace.name)
        row.pk, row.model, row.version = None, model, _version(model, given.version)
        row.save(force_insert=True)
        diff = {"job": ["", row.job_name]} if row.job_name else {}
        record(actor, "registered", row, workspace=workspace.name, diff=diff)
        announce(model)
    return row, True


def _version(model: Model, asked: str) -> str:
    """Return the version asked for, else the next number that was never given."""
    number = number_of(asked) if asked else None
    if asked:
        if number is not None:
            Model.objects.filter(pk=model.pk, last_number__lt=number).update(last_number=number)
        return asked
    # In the database, so that two requests at once get two numbers.
    Model.objects.filter(pk=model.pk).update(last_number=F("last_number") + 1)
    model.refresh_from_db(fields=["last_number"])
    return str(model.last_number)


def _same(there: ModelVersion, row: ModelVersion, given: Given) -> ModelVersion:
    same_files = (there.snapshot_id, there.base_name, there.is_file) == (row.snapshot_id, row.base_name, row.is_file)
    if not same_files or (given.type and given.type != there.model.type):
        raise ProblemError("model-version-taken", field="version", name=there.name)
    return there


def _edit(actor: Any, row: Any, description: str | None, tags: dict[str, str] | None, workspace: Workspace) -> None:
    diff: dict[str, Any] = {}
    if description is not None and description != row.description:
        if len(description) > 100_000:
            raise ProblemError("field-invalid", field="description", text="The description is longer than 100,000 characters.")
        check_words(description=description)
        diff["description"] = [row.description[:500], description[:500]]
        row.description = description
    if tags is not None and tags != row.tags:
        wrong = tag_problems(tags)
        if wrong:
            raise ProblemList(wrong)
        diff["tags"] = [row.tags, tags]
        row.tags = tags
    if not diff:
        return
    with transaction.atomic():
        row.save(update_fields=[*diff])
        record(actor, "changed", row, workspace=workspace.name, diff=diff)
        announce(row if isinstance(row, Model) else row.model)


def _set_archived(actor: Any, row: Model | ModelVersion, *, archived: bool) -> None:
    model = row if isinstance(row, Model) else row.model
    with transaction.atomic():
        # Whoever comes second changes nothing and writes no second entry.
        if type(row)._default_manager.filter(pk=row.pk, archived=not archived).update(archived=archived):
            row.archived = archived
            record(actor, "archived" if archived else "restored", row, workspace=model.workspace.name)
            announce(model)


def _refuse_used(name: str, versions: list[ModelVersion]) -> None:
    users = [f"{use.kind.lower()} {use.title}" for version in versions for use in uses_of(version) if use.holds]
    if users:
        more = f" and {len(users) - 5} others" if len(users) > 5 else ""
        raise ProblemError("model-in-use", name=name, users=", ".join(users[:5]) + more)
