"""The fields of the original's `kubernetesOnlineEndpoint` and `kubernetesOnlineDeployment`, and of their managed kin."""

import posixpath
import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator, model_validator

from jobs.spec import references
from jobs.spec.shapes import (
    TAG,
    Count,
    CountOrZero,
    InlineEnvironment,
    Labels,
    Port,
    Shape,
    Word,
    as_text,
    no_effect,
    problem,
    reference_or_problem,
)

NAME = re.compile(r"(?=.{3,32}\Z)[A-Za-z](-?[A-Za-z0-9])*")
# The original's list of variables of a container, as Kubernetes itself takes them (C_IDENTIFIER with dots, dashes).
_VARIABLE = re.compile(r"[A-Za-z_.\-][A-Za-z0-9_.\-]{0,254}")
_QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?([eE][0-9]{1,2}|[numkMGTPE]|[KMGTPE]i)?")
_RESOURCES = ("cpu", "memory", "ephemeral-storage")
LONGEST_REQUEST_MS = 300_000

Percents = dict[str, Annotated[CountOrZero, Field(le=100)]]


def lowered(value: Any) -> Any:
    """Take capitals for small letters, as the original does."""
    return value.lower() if isinstance(value, str) else value


def usable_name(name: str, what: str) -> str:
    """Raise for a name that the original would refuse, too."""
    if not NAME.fullmatch(name):
        raise problem(
            "spec-name-not-usable",
            f"`{name[:60]}` cannot be the name of {what}.",
            "Use 3 to 32 letters, digits and single dashes, a letter first and no dash last.",
        )
    return name


class OnlineEndpoint(Shape):
    """An endpoint's YAML, as `az ml online-endpoint create` takes it."""

    schema_: Word | None = Field(default=None, alias="$schema")
    name: Word
    compute: Word | None = None
    auth_mode: Annotated[Literal["key", "aml_token", "aad_token"], BeforeValidator(lowered)] = "key"
    traffic: Percents | None = None
    mirror_traffic: Percents | None = None
    description: Word | None = None
    tags: Labels | None = None
    properties: Any = no_effect("what is kept with an endpoint are its tags.")
    identity: Any = no_effect("an endpoint acts with the rights of its workspace.")
    public_network_access: Any = no_effect("where the router can be reached from is the operators' setting.")
    kind: Any = no_effect("an endpoint of a cluster is the only kind there is.")

    @field_validator("name")
    @classmethod
    def _name_can_stand_in_the_address(cls, name: str) -> str:
        return usable_name(name, "an endpoint")

    @field_validator("compute")
    @classmethod
    def _compute_is_a_name(cls, compute: str | None) -> str | None:
        if compute is not None:
            reference_or_problem(references.compute_name, compute)
        return compute

    @field_validator("auth_mode")
    @classmethod
    def _auth_is_there(cls, mode: str) -> str:
        if mode != "key":
            raise problem(
                "spec-value-not-allowed",
                f"Endpoints that take `{mode}` are not there yet: a request is let in by a key.",
                "Write auth_mode: key.",
            )
        return mode

    @field_validator("traffic", "mirror_traffic")
    @classmethod
    def _percents_make_a_whole(cls, percents: dict[str, int] | None) -> dict[str, int] | None:
        for name in percents or {}:
            usable_name(name, "a deployment")
        return percents

    @property
    def compute_name(self) -> str | None:
        """Return the plain name of the compute."""
        return None if self.compute is None else references.compute_name(self.compute)


class InlineModel(Shape):
    """A model given by its files; with a name it is registered."""

    schema_: Word | None = Field(default=None, alias="$schema")
    name: Annotated[Word, Field(max_length=255, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]*$")] | None = None
    version: Annotated[Word, Field(max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]*$")] | None = None
    path: Word
    type: Annotated[Literal["custom_model", "mlflow_model", "triton_model"], BeforeValidator(lowered)] = "custom_model"
    description: Word | None = None
    tags: Labels | None = None
    properties: Labels | None = None
    stage: Word | None = None
    flavors: dict[str, Any] | None = None
    datastore: Any = no_effect("local files are kept in the studio's own store.")

    @field_validator("path")
    @classmethod
    def _path_is_local(cls, path: str) -> str:
        reference = reference_or_problem(references.read_path, path)
        if reference.kind != "local":
            raise problem(
                "spec-reference-not-usable",
                f"The files of a model given here are local; `{path[:80]}` is not.",
                "Register the model first (`mooring model create`), then write model: azureml:<name>:<version>.",
            )
        return path

    @property
    def folder(self) -> str:
        """Return the local path in its one spelling."""
        return references.local_path(self.path)

    @property
    def base_name(self) -> str:
        """Return the last part of the path, under which the original's pods find the files."""
        name = posixpath.basename(self.folder)
        return "" if name in (".", "..") else name


def _model_tag(value: Any) -> str:
    return f"{TAG}files" if isinstance(value, dict | InlineModel) else f"{TAG}named"


Model = Annotated[Annotated[Word, Tag(f"{TAG}named")] | Annotated[InlineModel, Tag(f"{TAG}files")], Discriminator(_model_tag)]


# RFC 3986, 3.3, from the root. To the router's proxies a backslash would refer to a part of what was asked for: requests
# would go elsewhere than where it says.
PATH = re.compile(r"/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*")
MOST_PATH = 1024
TODO_PATH = "Begin it with a slash, as in /score; write what a path cannot hold as its code, as in %20."


class Route(Shape):
    """A path on a port of a container of one's own."""

    path: Word = "/"
    port: Port

    @field_validator("path")
    @classmethod
    def _path_begins_with_a_slash(cls, path: str) -> str:
        if len(path) > MOST_PATH or not PATH.fullmatch(path):
            raise problem("spec-value-not-allowed", f"`{path[:60]}` is not a path.", TODO_PATH)
        return path


class InferenceConfig(Shape):
    """Where a container of one's own answers: with it, the image's own program is run and no scoring server."""

    liveness_route: Route | None = None
    readiness_route: Route | None = None
    scoring_route: Route

    @model_validator(mode="after")
    def _one_port(self) -> "InferenceConfig":
        return self


class DeploymentEnvironment(InlineEnvironment):
    """An environment described inside a deployment."""

    schema_: Word | None = Field(default=None, alias="$schema")
    inference_config: InferenceConfig | None = None


def _environment_tag(value: Any) -> str:
    return f"{TAG}inline" if isinstance(value, dict | DeploymentEnvironment) else f"{TAG}named"


Environment = Annotated[
    Annotated[Word, Tag(f"{TAG}named")] | Annotated[DeploymentEnvironment, Tag(f"{TAG}inline")],
    Discriminator(_environment_tag),
]


class Code(Shape):
    """The folder of code and the script in it that has `init()` and `run()`."""

    code: Word
    scoring_script: Word

    @field_validator("code")
    @classmethod
    def _code_is_local(cls, code: str) -> str:
        if code.startswith(("http://", "https://", "azureml:", "git+")):
            raise problem("spec-code-remote", "Code is not fetched from another place.", "Put `code` on a local folder.")
        reference_or_problem(references.local_path, code)
        return code

    @field_validator("scoring_script")
    @classmethod
    def _script_lies_in_the_code(cls, script: str) -> str:
        reference_or_problem(references.local_path, script)
        if references.local_path(script).startswith("..") or not script.endswith(".py"):
            raise problem(
                "spec-value-not-allowed",
                f"`{script[:60]}` is not a Python file of the code folder.",
                "Name it relative to `code`, as in score.py.",
            )
        return references.local_path(script)


class Probe(Shape):
    """When a container is asked whether it is well; what is left out has the original's value."""

    initial_delay: CountOrZero | None = None
    period: Count | None = None
    timeout: Count | None = None
    success_threshold: Count | None = None
    failure_threshold: Count | None = None
    path: Word | None = None
    port: Port | None = None
    scheme: Any = no_effect("probes are plain HTTP inside the cluster.")
    method: Any = no_effect("probes are GET requests.")


class RequestSettings(Shape):
    """How long a request may take and how many may wait."""

    request_timeout_ms: Annotated[Count, Field(le=LONGEST_REQUEST_MS)] = 5000
    max_concurrent_requests_per_instance: Annotated[Count, Field(le=1000)] = 1
    max_queue_wait_ms: Annotated[CountOrZero, Field(le=LONGEST_REQUEST_MS)] = 500


class ScaleSettings(Shape):
    """How many instances there are."""

    type: Annotated[Literal["default", "target_utilization", "targetutilization"], BeforeValidator(lowered)] = "default"
    min_instances: Count | None = None
    max_instances: Count | None = None
    polling_interval: Count | None = None
    target_utilization_percentage: Annotated[Count, Field(le=100)] | None = None

    @model_validator(mode="after")
    def _most_is_not_below_least(self) -> "ScaleSettings":
        if (self.max_instances or self.min_instances or 1) < (self.min_instances or 1):
            raise problem("spec-value-not-allowed", "max_instances is below min_instances.", "Correct one of them.")
        return self


def _amounts(value: Any) -> Any:
    return {key: as_text(inner) for key, inner in value.items()} if isinstance(value, dict) else value


Amounts = Annotated[dict[str, str | None], BeforeValidator(_amounts)]


class ContainerResources(Shape):
    """What the container asks for and may use, within its instance type."""

    requests: Amounts | None = None
    limits: Amounts | None = None

    @field_validator("requests", "limits")
    @classmethod
    def _amounts_are_quantities(cls, amounts: dict[str, str | None] | None) -> dict[str, str] | None:
        if amounts is None:
            return None
        kept = {}
        for name, text in amounts.items():
            if text in (None, ""):
                continue
            if name not in _RESOURCES and "/" not in name:
                raise problem("spec-field-unknown", f"`{name[:40]}` is not a resource.", "Name cpu, memory or nvidia.com/gpu.")
            if not _QUANTITY.fullmatch(str(text)):
                raise problem("spec-value-not-allowed", f"`{str(text)[:40]}` is not an amount of {name}.", 'Write it as "0.5" or "512Mi".')
            kept[name] = str(text)
        return kept

    def amounts(self, side: str) -> dict[str, str]:
        """Return what is given of the requests or the limits."""
        given = self.requests if side == "requests" else self.limits
        return {name: text for name, text in (given or {}).items() if text}


class Rollout(Shape):
    """What the original does not have: how a new revision is brought in, and whether lost requests are sent again."""

    retry: bool = True
    deadline_seconds: Annotated[Count, Field(ge=10, le=86_400)] = 20 * 60


class OnlineDeployment(Shape):
    """A deployment's YAML, as `az ml online-deployment create` takes it."""

    schema_: Word | None = Field(default=None, alias="$schema")
    type: Annotated[Literal["kubernetes", "managed", "k8s"], BeforeValidator(lowered)] = "kubernetes"
    name: Word
    endpoint_name: Word | None = None
    description: Word | None = None
    tags: Labels | None = None
    model: Model | None = None
    model_mount_path: Word | None = None
    code_configuration: Code | None = None
    environment: Environment | None = None
    environment_variables: dict[str, Annotated[str, BeforeValidator(lambda value: "" if value is None else as_text(value))]] | None = None
    instance_type: Word | None = None
    instance_count: Annotated[Count, Field(le=1000)] | None = None
    scale_settings: ScaleSettings | None = None
    request_settings: RequestSettings | None = None
    liveness_probe: Probe | None = None
    readiness_probe: Probe | None = None
    startup_probe: Probe | None = None
    resources: ContainerResources | None = None
    rollout: Rollout | None = None
    app_insights_enabled: Any = no_effect("logs and figures are kept by the studio itself.")
    data_collector: Any = no_effect("requests and answers are not collected.")
    egress_public_network_access: Any = no_effect("what pods reach is the operators' setting.")
    private_network_connection: Any = no_effect("what pods reach is the operators' setting.")
    properties: Any = no_effect("what is kept with a deployment are its tags.")

    @field_validator("name")
    @classmethod
    def _name_can_stand_in_a_header(cls, name: str) -> str:
        return usable_name(name, "a deployment")

    @field_validator("endpoint_name")
    @classmethod
    def _endpoint_is_a_name(cls, name: str | None) -> str | None:
        return None if name is None else usable_name(name.removeprefix("azureml:"), "an endpoint")

    @field_validator("model")
    @classmethod
    def _model_is_named_rightly(cls, model: str | InlineModel | None) -> str | InlineModel | None:
        if isinstance(model, str):
            reference = reference_or_problem(references.read_path, model)
            if reference.kind != "asset":
                raise problem(
                    "spec-reference-not-usable",
                    f"`{model[:80]}` is not a registered model.",
                    "Write azureml:<name>:<version>, or `model: {path: <folder>}` for local files.",
                )
        return model

    @field_validator("model_mount_path")
    @classmethod
    def _mount_is_a_path(cls, path: str | None) -> str | None:
        if path is not None and (not re.fullmatch(r"/[A-Za-z0-9_./\-]{1,200}", path) or posixpath.normpath(path) in ("/", "/mooring")):
            raise problem("spec-value-not-allowed", f"`{path[:60]}` cannot be mounted at.", "Write an absolute path such as /var/models.")
        return None if path is None else posixpath.normpath(path)

    @field_validator("environment")
    @classmethod
    def _environment_is_named_rightly(cls, environment: str | DeploymentEnvironment | None) -> str | DeploymentEnvironment | None:
        if isinstance(environment, str):
            reference_or_problem(references.read_environment, environment)
        return environment

    @field_validator("environment_variables")
    @classmethod
    def _variables_have_names(cls, variables: dict[str, str] | None) -> dict[str, str] | None:
        for name, value in (variables or {}).items():
            if not _VARIABLE.fullmatch(name) or name in (".", "..") or "\0" in value:
                raise problem(
                    "spec-name-not-usable",
                    f"`{name[:60]}` cannot be an environment variable.",
                    "Use letters, digits and underscores, beginning with a letter or an underscore.",
                )
        return variables

    @property
    def inference_config(self) -> InferenceConfig | None:
        """Return the routes of a container of one's own, if it is one."""
        return self.environment.inference_config if isinstance(self.environment, DeploymentEnvironment) else None

    @property
    def count(self) -> int:
        """Return how many instances are wanted: the least of them, as long as nothing scales by itself."""
        scale = self.scale_settings
        if self.instance_count is None and scale is not None and scale.type != "default":
            return scale.min_instances or 1
        return self.instance_count or 1
