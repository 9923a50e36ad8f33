"""What a job left, as files that a model can be registered from; and the jobs in a model's lineage."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from django.urls import reverse

from jobs import spec
from jobs.models import Job, Output
from jobs.selectors import jobs_of
from jobs.spec import model as model_spec
from jobs.spec.model import ModelSpec
from jobs.spec.references import NotAReference, Reference, read_path
from jobs.submit import told
from studio.accounts.models import Workspace
from studio.assets.paths import PathRefused
from studio.assets.registry.given import Given
from studio.assets.registry.mlmodel import NAME as MLMODEL
from studio.assets.registry.models import ModelVersion
from studio.assets.registry.tables import Found, FromYaml, Origin, Use
from studio.assets.trees import Tree, TreeFile
from studio.core.errors import ProblemError, ProblemList

# Where `runs:/<job>/<path>` looks: the original logs models below the artifacts, commands write them to ./outputs.
_RUN_ROOTS = ("", "outputs/")
MOST_PLACES = 500
# Uses of a model by jobs that are shown.
MOST_USES = 50
_MODEL_ENDINGS = (".pkl", ".joblib", ".onnx", ".pt", ".pth", ".safetensors", ".h5", ".keras", ".bst", ".cbm", ".model", ".json")


@dataclass(frozen=True)
class Place:
    """A folder or a file of a job's outputs that can become a model, by the path that names it."""

    path: str
    title: str
    is_file: bool
    count: int = 1
    size: int = 0


def found_at(workspace: Workspace, path: str) -> Found | None:
    """Return the files of a job's output that `azureml://jobs/…` or `runs:/…` names; None for other paths."""
    try:
        reference = read_path(path)
    except NotAReference as error:
        raise ProblemError("model-path-not-usable", field="path", text=error.text) from error
    if reference.kind not in ("job-output", "run"):
        return None
    job = jobs_of(workspace).filter(name=reference.name).first()
    if job is None:
        raise ProblemError("model-job-unknown", field="path", name=reference.name)
    if reference.kind == "run":
        return _of_run(job, reference)
    output, inner = reference.output, reference.path.strip("/")
    return _found(job, output, inner) or _nothing(job, f"{output}/{inner}".rstrip("/"))


def places_of(job: Job) -> list[Place]:
    """Return the folders and files of a job's outputs, the likeliest model first."""
    rows = list(Output.objects.filter(job=job).order_by("root", "path")[:MOST_PLACES])
    folders: dict[tuple[str, str], list[int]] = {}
    files = []
    with_mlmodel = set()
    for row in rows:
        *above, name = row.path.split("/")
        for depth in range(len(above) + 1):
            sizes = folders.setdefault((row.root, "/".join(above[:depth])), [0, 0])
            sizes[0], sizes[1] = sizes[0] + 1, sizes[1] + row.size
        if name == MLMODEL:
            with_mlmodel.add((row.root, "/".join(above)))
        files.append(Place(_path(job, row.root, row.path), _title(row.root, row.path), True, 1, row.size))
    dirs = [
        (key, Place(_path(job, *key), _title(*key) or "All files of the job", False, count, size)) for key, (count, size) in folders.items()
    ]
    dirs.sort(key=lambda pair: (pair[0] not in with_mlmodel, not pair[0][1].endswith("model"), pair[1].title))
    likely = [place for key, place in dirs if key in with_mlmodel or (key[1] or key[0]).rpartition("/")[2] == "model"]
    files.sort(key=lambda place: (not place.title.lower().endswith(_MODEL_ENDINGS), "model" not in place.title.lower(), place.title))
    rest = [place for _, place in dirs if place not in likely]
    return [*likely, *files, *rest]


def origin(workspace: Workspace, name: str) -> Origin:
    """Return how the job of a version is shown."""
    job = jobs_of(workspace).filter(name=name).first()
    if job is None:
        return Origin(name, gone=True)
    return Origin(job.display_name or job.name, reverse("jobs:detail", args=[workspace.name, job.name]), job.status)


def readers(version: ModelVersion) -> list[Use]:
    """Return the newest jobs that were given a version as an input."""
    # As the input's row spells it; the signs of names need no escaping in JSON.
    rows = jobs_of(version.model.workspace).filter(inputs__icontains=f'"{version.reference}"').order_by("-id")[: 2 * MOST_USES]
    found = [job for job in rows if any(given.get("asset") == version.reference for given in job.inputs.values())]
    return [
        Use("Job", job.display_name or job.name, reverse("jobs:detail", args=[job.workspace.name, job.name]), job.status)
        for job in found[:MOST_USES]
    ]


def read_yaml(text: str, overrides: Sequence[str] = ()) -> FromYaml:
    """Return what a model's YAML says; raises ProblemList with every problem of it, each at its line."""
    try:
        loaded = spec.load_as(model_spec.KIND, text, overrides=overrides, advice=model_spec.ADVICE)
    except spec.SpecError as error:
        raise ProblemList([told(issue) for issue in error.issues]) from error
    said: ModelSpec = loaded.model

    def place(field: str) -> tuple[int | None, int | None]:
        issue = loaded.issue("spec-value-not-allowed", field, "", "")
        return issue.line, issue.column

    given = Given(
        name=said.name,
        version=said.version or "",
        type=said.type or "",
        path="" if said.is_local else said.path,
        # As it stands in the YAML: the files themselves come beside it.
        base_name=said.path if said.is_local else "",
        description=said.description or "",
        tags={key: value or "" for key, value in (said.tags or {}).items()},
        properties=said.properties or {},
        flavors=said.flavors or {},
        stage=said.stage or "",
    )
    return FromYaml(given, place)


def _of_run(job: Job, reference: Reference) -> Found:
    path = reference.path.strip("/")
    for before in _RUN_ROOTS:
        if found := _found(job, "artifacts", f"{before}{path}"):
            return found
    output, _, inner = path.partition("/")
    return _found(job, output, inner) or _nothing(job, path)


def _found(job: Job, output: str, inner: str) -> Found | None:
    rows = Output.objects.filter(job=job, root=output)
    one = rows.filter(path=inner).first() if inner else None
    below = f"{inner}/" if inner else ""
    listed = [one] if one else list(rows.filter(path__startswith=below))
    # SQLite compares LIKE without regard to case.
    listed = [row for row in listed if one or row.path.startswith(below)]
    if not listed:
        return None
    try:
        files = [TreeFile(row.path.rpartition("/")[2] if one else row.path.removeprefix(below), row.size, row.digest) for row in listed]
        tree = Tree(tuple(files))
    except PathRefused as error:
        raise ProblemError(error.problem_id, field="path", text=error.text) from error
    except ValueError as error:
        raise ProblemError("model-path-not-usable", field="path", text=f"A file there has an unusable name: {error}.") from error
    return Found(tree, (inner or output).rpartition("/")[2], bool(one), job.name, output, inner)


def _nothing(job: Job, place: str) -> Found:
    titles = [each.title for each in places_of(job)]
    close = difflib.get_close_matches(place, titles, n=2, cutoff=0.4) or titles[:2]
    near = f" It left {' and '.join(close)}." if close else " It left no files at all."
    raise ProblemError("model-output-missing", field="path", job=job.name, place=place, near=near)


def _path(job: Job, root: str, path: str) -> str:
    return f"azureml://jobs/{job.name}/outputs/{root}" + (f"/paths/{path}" if path else "")


def _title(root: str, path: str) -> str:
    return path if root == "artifacts" else f"{root}/{path}".rstrip("/")
