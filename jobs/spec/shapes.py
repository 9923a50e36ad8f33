"""What several kinds of YAML have in common: inputs, outputs, environments, resources, distribution, services."""

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator
from pydantic_core import PydanticCustomError

from jobs.spec import references
from jobs.spec.references import NotAReference, Reference

# Tags of unions stand in pydantic's error paths; this sign keeps them apart from the fields of the YAML.
TAG = "\u2039"
NO_EFFECT = "x-no-effect"
# The cluster waits twice as long before each further attempt: what failed so often will not succeed by itself.
MOST_RETRIES = 20

_INPUT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
_IMAGE = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.\-]*[A-Za-z0-9])?(?::[0-9]{1,5})?/)?[a-z0-9]+(?:[._\-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._\-]+[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.\-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)


class Shape(BaseModel):
    """A set of fields of which none may be unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, protected_namespaces=())


def problem(problem_id: str, text: str, todo: str) -> PydanticCustomError:
    """Return what a validator raises to say its own sentence and next step."""
    return PydanticCustomError("spec", "{text}", {"problem_id": problem_id, "text": text, "todo": todo})


def no_effect(why: str, **more: Any) -> Any:
    """Declare a field of the original that is accepted and means nothing on Kubernetes."""
    return Field(default=None, json_schema_extra={NO_EFFECT: why}, description=f"No effect: {why}", **more)


def as_text(value: Any) -> Any:
    """Take numbers and truth values for text, spelled as the original spells them (`True`, `0.1`)."""
    return str(value) if isinstance(value, int | float) else value


def _lowered(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _no_truth(value: Any) -> Any:
    if isinstance(value, bool):
        raise problem("spec-value-wrong-type", "A number is needed here.", "Write a whole number.")
    return value


def reference_or_problem(read: Callable[[str], Any], text: str) -> Any:
    """Read a reference, turning what is wrong with it into a validator's error."""
    try:
        return read(text)
    except NotAReference as error:
        raise problem(error.problem_id, error.text, error.todo) from None


def _plain(value: Any) -> Any:
    if not isinstance(value, str | int | float | bool | None):
        raise problem(
            "spec-value-wrong-type", "A plain value is needed here, not a list or fields.", "Write a text or a number."
        )
    return value


def _path_or_fields(value: Any) -> Any:
    if not isinstance(value, str | dict | None):
        raise problem("spec-value-wrong-type", "A path or the fields of a conda file are needed here.", "Write a path.")
    return value


Word = Annotated[str, BeforeValidator(as_text)]
Count = Annotated[int, BeforeValidator(_no_truth), Field(ge=1, le=2**31 - 1)]
CountOrZero = Annotated[int, BeforeValidator(_no_truth), Field(ge=0, le=2**31 - 1)]
Port = Annotated[int, BeforeValidator(_no_truth), Field(ge=1, le=65535)]
Labels = dict[str, Annotated[str | None, BeforeValidator(as_text)]]
Literals = Annotated[str | int | float | bool | None, BeforeValidator(_plain)]

DataType = Annotated[
    Literal["uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model"],
    BeforeValidator(_lowered),
]
InputMode = Annotated[
    Literal["ro_mount", "rw_mount", "download", "direct", "eval_mount", "eval_download"], BeforeValidator(_lowered)
]
OutputMode = Annotated[Literal["rw_mount", "mount", "upload", "direct"], BeforeValidator(_lowered)]


class DataInput(Shape):
    """Files given to a job: where they lie and how it sees them."""

    type: DataType = "uri_folder"
    path: Word
    mode: InputMode | None = None
    path_on_compute: Any = no_effect("inputs are always found under the path that `${{inputs.<name>}}` gives.")
    datastore: Any = no_effect("local files are kept in the studio's own store.")

    @field_validator("path")
    @classmethod
    def _path_points_somewhere(cls, path: str) -> str:
        reference_or_problem(references.read_path, path)
        return path

    @model_validator(mode="after")
    def _mode_suits_the_type(self) -> "DataInput":
        if self.mode in ("eval_mount", "eval_download") and self.type != "mltable":
            raise problem(
                "spec-value-not-allowed",
                f"The mode `{self.mode}` is for tables only (`type: mltable`).",
                "Use ro_mount or download.",
            )
        return self

    @property
    def reference(self) -> Reference:
        """Return what the path points to."""
        return references.read_path(self.path)


class LiteralInput(Shape):
    """A plain value in its long form, `{value: 5}`."""

    value: Literals


def _input_tag(value: Any) -> str:
    if isinstance(value, LiteralInput) or (isinstance(value, dict) and "value" in value and "path" not in value):
        return f"{TAG}value"
    return f"{TAG}files" if isinstance(value, dict | DataInput) else f"{TAG}literal"


Input = Annotated[
    Annotated[Literals, Tag(f"{TAG}literal")]
    | Annotated[LiteralInput, Tag(f"{TAG}value")]
    | Annotated[DataInput, Tag(f"{TAG}files")],
    Discriminator(_input_tag),
]


class Output(Shape):
    """A named place for files that a job leaves behind; with a `name` they are registered."""

    type: DataType = "uri_folder"
    path: Word | None = None
    mode: OutputMode | None = None
    name: Word | None = None
    version: Word | None = None
    description: Word | None = None

    @field_validator("path")
    @classmethod
    def _path_is_in_a_datastore(cls, path: str | None) -> str | None:
        if path is not None and "${{" not in path:
            reference: Reference = reference_or_problem(references.read_path, path)
            if reference.kind != "datastore":
                raise problem(
                    "spec-reference-not-usable",
                    "An output can only be put into a datastore.",
                    "Write azureml://datastores/<name>/paths/<path>, or leave `path` out to keep it with the job.",
                )
        return path


def check_names(names: dict[str, Any]) -> dict[str, Any]:
    """Raise for the name of an input or output that no expression could name."""
    for name in names:
        if not _INPUT_NAME.fullmatch(name):
            raise problem(
                "spec-name-not-usable",
                f"`{name[:60]}` cannot be the name of an input or output.",
                "Use letters, digits and underscores, beginning with a letter or an underscore.",
            )
    return names


class Build(Shape):
    """A container image that is built from a folder with a Dockerfile."""

    path: Word
    dockerfile_path: Word = "Dockerfile"


class InlineEnvironment(Shape):
    """An environment described where it is used: an image, an image with packages, or a folder to build from."""

    image: Word | None = None
    conda_file: Annotated[str | dict[str, Any] | None, BeforeValidator(_path_or_fields)] = None
    build: Build | None = None
    os_type: Annotated[Literal["linux", "windows"], BeforeValidator(_lowered)] | None = None
    description: Word | None = None
    tags: Labels | None = None
    properties: dict[str, Any] | None = None
    name: Any = no_effect("an environment described inside a job is not registered.")
    version: Any = no_effect("an environment described inside a job is not registered.")
    inference_config: Any = no_effect("it is for environments of deployments.")
    datastore: Any = no_effect("what is built is kept in the studio's own store.")

    @model_validator(mode="before")
    @classmethod
    def _packages_stand_in_the_conda_file(cls, value: Any) -> Any:
        if isinstance(value, dict) and {"channels", "dependencies"} & set(value):
            raise problem(
                "spec-field-unknown",
                "`channels` and `dependencies` belong to a conda file.",
                "Put them under `conda_file:`, or into a file that `conda_file` names.",
            )
        return value

    @field_validator("image")
    @classmethod
    def _image_can_be_pulled(cls, image: str | None) -> str | None:
        if image is not None and (len(image) > 512 or not _IMAGE.fullmatch(image)):
            raise problem(
                "spec-reference-not-usable",
                f"`{image[:80]}` is not the name of a container image.",
                "Write it as <registry>/<name>:<tag>, for example python:3.12.",
            )
        return image

    @model_validator(mode="after")
    def _one_way_to_an_image(self) -> "InlineEnvironment":
        if self.image and self.build:
            raise problem(
                "spec-value-not-allowed",
                "An environment has either `image` or `build`, not both.",
                "Remove one of them.",
            )
        if not (self.image or self.build):
            raise problem(
                "spec-field-missing", "The environment has neither `image` nor `build`.", "Add `image: <image>`."
            )
        if self.conda_file is not None and not self.image:
            raise problem(
                "spec-field-missing",
                "`conda_file` needs an `image` that the packages are put into.",
                "Add `image: <image>`, or install the packages in the Dockerfile.",
            )
        if self.os_type == "windows":
            raise problem("spec-value-not-allowed", "Windows containers are not run.", "Use a Linux image.")
        return self


def _environment_tag(value: Any) -> str:
    return f"{TAG}inline" if isinstance(value, dict | InlineEnvironment) else f"{TAG}named"


Environment = Annotated[
    Annotated[Word, Tag(f"{TAG}named")] | Annotated[InlineEnvironment, Tag(f"{TAG}inline")],
    Discriminator(_environment_tag),
]


class Resources(Shape):
    """How many pods of which instance type."""

    instance_count: Count = 1
    instance_type: Word | None = None
    shm_size: Annotated[str, BeforeValidator(as_text)] | None = None
    properties: dict[str, Any] | None = no_effect("it sets up machines of the original's own computes.")
    locations: list[Word] | None = no_effect("the compute decides where a job runs.")
    docker_args: Any = no_effect("containers are started by Kubernetes; for shared memory use `shm_size`.")
    max_instance_count: int | None = no_effect("a job runs on exactly `instance_count` pods.")

    @field_validator("shm_size")
    @classmethod
    def _size_has_a_unit(cls, size: str | None) -> str | None:
        if size is not None and not re.fullmatch(r"0*[1-9][0-9]{0,14}[bkmgBKMG]?", size):
            raise problem(
                "spec-value-not-allowed",
                f"`{size[:40]}` is not a size of shared memory.",
                "Write a number and b, k, m or g, for example 2g.",
            )
        return size

    @property
    def shm_bytes(self) -> int | None:
        """Return the size of shared memory asked for, in bytes."""
        if self.shm_size is None:
            return None
        digits = self.shm_size.rstrip("bkmgBKMG")
        unit = self.shm_size[len(digits) :].lower() or "b"
        return int(digits) * int(1024 ** "bkmg".index(unit))


class RetrySettings(Shape):
    """How often a process that failed is begun again; the original has the word for the steps of a pipeline."""

    max_retries: Annotated[int, BeforeValidator(_no_truth), Field(ge=0, le=MOST_RETRIES)] = 0


class Mpi(Shape):
    """Processes started by mpirun."""

    type: Annotated[Literal["mpi"], BeforeValidator(_lowered)]
    process_count_per_instance: Count = 1


class PyTorch(Shape):
    """Processes that find each other by MASTER_ADDR and their ranks."""

    type: Annotated[Literal["pytorch"], BeforeValidator(_lowered)]
    process_count_per_instance: Count = 1


class TensorFlow(Shape):
    """Workers and parameter servers that find each other by TF_CONFIG; by default one worker an instance."""

    type: Annotated[Literal["tensorflow"], BeforeValidator(_lowered)]
    worker_count: Count | None = None
    parameter_server_count: CountOrZero = 0


class Ray(Shape):
    """A Ray cluster for the time of the job."""

    type: Annotated[Literal["ray"], BeforeValidator(_lowered)]
    port: Port | None = None
    address: Word | None = None
    include_dashboard: bool | None = None
    dashboard_port: Port | None = None
    head_node_additional_args: Word | None = None
    worker_node_additional_args: Word | None = None


def _by_type(*names: str) -> Callable[[Any], str | None]:
    def tag(value: Any) -> str | None:
        name = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
        return f"{TAG}{name.lower()}" if isinstance(name, str) and name.lower() in names else None

    return tag


Distribution = Annotated[
    Annotated[Mpi, Tag(f"{TAG}mpi")]
    | Annotated[PyTorch, Tag(f"{TAG}pytorch")]
    | Annotated[TensorFlow, Tag(f"{TAG}tensorflow")]
    | Annotated[Ray, Tag(f"{TAG}ray")],
    Discriminator(
        _by_type("mpi", "pytorch", "tensorflow", "ray"),
        custom_error_type="spec_type",
        custom_error_message="The type must be one of mpi, pytorch, tensorflow, ray.",
    ),
]


class Service(Shape):
    """A program beside the command that its owner can open while the job runs."""

    type: Annotated[Literal["ssh", "tensor_board", "vs_code", "jupyter_lab"], BeforeValidator(_lowered)]
    nodes: Word | None = None
    port: Port | None = None
    log_dir: Word | None = None
    ssh_public_keys: Word | None = None
    properties: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _fields_suit_the_type(self) -> "Service":
        for name, only in (("log_dir", "tensor_board"), ("ssh_public_keys", "ssh")):
            if getattr(self, name) is not None and self.type != only:
                raise problem(
                    "spec-field-unknown", f"`{name}` is only for services of type {only}.", f"Remove `{name}`."
                )
        if self.nodes is not None and not re.fullmatch(r"all|[0-9]+(,[0-9]+)*", self.nodes.replace(" ", "")):
            raise problem(
                "spec-value-not-allowed", "`nodes` is `all` or the numbers of nodes.", "Write all, or 0, or 0,1."
            )
        return self


class Identity(Shape):
    """Whose rights the original uses to reach data."""

    type: Annotated[
        Literal[
            "user_identity", "managed", "managed_identity", "aml_token", "useridentity", "managedidentity", "amltoken"
        ],
        BeforeValidator(_lowered),
    ]
    client_id: Word | None = None
    object_id: Word | None = None
    msi_resource_id: Word | None = None


class QueueSettings(Shape):
    """How urgent a job is among those that wait."""

    job_tier: Annotated[Literal["null", "spot", "basic", "standard", "premium"], BeforeValidator(_lowered)] | None = (
        no_effect("there is one tier: the compute's own.")
    )
    priority: Annotated[Literal["low", "medium", "high"], BeforeValidator(_lowered)] | None = None
