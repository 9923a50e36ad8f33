"""The YAML of online endpoints and deployments: the original's Kubernetes kinds, read as they are.

Touches no database, no network and no file; reading, places of errors and overrides are those of `jobs.spec`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from endpoints.spec.shapes import DeploymentEnvironment, InlineModel, OnlineDeployment, OnlineEndpoint
from jobs.spec import Folder, Loaded, Paths, SpecError, SpecIssue, dump_values, load_as
from jobs.spec.kinds import Check, Kind

__all__ = [
    "DeploymentEnvironment",
    "InlineModel",
    "Loaded",
    "OnlineDeployment",
    "OnlineEndpoint",
    "Paths",
    "SpecError",
    "SpecIssue",
    "dump_values",
    "load_deployment",
    "load_endpoint",
]

Source = str | bytes | Mapping[str, Any]
READ_ONLY = ("id", "provisioning_state", "scoring_uri", "openapi_uri", "creation_context", "location")


def load_endpoint(text: Source, *, overrides: Iterable[str] = ()) -> Loaded[OnlineEndpoint]:
    """Load an endpoint's YAML, or raise `SpecError` with every issue found."""
    advice = "Write an online endpoint: a YAML with `name` and `compute`."
    return load_as(ENDPOINT, text, overrides=overrides, advice=advice)


def load_deployment(text: Source, *, overrides: Iterable[str] = (), folder: Folder | None = None) -> Loaded[OnlineDeployment]:
    """Load a deployment's YAML, or raise `SpecError` with every issue found."""
    advice = "Write an online deployment: a YAML with `name`, `endpoint_name`, `environment`, and a model or code."
    return load_as(DEPLOYMENT, text, overrides=overrides, folder=folder, advice=advice)


def _check_endpoint(endpoint: OnlineEndpoint, check: Check) -> OnlineEndpoint:
    for field, most in (("traffic", (0, 100)), ("mirror_traffic", None)):
        percents = getattr(endpoint, field) or {}
        total = sum(percents.values())
        if most and total not in most:
            text = f"The percents of `traffic` make {total}."
            check.refuse("spec-value-not-allowed", (field,), text, "Make them 100, or all 0.")
    if len([name for name, percent in (endpoint.mirror_traffic or {}).items() if percent]) > 1:
        text = "Requests are copied to one deployment at most."
        check.refuse("spec-value-not-allowed", ("mirror_traffic",), text, "Name one deployment.")
    return endpoint


def _check_deployment(deployment: OnlineDeployment, check: Check) -> OnlineDeployment:
    if isinstance(deployment.model, InlineModel):
        check.local(("model", "path"), deployment.model.path)
    if deployment.code_configuration is not None:
        check.local(("code_configuration", "code"), deployment.code_configuration.code, wanted="folder")
    _check_environment(deployment, check)
    _check_what_runs(deployment, check)
    scale = deployment.scale_settings
    if scale is not None and scale.type != "default":
        text = (
            f"Nothing scales by itself yet: {deployment.count} instances run, whatever the load (`instance_count`, else "
            "`min_instances`). Scale it by hand; the settings are kept."
        )
        check.warn(("scale_settings",), text)
    return deployment


def _check_environment(deployment: OnlineDeployment, check: Check) -> None:
    environment = deployment.environment
    if environment is None:
        text, todo = "`environment` is missing.", "Add `environment: {image: <image>}`."
        kind = deployment.model.type if isinstance(deployment.model, InlineModel) else ""
        if kind == "triton_model":
            text = "No server is brought for a Triton model without code."
            todo = "Add `environment: {image: <image of a Triton server>, inference_config: {scoring_route: {path: …, port: …}}}`."
        if kind == "mlflow_model":
            text, todo = "No image is made for an MLflow model by itself.", "Add `environment: {image: <image with mlflow>}`."
        check.refuse("spec-field-missing", ("environment",), text, todo)
    elif isinstance(environment, DeploymentEnvironment):
        if environment.build is not None:
            check.needs.add("environment-build")
        if environment.conda_file is not None:
            check.needs.add("environment-conda")
            if isinstance(environment.conda_file, str):
                # Named and never read: an image rule stands in for the packages, or the deployment is refused.
                check.local_kind(environment.conda_file)


def _check_what_runs(deployment: OnlineDeployment, check: Check) -> None:
    """Refuse what has nothing to run: no script for the scoring server and no routes of an own container."""
    model = deployment.model
    kind = model.type if isinstance(model, InlineModel) else ""
    if deployment.inference_config is not None or deployment.code_configuration is not None:
        return
    if kind == "triton_model":
        check.needs.add("triton")
    elif kind != "mlflow_model" and not isinstance(model, str):
        check.refuse(
            "spec-field-missing",
            ("code_configuration",),
            "There is neither a scoring script nor a container of your own to run.",
            "Add `code_configuration: {code: <folder>, scoring_script: score.py}`, or routes under `environment.inference_config`.",
        )


ENDPOINT = Kind("online.endpoint", "online endpoint", OnlineEndpoint, _check_endpoint, READ_ONLY)
DEPLOYMENT = Kind("online.deployment", "online deployment", OnlineDeployment, _check_deployment, READ_ONLY)
