"""From a YAML to a job's row: the one way in for the form, the YAML page, the API and the command line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from django.conf import settings

from compute.extension.selectors import takes_jobs
from compute.models import Compute
from compute.selectors import computes_of, default_type, types_of
from jobs import spec
from jobs.spec.references import read_environment
from studio.accounts.models import Workspace
from studio.assets.registry.selectors import model_version
from studio.assets.services import image_for, tree_for
from studio.assets.trees import Tree
from studio.core.errors import ProblemError, ProblemList

# What this studio runs; anything else that a YAML needs is refused by name, never silently left out.
THERE = frozenset({"environment-asset", "multi-node", "model-asset"})
ADVICE = {
    "environment-build": ("an environment built from conda or a Dockerfile", "Give an image that has the packages."),
    "services": ("interactive services in the job", "Leave `services` out."),
    "datastore": ("a datastore", "Give local files, or leave the path out to keep outputs in the studio's store."),
    "data-asset": ("a registered data asset", "Give a local file or folder."),
    "https-input": ("an input from a web address", "Download it and give the local file."),
    "blob-input": ("an input from a cloud's blob store", "Download it and give the local file."),
    "registry-asset": ("an asset of a registry", "Give a local file or folder, or an image."),
    "job-output": ("another job's output as an input", "Download it and give the local folder."),
    "output-asset": ("an output registered as an asset", "Leave `name` of the output out."),
    "remote-build-context": ("a build context from the net", "Give an image that has the packages."),
}


@dataclass(frozen=True)
class Accepted:
    """A checked job: the values of its row that follow from the YAML and what came with it."""

    values: dict[str, Any]
    compute: Compute
    name: str | None
    warnings: list[dict[str, Any]]


def check_job(
    workspace: Workspace, text: str, overrides: Sequence[str], code: str, local_inputs: Mapping[str, str], *, files: bool = True
) -> Accepted:
    """Check a YAML against the workspace; raises ProblemList with every problem found, each at its line.

    With `files` False what is local is taken as sent (a validation before anything is uploaded).
    """
    trees = {name.removeprefix("inputs."): _tree(workspace, digest) for name, digest in local_inputs.items()} if files else {}
    try:
        loaded = spec.load(text, overrides=overrides)
        if files:
            loaded = spec.load(text, overrides=overrides, folder=_sent(loaded, code, trees))
    except spec.SpecError as error:
        raise ProblemList([told(issue) for issue in error.issues]) from error
    job = loaded.model
    problems: list[ProblemError] = [*_needs(loaded)]
    if not settings.RUNNER_IMAGE:
        problems.append(ProblemError("runner-image-unknown"))
    compute = _collect(problems, lambda: _compute(workspace, loaded))
    image = _collect(problems, lambda: _image(loaded))
    type_name = _collect(problems, lambda: _instance_type(compute, loaded)) if compute else ""
    if job.code and not code and files:
        problems.append(_at(loaded, "code", "job-code-missing", path=job.code))
    if code and files and tree_for(workspace, code) is None:
        problems.append(_at(loaded, "code", "job-code-unknown", digest=code))
    inputs = _models(workspace, loaded, problems)
    inputs |= _inputs(loaded, trees, problems) if files else {}
    if problems:
        raise ProblemList(problems)
    assert compute is not None and image is not None
    return Accepted(_values(loaded, inputs, code, compute, image, type_name or "", text), compute, job.name,
                    [warning.as_dict() for warning in loaded.warnings])  # fmt: skip


def resolve(accepted: Accepted, loaded_text: str, overrides: Sequence[str], *, name: str, workspace: str) -> dict[str, Any]:
    """Return the command and the environment variables of a job that is now called `name`."""
    job = spec.load(loaded_text, overrides=overrides).model
    inputs = {key: value["mount"]["path"] for key, value in accepted.values["inputs"].items() if value.get("mount")}
    outputs = {key: value["mount"]["path"] for key, value in accepted.values["outputs"].items()}
    variables = spec.environment(
        job, name=name, workspace=workspace, experiment=accepted.values["experiment"], input_paths=inputs, output_paths=outputs
    )
    # Python holds its output back when it goes to a pipe; a log that comes late is no live log.
    return {
        "command": spec.resolve_command(job, inputs, outputs),
        "environment_variables": {"PYTHONUNBUFFERED": "1"} | variables,
    }


def _values(
    loaded: spec.Loaded, inputs: dict[str, Any], code: str, compute: Compute, image: tuple[str, str], type_name: str, text: str
) -> dict[str, Any]:
    job = loaded.model
    resources = job.resources
    shm = resources.shm_bytes if resources and resources.shm_size else None
    return {
        "yaml": text,
        "display_name": job.display_name or "",
        "description": job.description or "",
        "experiment": job.experiment_name or "Default",
        "tags": dict(job.tags or {}),
        "image": image[0],
        "image_asked": image[1],
        "code_digest": code or "",
        "inputs": {**{key: {"value": value} for key, value in job.literal_inputs.items()}, **inputs},
        "outputs": {name: _output(name, output) for name, output in job.named_outputs.items()},
        "instance_type": type_name,
        "instance_count": job.instance_count,
        "shm_size": str(shm) if shm else "",
        "timeout_seconds": job.limits.timeout if job.limits else None,
        "retries": job.retries,
        "compute": compute,
        "compute_name": compute.name,
        "cluster": compute.cluster,
        "transport": "push" if compute.cluster.pods_reach_studio is False or not settings.STUDIO_URL_FOR_PODS else "direct",
        "namespace": compute.namespace,
    }


def _output(name: str, output: Any) -> dict[str, Any]:
    kind = "file" if output.type == "uri_file" else "folder"
    path = f"/mooring/outputs/{name}" if kind == "folder" else f"/mooring/outputs/{name}/{name}"
    return {"type": output.type, "mount": {"kind": kind, "path": path}}


def _inputs(loaded: spec.Loaded, trees: dict[str, Tree | None], problems: list[ProblemError]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, given in loaded.model.data_inputs.items():
        if given.reference.kind != "local":
            continue
        tree = trees.get(name)
        if tree is None:
            problems.append(_at(loaded, f"inputs.{name}", "job-input-missing", name=name, path=given.path))
            continue
        mount = _mount(name, tree, is_file=given.type == "uri_file" and len(tree.files) == 1)
        found[name] = {"type": given.type, "given": given.path, "size": tree.size, "count": len(tree.files), "mount": mount}
    return found


def _models(workspace: Workspace, loaded: spec.Loaded, problems: list[ProblemError]) -> dict[str, Any]:
    """Return the inputs that are registered models, each as the version that its reference means now."""
    found: dict[str, Any] = {}
    for name, given in loaded.model.data_inputs.items():
        if given.reference.kind != "asset" or not given.type.endswith("_model"):
            continue
        try:
            version = model_version(workspace, given.path)
        except ProblemError as error:
            problems.append(_at(loaded, f"inputs.{name}.path", error.problem.id, **error.params))
            continue
        # Made young with that: a version that is deleted at this moment takes nothing from the job.
        tree = tree_for(workspace, version.digest)
        if tree is None:
            problems.append(_at(loaded, f"inputs.{name}.path", "model-files-unknown", digest=version.digest))
            continue
        facts = {"type": given.type, "given": given.path, "asset": version.reference, "size": version.size, "count": version.count}
        found[name] = {**facts, "mount": _mount(name, tree, is_file=version.is_file)}
    return found


def _mount(name: str, tree: Tree, *, is_file: bool) -> dict[str, str]:
    base = f"/mooring/inputs/{name}"
    if is_file:
        return {"kind": "file", "digest": tree.digest, "path": f"{base}/{tree.files[0].name}"}
    return {"kind": "folder", "digest": tree.digest, "path": base}


def _sent(loaded: spec.Loaded, code: str, trees: dict[str, Tree | None]) -> spec.Paths:
    """Tell the loader what lies at each local path, as far as it was sent with the YAML."""
    kinds: dict[str, Any] = {}
    for local in loaded.local_paths:
        name = local.field.removeprefix("inputs.").removesuffix(".path")
        tree = trees.get(name)
        if local.field == "code":
            # Whether it was sent is said with words of our own.
            kinds[local.path] = "folder"
        elif tree is not None:
            given = loaded.model.data_inputs[name]
            single = len(tree.files) == 1 and tree.files[0].path == PurePosixPath(given.path).name
            kinds[local.path] = "file" if single and (given.type != "uri_folder" or _untyped(given)) else "folder"
        else:
            wanted = loaded.model.data_inputs.get(name)
            kinds[local.path] = "file" if wanted is not None and wanted.type == "uri_file" else "folder"
    return spec.Paths(kinds)


def _untyped(given: Any) -> bool:
    return "type" not in given.model_fields_set


def _compute(workspace: Workspace, loaded: spec.Loaded) -> Compute:
    known = {compute.name: compute for compute in computes_of(workspace)}
    names = ", ".join(known) or "none yet; an operator attaches one"
    asked = loaded.model.compute_name
    if not asked:
        raise _at(loaded, "compute", "job-compute-missing", known=names)
    compute = known.get(asked)
    if compute is None:
        raise _at(loaded, "compute", "job-compute-unknown", name=asked, known=names)
    if not compute.usable:
        reason = compute.shown_reason or "it is not ready"
        raise _at(loaded, "compute", "job-compute-not-ready", name=asked, status=compute.shown_status, reason=reason)
    if not takes_jobs(compute.cluster):
        raise _at(loaded, "compute", "extension-no-training", cluster=compute.cluster.name)
    return compute


def _instance_type(compute: Compute, loaded: spec.Loaded) -> str:
    resources = loaded.model.resources
    asked = resources.instance_type if resources else None
    types = types_of(compute.cluster)
    name = asked or default_type(compute, types)
    if name not in types or types[name].problem:
        raise _at(loaded, "resources.instance_type", "job-instance-type-unknown", name=name, compute=compute.name,
                  known=", ".join(sorted(key for key, each in types.items() if not each.problem)))  # fmt: skip
    return name


def _image(loaded: spec.Loaded) -> tuple[str, str]:
    """Return the image to run and the name that was asked for."""
    environment = loaded.model.environment
    if isinstance(environment, str):
        reference = read_environment(environment)
        asked = reference.name or environment
        image = image_for(environment) or image_for(asked)
        if image is None:
            raise _at(loaded, "environment", "job-image-unknown", environment=environment)
        return image, environment
    asked = environment.image or ""
    return image_for(asked) or asked, asked


def _needs(loaded: spec.Loaded) -> list[ProblemError]:
    told = []
    for need in sorted(loaded.needs - THERE):
        what, advice = ADVICE.get(need, (need.replace("-", " ").replace(".", ": "), "Leave it out."))
        if need.startswith("distribution."):
            what, advice = f"{need.removeprefix('distribution.')} distribution", "Leave `distribution` out."
        told.append(ProblemError("job-needs-not-there", need=what, advice=advice))
    return told


def _collect(problems: list[ProblemError], make: Any) -> Any:
    try:
        return make()
    except ProblemError as error:
        problems.append(error)
        return None


def _at(loaded: spec.Loaded, place: str, id: str, **params: Any) -> ProblemError:
    """Return a problem at the place of a field of the YAML."""
    issue = loaded.issue(id, place, "", "")
    return ProblemError(id, field=place, line=issue.line, column=issue.column, **params)


def told(issue: spec.SpecIssue) -> ProblemError:
    """Return an issue of a YAML as a problem at its place."""
    return ProblemError(
        issue.problem_id, field=issue.path or None, line=issue.line, column=issue.column, text=issue.text, todo=issue.todo
    )


def _tree(workspace: Workspace, digest: str) -> Tree | None:
    return tree_for(workspace, digest)
