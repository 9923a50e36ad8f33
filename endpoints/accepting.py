"""From a YAML to the values of a row: the one way in for the wizard, the YAML page, the API and the command line.

A revision's spec has these keys: `image` and `image_asked`; `model` (`name`, `version`, `digest`, `base_name`, `is_file`,
`type`, `reference`) or None; `model_mount_path`; `code_digest`, `code_name`, `scoring_script`; `environment_variables`;
`instance_type`, `resources` (`requests`, `limits`), `node_selector`, `tolerations`; `request_settings`; `probes`
(`liveness`, `readiness`, `startup`); `routes` (`scoring`, `readiness`, `liveness`, each `path` and `port`) or None.
"""

import posixpath
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.conf import settings

from compute.extension.selectors import check_takes_endpoints
from compute.kube.quantities import display, parse_resources
from compute.models import Compute
from compute.selectors import computes_of, default_type, instance_type, types_of
from endpoints import spec
from endpoints.models import Endpoint
from endpoints.spec import InlineModel
from jobs.spec.references import read_environment
from studio.accounts.models import Workspace
from studio.assets.registry.selectors import model_version
from studio.assets.services import image_for, tree_for
from studio.assets.trees import Tree
from studio.core.errors import ProblemError, ProblemList

T = TypeVar("T")
ADVICE = {
    "environment-build": ("an environment built from a Dockerfile", "Give an image that has the packages."),
    "environment-conda": ("an environment built from conda", "Give an image that has the packages, or ask an operator for an image rule."),
    "triton": ("a Triton model without code", "Give the image of a server and its routes under `environment.inference_config`."),
}


@dataclass(frozen=True)
class AcceptedEndpoint:
    """A checked endpoint: the values of its row, and what was asked for of its traffic."""

    name: str
    values: dict[str, Any]
    compute: Compute | None
    traffic: dict[str, int] | None
    mirror_traffic: dict[str, int] | None


@dataclass(frozen=True)
class AcceptedDeployment:
    """A checked deployment: its name, the values of its row, the spec of its revision, and a model to register first."""

    name: str
    endpoint_name: str
    values: dict[str, Any]
    spec: dict[str, Any]
    model_given: InlineModel | None
    model_digest: str
    model_is_file: bool
    warnings: list[dict[str, Any]]


def check_endpoint(workspace: Workspace, text: str, overrides: Sequence[str], *, new: bool) -> AcceptedEndpoint:
    """Check an endpoint's YAML; raises ProblemList with every problem found, each at its line."""
    try:
        loaded = spec.load_endpoint(text, overrides=overrides)
    except spec.SpecError as error:
        raise ProblemList([_told(issue) for issue in error.issues]) from error
    endpoint = loaded.model
    problems: list[ProblemError] = []
    compute = _collect(problems, lambda: _compute(workspace, loaded)) if new or endpoint.compute_name else None
    if new and compute is not None:
        _collect(problems, lambda: _router(compute, loaded))
    if problems:
        raise ProblemList(problems)
    values = {
        "description": endpoint.description or "",
        "tags": dict(endpoint.tags or {}),
        "yaml": text,
        "warnings": [warning.as_dict() for warning in loaded.warnings],
        "auth_mode": endpoint.auth_mode,
    }
    return AcceptedEndpoint(endpoint.name, values, compute, endpoint.traffic, endpoint.mirror_traffic)


def check_deployment(
    endpoint: Endpoint, text: str, overrides: Sequence[str], *, code: str = "", model: str = "", files: bool = True
) -> AcceptedDeployment:
    """Check a deployment's YAML against its endpoint; raises ProblemList with every problem found, each at its line.

    `code` and `model` are digests of trees that came with it. With `files` False what is local is taken as sent.
    """
    workspace = endpoint.workspace
    try:
        loaded = spec.load_deployment(text, overrides=overrides)
    except spec.SpecError as error:
        raise ProblemList([_told(issue) for issue in error.issues]) from error
    asked = loaded.model
    problems: list[ProblemError] = []
    warnings = [warning.as_dict() for warning in loaded.warnings]
    image = _collect(problems, lambda: _image(loaded, warnings))
    code_tree = _collect(problems, lambda: _code(workspace, loaded, code)) if files else None
    found = _collect(problems, lambda: _model(workspace, loaded, model, files=files))
    place = _collect(problems, lambda: _place(endpoint, loaded, warnings))
    runs = asked.code_configuration is not None or asked.inference_config is not None
    if isinstance(asked.model, str) and found and not runs:
        # What kind of model it is only its registration says; of files given here the YAML did.
        if found["type"] == "triton_model":
            problems.append(_needs(loaded, "triton"))
        elif found["type"] != "mlflow_model":
            problems.append(_at(loaded, "code_configuration", "deployment-nothing-to-run"))
    if problems:
        raise ProblemList(problems)
    assert image is not None and place is not None
    made = _spec(asked, image, code_tree.digest if code_tree else "", found, place)
    inline = asked.model if isinstance(asked.model, InlineModel) else None
    return AcceptedDeployment(
        name=asked.name,
        endpoint_name=asked.endpoint_name or "",
        values=_values(asked, text, overrides, warnings),
        spec=made,
        model_given=inline,
        model_digest=model if inline else "",
        model_is_file=bool(found and found["is_file"]) if inline else False,
        warnings=warnings,
    )


def transport_for(compute: Compute) -> str:
    """Return how files travel to a compute's pods."""
    return "push" if compute.cluster.pods_reach_studio is False or not settings.STUDIO_URL_FOR_PODS else "direct"


def _values(asked: spec.OnlineDeployment, text: str, overrides: Sequence[str], warnings: list[dict[str, Any]]) -> dict[str, Any]:
    rollout = asked.rollout
    scale = asked.scale_settings
    return {
        "description": asked.description or "",
        "tags": dict(asked.tags or {}),
        "yaml": text,
        "overrides": list(overrides),
        "warnings": warnings,
        "instance_count": asked.count,
        "scale_settings": scale.model_dump(exclude_none=True) if scale else {},
        "retry": rollout.retry if rollout else True,
        "rollout_deadline_seconds": rollout.deadline_seconds if rollout else 20 * 60,
    }


def _spec(
    asked: spec.OnlineDeployment, image: tuple[str, str], code: str, model: dict[str, Any] | None, place: dict[str, Any]
) -> dict[str, Any]:
    code_configuration = asked.code_configuration
    routes = asked.inference_config
    settings_asked = asked.request_settings
    defaults = {"request_timeout_ms": 5000, "max_concurrent_requests_per_instance": 1, "max_queue_wait_ms": 500}
    probes = {"liveness": asked.liveness_probe, "readiness": asked.readiness_probe, "startup": asked.startup_probe}
    return {
        "image": image[0],
        "image_asked": image[1],
        "model": model,
        "model_mount_path": asked.model_mount_path or "",
        "code_digest": code,
        "code_name": posixpath.basename(posixpath.normpath(code_configuration.code)) if code_configuration else "",
        "scoring_script": code_configuration.scoring_script if code_configuration else "",
        "environment_variables": dict(asked.environment_variables or {}),
        **place,
        "request_settings": settings_asked.model_dump() if settings_asked else defaults,
        "probes": {name: probe.model_dump(exclude_none=True) for name, probe in probes.items() if probe},
        "routes": (
            {
                "scoring": routes.scoring_route.model_dump(),
                "readiness": routes.readiness_route.model_dump() if routes.readiness_route else None,
                "liveness": routes.liveness_route.model_dump() if routes.liveness_route else None,
            }
            if routes
            else None
        ),
    }


def _compute(workspace: Workspace, loaded: spec.Loaded[spec.OnlineEndpoint]) -> Compute:
    known = {compute.name: compute for compute in computes_of(workspace)}
    names = ", ".join(known) or "none yet; an operator attaches one"
    asked = loaded.model.compute_name
    if not asked:
        raise _at(loaded, "compute", "endpoint-compute-missing", known=names)
    compute = known.get(asked)
    if compute is None:
        raise _at(loaded, "compute", "endpoint-compute-unknown", name=asked, known=names)
    if not compute.usable:
        reason = compute.shown_reason or "it is not ready"
        raise _at(loaded, "compute", "endpoint-compute-not-ready", name=asked, status=compute.shown_status, reason=reason)
    return compute


def _router(compute: Compute, loaded: spec.Loaded[spec.OnlineEndpoint]) -> None:
    try:
        check_takes_endpoints(compute.cluster)
    except ProblemError as error:
        raise _moved(loaded, "compute", error) from error


def _image(loaded: spec.Loaded[spec.OnlineDeployment], warnings: list[dict[str, Any]]) -> tuple[str, str]:
    """Return the image to run and the name that was asked for.

    Packages of a conda file are taken to be in the image that an operator's rule puts in the place of the one asked for.
    """
    environment = loaded.model.environment
    assert environment is not None
    for need in sorted(loaded.needs & {"environment-build", "triton"}):
        raise _needs(loaded, need)
    if isinstance(environment, str):
        asked = read_environment(environment).name or environment
        image = image_for(environment) or image_for(asked)
        if image is None:
            raise _at(loaded, "environment", "deployment-image-unknown", environment=environment)
        return image, environment
    asked = environment.image or ""
    stand_in = image_for(asked)
    if environment.conda_file is not None:
        if stand_in is None:
            raise _needs(loaded, "environment-conda")
        place = loaded.issue("spec-path-not-found", "environment.conda_file", "", "")
        text = f"No environment is built: {stand_in} stands in for {asked} with these packages, by an operator's rule."
        warnings.append({"path": "environment.conda_file", "line": place.line, "column": place.column, "text": text})
    return stand_in or asked, asked


def _needs(loaded: spec.Loaded[spec.OnlineDeployment], need: str) -> ProblemError:
    what, advice = ADVICE[need]
    return _at(loaded, "environment", "deployment-needs-not-there", need=what, advice=advice)


def _code(workspace: Workspace, loaded: spec.Loaded[spec.OnlineDeployment], digest: str) -> Tree | None:
    code = loaded.model.code_configuration
    if code is None:
        return None
    if not digest:
        raise _at(loaded, "code_configuration.code", "deployment-code-not-sent", path=code.code)
    tree = tree_for(workspace, digest)
    if tree is None:
        raise _at(loaded, "code_configuration.code", "deployment-files-unknown", digest=digest)
    if not any(file.path == code.scoring_script for file in tree.files):
        raise _at(loaded, "code_configuration.scoring_script", "deployment-script-missing", script=code.scoring_script)
    return tree


def _model(workspace: Workspace, loaded: spec.Loaded[spec.OnlineDeployment], digest: str, *, files: bool) -> dict[str, Any] | None:
    asked = loaded.model.model
    if asked is None:
        return None
    if isinstance(asked, str):
        try:
            version = model_version(workspace, asked)
        except ProblemError as error:
            raise _moved(loaded, "model", error) from error
        return {
            "name": version.model.name,
            "version": version.version,
            "digest": version.digest,
            "base_name": version.folder,
            "is_file": version.is_file,
            "type": version.model.type,
            "reference": version.reference,
        }
    if not files:
        return {"name": "", "version": "", "digest": "", "base_name": "", "is_file": False, "type": asked.type, "reference": ""}
    if not digest:
        raise _at(loaded, "model.path", "deployment-model-not-sent", path=asked.path)
    tree = tree_for(workspace, digest)
    if tree is None:
        raise _at(loaded, "model.path", "deployment-files-unknown", digest=digest)
    single = len(tree.files) == 1 and tree.files[0].path == asked.base_name
    return {
        # Without a name the files themselves name it: the same files are the same model.
        "name": asked.name or f"files-{digest.removeprefix('sha256:')[:12]}",
        "version": asked.version or "1",
        "digest": digest,
        "base_name": "" if single else asked.base_name,
        "is_file": single,
        "type": asked.type,
        "reference": "",
    }


def _place(endpoint: Endpoint, loaded: spec.Loaded[spec.OnlineDeployment], warnings: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the instance type, what the container asks for within it, and which nodes take it."""
    compute = endpoint.compute
    if compute is None:
        raise ProblemError("endpoint-cluster-detached")
    asked = loaded.model.instance_type
    types = types_of(compute.cluster)
    if asked and asked not in types and loaded.model.type == "managed":
        place = loaded.issue("spec-path-not-found", "instance_type", "", "")
        name = default_type(compute, types)
        text = f"{asked} is a machine of the original's own; the instance type {name} is used."
        warnings.append({"path": "instance_type", "line": place.line, "column": place.column, "text": text})
        asked = None
    try:
        found = instance_type(compute, asked)
    except ProblemError as error:
        raise _moved(loaded, "instance_type", error) from error
    return {
        "instance_type": found["name"],
        "resources": _resources(loaded, found),
        "node_selector": found["nodeSelector"] or {},
        "tolerations": found["tolerations"] or [],
    }


def _resources(loaded: spec.Loaded[spec.OnlineDeployment], found: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Return requests and limits: those of the instance type, and below them those asked for."""
    offered = {side: {key: str(value) for key, value in (found["resources"].get(side) or {}).items() if value is not None}
               for side in ("requests", "limits")}  # fmt: skip
    asked = loaded.model.resources
    if asked is None:
        return offered
    given = {"requests": asked.amounts("requests"), "limits": asked.amounts("limits")}
    limits = {**offered["limits"], **given["limits"]}
    most = parse_resources(offered["limits"])
    for side in ("limits", "requests"):
        for name, value in parse_resources(given[side]).items():
            bound = most.get(name) if side == "limits" else parse_resources(limits).get(name)
            if bound is not None and value > bound:
                what = f"instance type {found['name']}" if side == "limits" else "its limit"
                text = f"{side}.{name} is {display(name, value)}, more than {what} has ({display(name, bound)})."
                raise _at(loaded, f"resources.{side}.{name}", "deployment-resources-too-large", text=text)
    requests = {**offered["requests"], **given["requests"]}
    bounds = parse_resources(limits)
    # What the type asks for must not be more than the smaller limit that was asked for.
    for name, value in parse_resources(requests).items():
        if name in bounds and value > bounds[name]:
            requests[name] = limits[name]
    return {"requests": requests, "limits": limits}


def _collect(problems: list[ProblemError], make: Callable[[], T]) -> T | None:
    try:
        return make()
    except ProblemError as error:
        problems.append(error)
        return None


def _moved(loaded: spec.Loaded[Any], place: str, error: ProblemError) -> ProblemError:
    """Return a problem of another app at its place in the YAML."""
    return _at(loaded, place, error.problem.id, **error.params)


def _at(loaded: spec.Loaded[Any], place: str, id: str, **params: Any) -> ProblemError:
    issue = loaded.issue("spec-field-missing", place, "", "")
    return ProblemError(id, field=place, line=issue.line, column=issue.column, **params)


def _told(issue: spec.SpecIssue) -> ProblemError:
    return ProblemError(issue.problem_id, field=issue.path or None, line=issue.line, column=issue.column, text=issue.text, todo=issue.todo)
