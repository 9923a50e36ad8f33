"""A workspace's folder of files, and versions registered from it."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest

from studio.assets.models import Snapshot
from studio.assets.registry.given import Given
from studio.assets.registry.models import ModelVersion
from studio.assets.registry.services import register_version
from studio.assets.services import tree_of_uploads
from tests.conftest import People

MLMODEL = b"""\
artifact_path: model
flavors:
  python_function: {loader_module: mlflow.sklearn, python_version: 3.11.2}
  sklearn: {sklearn_version: 1.5.0, pickled_model: model.pkl}
signature:
  inputs: '[{"type": "double", "name": "petal length"}]'
  outputs: '[{"type": "string"}]'
utc_time_created: 2024-01-15 12:00:00
"""


@pytest.fixture
def folder(people: People) -> Callable[..., Snapshot]:
    """Return a function that keeps files as a tree of the workspace."""

    def keep(**files: bytes) -> Snapshot:
        given = files or {"model.pkl": b"weights"}
        return tree_of_uploads(people.workspace, [(path, io.BytesIO(content)) for path, content in given.items()])

    return keep


@pytest.fixture
def register(people: People, folder: Callable[..., Snapshot]) -> Callable[..., ModelVersion]:
    """Return a function that registers a version of files that are kept for it."""

    def make(name: str = "flowers", files: dict[str, bytes] | None = None, **values: Any) -> ModelVersion:
        if "path" not in values and "tree" not in values:
            values = {"tree": folder(**(files or {})).digest, "base_name": "model", **values}
        return register_version(people.contributor, people.workspace, given=Given(name=name, **values))[0]

    return make
