"""The YAML of a model to register, as the original writes it."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from jobs.spec import references
from jobs.spec.kinds import Check, Kind
from jobs.spec.shapes import Labels, Shape, Word, no_effect, reference_or_problem

ADVICE = "Write a model: a YAML with `name`, `path` and, if it has one, `type`."


def _lowered(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


class ModelSpec(Shape):
    """A model: a name, where its files lie, and what is known of it."""

    schema_: Word | None = Field(default=None, alias="$schema")
    name: Word
    version: Word | None = None
    path: Word
    type: Annotated[Literal["custom_model", "mlflow_model", "triton_model"], BeforeValidator(_lowered)] | None = None
    description: Word | None = None
    tags: Labels | None = None
    properties: dict[str, Any] | None = None
    flavors: dict[str, Any] | None = None
    stage: Word | None = None
    datastore: Any = no_effect("local files are kept in the studio's own store.")

    @field_validator("path")
    @classmethod
    def _path_points_somewhere(cls, path: str) -> str:
        reference_or_problem(references.read_path, path)
        return path

    @property
    def is_local(self) -> bool:
        """Tell whether the files lie beside the YAML."""
        return references.read_path(self.path).kind == "local"


def _check(model: ModelSpec, check: Check) -> ModelSpec:
    if model.is_local:
        check.local("path", model.path)
    return model


KIND = Kind(
    name="asset.model",
    title="model",
    model=ModelSpec,
    check=_check,
    read_only=("id", "creation_context", "job_name", "latest_version", "intellectual_property", "system_metadata"),
)
