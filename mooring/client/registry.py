"""Models: registered from a folder, a job's output or a YAML file, and their files brought here."""

from __future__ import annotations

import builtins
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mooring.client import download
from mooring.client.content import Content, Progress
from mooring.client.models import Model, ModelVersion, OutputFile
from mooring.client.transport import Transport, segment
from mooring.client.workspaces import Scope, listed
from mooring.jobfile import local_path
from mooring.modelfile import read_model_file

LATEST = "@latest"


class Models:
    """The models of a workspace."""

    def __init__(self, transport: Transport, scope: Scope, content: Content) -> None:
        self._transport = transport
        self._scope = scope
        self._content = content

    def register(
        self,
        name: str,
        path: str | Path,
        *,
        version: str = "",
        type: str = "",
        description: str = "",
        tags: Mapping[str, str] | None = None,
        stage: str = "",
        workspace: str | None = None,
        progress: Progress | None = None,
    ) -> ModelVersion:
        """Register a version: `path` is a folder or file here, `azureml://jobs/<job>/outputs/…` or `runs:/<job>/<path>`.

        Without a version the next number is given; with one, the same files again give the version that is there.
        """
        place = path if isinstance(path, Path) else local_path(path, Path())
        files = self._sent(place, workspace, progress) if place is not None else {"path": str(path)}
        words = {"version": version, "type": type, "description": description, "tags": dict(tags or {}), "stage": stage}
        return self._register({"name": name, **words, **files}, workspace)

    def register_file(
        self,
        file: str | Path,
        *,
        path: str | None = None,
        overrides: Sequence[str] = (),
        workspace: str | None = None,
        progress: Progress | None = None,
    ) -> ModelVersion:
        """Register the model of a YAML file, with the files that it names on this machine, relative to it.

        A `path` stands in for the YAML's own; it is relative to the current folder.
        """
        over = [*overrides]
        place = local_path(path, Path()) if path else None
        if path:
            over.append(f"path={json.dumps(path if place is None else f'./{place.name}')}")
        model = read_model_file(Path(file), over)
        place = place or model.place
        files = self._sent(place, workspace, progress) if place is not None else {}
        return self._register({"yaml": model.text, "set": over, **files}, workspace)

    def list(
        self,
        *,
        q: str | None = None,
        type: str | None = None,
        archived: bool = False,
        view: str | None = None,
        sort: str | None = None,
        most: int | None = None,
        workspace: str | None = None,
    ) -> list[Model]:
        """Return models, newest first: those that contain `q`, of a type, `most` at most; or the archived ones.

        `view` names a saved view; what is given beside it stands in the view's stead. `sort` is a column as `-name`.
        """
        query = {"q": q, "type": type, "archived": "true" if archived else None, "view": view, "sort": sort}
        return [Model.of(one) for one in listed(self._transport, self._scope.path(workspace, "models"), query, most=most)]

    def versions(
        self,
        name: str,
        *,
        archived: bool = False,
        stage: str | Sequence[str] | None = None,
        job: str | Sequence[str] | None = None,
        since: str | None = None,
        q: str | None = None,
        view: str | None = None,
        sort: str | None = None,
        most: int | None = None,
        workspace: str | None = None,
    ) -> builtins.list[ModelVersion]:
        """Return the versions of a model, newest first: of a stage, from a `job`, `since` a day, that contain `q`; or the archived ones.

        `view` names a saved view; what is given beside it stands in the view's stead. `sort` is a column as `-size`.
        """
        path = self._path(workspace, name, rest="versions")
        query = {"archived": "true" if archived else None, "stage": stage, "job": job, "since": since, "q": q,
                 "view": view, "sort": sort}  # fmt: skip
        return [ModelVersion.of(one) for one in listed(self._transport, path, query, most=most)]

    def get(self, name: str, version: str = LATEST, *, workspace: str | None = None) -> ModelVersion:
        """Return one version; without one, the newest that is not archived."""
        return ModelVersion.of(self._transport.json("GET", self._path(workspace, name, version)))

    def update(
        self,
        name: str,
        version: str | None = None,
        *,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        workspace: str | None = None,
    ) -> Model | ModelVersion:
        """Change the description or the tags of a model or of one version; what is not given stays."""
        body = {"description": description, "tags": None if tags is None else dict(tags)}
        answer = self._transport.json("PATCH", self._path(workspace, name, version), json=body)
        return ModelVersion.of(answer) if version else Model.of(answer)

    def archive(self, name: str, version: str | None = None, *, workspace: str | None = None) -> None:
        """Put a model, or one version of it, aside: nothing new may name it."""
        self._transport.json("POST", self._path(workspace, name, version, "archive"))

    def restore(self, name: str, version: str | None = None, *, workspace: str | None = None) -> None:
        """Bring an archived model, or version, back."""
        self._transport.json("POST", self._path(workspace, name, version, "restore"))

    def delete(self, name: str, version: str | None = None, *, workspace: str | None = None) -> None:
        """Delete a model with all versions, or one version; refused while something uses it."""
        self._transport.send("DELETE", self._path(workspace, name, version))

    def files(self, name: str, version: str, *, workspace: str | None = None) -> builtins.list[OutputFile]:
        """Return the files of a version: path, size in bytes and SHA-256."""
        below = self._path(workspace, name, version, "files")
        return [OutputFile.of({"root": "", **one}) for one in listed(self._transport, below)]

    def download(
        self, name: str, version: str, folder: str | Path, *, progress: Progress | None = None, workspace: str | None = None
    ) -> builtins.list[Path]:
        """Bring the files of a version into `<folder>/<name>/<its folder>`; return where they lie.

        Each file is checked against its digest; one that is already there with the right content is not fetched again.
        """
        model = self.get(name, version, workspace=workspace)
        below = self._path(workspace, name, model.version, "files")
        files = self.files(name, model.version, workspace=workspace)
        top = Path(folder) / model.name / ("" if model.is_file else model.base_name)
        paths = ["/".join([below, *map(segment, file.path.split("/"))]) for file in files]
        places = [download.place_below(Path(folder), top, file.path) for file in files]
        return download.fetch_to(self._transport, paths, files, places, progress)

    def _sent(self, place: Path, workspace: str | None, progress: Progress | None) -> dict[str, Any]:
        tree = self._content.upload_input(place, workspace=workspace, progress=progress)
        name = place.name if place.name not in ("", "..") else place.resolve().name
        return {"tree": tree, "base_name": name, "is_file": place.is_file()}

    def _register(self, body: Mapping[str, Any], workspace: str | None) -> ModelVersion:
        return ModelVersion.of(self._transport.json("POST", self._scope.path(workspace, "models"), json=body))

    def _path(self, workspace: str | None, name: str, version: str | None = None, rest: str = "") -> str:
        parts = ["models", segment(name), *(["versions", segment(version)] if version else []), *([rest] if rest else [])]
        return self._scope.path(workspace, "/".join(parts))
