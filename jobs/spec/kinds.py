"""Which kind of thing a YAML describes, and what a kind is made of."""

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from pydantic import BaseModel

from jobs.spec.errors import SpecIssue, SpecWarning
from jobs.spec.references import NotAReference, local_path
from jobs.spec.yamltext import Document, Path, Place, dotted

# Nobody reads more than this many issues, and finding the place of each takes time.
ENOUGH = 50
FileKind = Literal["file", "folder"]


class Folder(Protocol):
    """The files that came with a YAML, by paths relative to the YAML's folder (they may begin with `..`)."""

    def kind(self, path: str) -> FileKind | None:
        """Tell what lies at a path (`.` is the folder itself), or None when nothing does or may be read."""
        ...


@dataclass(frozen=True)
class Paths:
    """A folder of which only the paths that were sent are known, each a file or a folder."""

    kinds: Mapping[str, FileKind]

    def kind(self, path: str) -> FileKind | None:
        """Tell what was sent for a path."""
        return self.kinds.get(path)


@dataclass(frozen=True)
class Known:
    """What exists where the YAML is submitted; None stands for not known, which is not checked."""

    computes: frozenset[str] | None = None


@dataclass(frozen=True)
class LocalPath:
    """A file or folder that the YAML needs: the field, and the path relative to the YAML's folder, `.` for itself."""

    field: str
    path: str


@dataclass
class Check:
    """What is gathered while the fields are looked at together."""

    document: Document
    folder: Folder | None
    known: Known
    issues: list[SpecIssue] = field(default_factory=list)
    warnings: list[SpecWarning] = field(default_factory=list)
    needs: set[str] = field(default_factory=set)
    local_paths: list[LocalPath] = field(default_factory=list)

    def refuse(self, problem_id: str, path: Path, text: str, todo: str, *, key: bool = False) -> None:
        """Note something wrong with a field."""
        self.issues.append(issue_at(problem_id, path, self.document.place(path, key=key), text, todo))

    def refuse_part(self, problem_id: str, path: Path, part: str, nth: int, text: str, todo: str) -> None:
        """Note something wrong with the nth occurrence of a part of a text."""
        self.issues.append(issue_at(problem_id, path, self.document.place_within(path, part, nth), text, todo))

    def warn(self, path: Path, text: str) -> None:
        """Note something that is accepted without effect."""
        place = self.document.place(path, key=True)
        self.warnings.append(
            SpecWarning(dotted(path), place.line if place else None, place.column if place else None, text)
        )

    def local_kind(self, text: str) -> FileKind | None:
        """Tell what lies at a local path, if the files are at hand."""
        return self.folder.kind(local_path(text)) if self.folder is not None else None

    def local(self, field: str | Path, text: str, *, wanted: str | None = None) -> None:
        """Note a local path that the YAML needs, and refuse one that is not there or not what is wanted."""
        path = (field,) if isinstance(field, str) else field
        try:
            spelled = local_path(text)
        except NotAReference as error:
            self.refuse(error.problem_id, path, error.text, error.todo)
            return
        self.local_paths.append(LocalPath(dotted(path), spelled))
        if self.folder is None:
            return
        found = self.folder.kind(spelled)
        if found is None:
            self.refuse(
                "spec-path-not-found",
                path,
                f"`{text}` is not among the files that came with the YAML.",
                "Check the path; it is relative to the YAML's folder. Send that folder along.",
            )
        elif wanted is not None and found != wanted:
            other = {"file": "uri_file", "folder": "uri_folder"}[found]
            todo = f"Write `type: {other}`." if path[0] == "inputs" else f"Name a {wanted}."
            self.refuse("spec-value-not-allowed", path, f"`{text}` is a {found}, not a {wanted}.", todo)

    def compute(self, field: str, name: str) -> None:
        """Refuse a compute that is known not to exist."""
        if self.known.computes is not None and name not in self.known.computes:
            todo = (
                self.nearest(name, self.known.computes)
                or "Name a compute of the workspace, for example with `--set compute=<name>`."
            )
            self.refuse("spec-compute-unknown", (field,), f"There is no compute `{name}` in this workspace.", todo)

    @staticmethod
    def nearest(name: str, names: Iterable[str]) -> str:
        """Return a question for the name that was probably meant, or nothing."""
        found = difflib.get_close_matches(name, list(names)[:500], n=1)
        return f"Did you mean `{found[0]}`?" if found else ""


@dataclass(frozen=True)
class Kind:
    """A kind that can be loaded: its model, and the check of what the fields mean together."""

    name: str
    title: str
    model: type[BaseModel]
    check: Callable[[Any, Check], Any]
    read_only: Collection[str] = ()


def issue_at(problem_id: str, path: Path, place: Place | None, text: str, todo: str) -> SpecIssue:
    """Make an issue of a field at a place."""
    return SpecIssue(
        problem_id, dotted(path), place.line if place else None, place.column if place else None, text, todo
    )


TITLES = {
    "job.command": "command job",
    "job.sweep": "sweep job",
    "job.pipeline": "pipeline job",
    "job.parallel": "parallel job",
    "job.spark": "Spark job",
    "job.automl": "automated ML job",
    "job.import": "import job",
    "job.finetuning": "fine-tuning job",
    "schedule": "schedule",
    "online.endpoint": "online endpoint",
    "online.deployment": "online deployment",
    "batch.endpoint": "batch endpoint",
    "batch.deployment": "batch deployment",
    "asset.environment": "environment",
    "asset.data": "data asset",
    "asset.model": "model",
    "component": "component",
    "datastore": "datastore",
    "compute": "compute",
    "workspace": "workspace",
    "other": "kind of YAML",
}

# Names of the original's schema files; the first pattern that matches decides.
_SCHEMAS = (
    (r"pipelinecomponent.*deployment|batchdeployment|modelbatchdeployment", "batch.deployment"),
    (r"batchendpoint", "batch.endpoint"),
    (r"onlineendpoint", "online.endpoint"),
    (r"onlinedeployment", "online.deployment"),
    (r"component", "component"),
    (r"commandjob", "job.command"),
    (r"sweepjob", "job.sweep"),
    (r"pipelinejob", "job.pipeline"),
    (r"paralleljob", "job.parallel"),
    (r"sparkjob", "job.spark"),
    (r"automl", "job.automl"),
    (r"importjob|dataimport", "job.import"),
    (r"finetuning", "job.finetuning"),
    (r"schedule|monitor", "schedule"),
    (r"environment", "asset.environment"),
    (r"model", "asset.model"),
    (r"azureblob|azurefile|azuredatalake|onelake|datastore", "datastore"),
    (r"compute|virtualmachine", "compute"),
    (r"^data$|^dataasset$", "asset.data"),
    (r"workspace|registry|connection|featureset|featurestore", "other"),
)
_TYPES = {
    "command": "job.command",
    "sweep": "job.sweep",
    "pipeline": "job.pipeline",
    "parallel": "job.parallel",
    "spark": "job.spark",
    "automl": "job.automl",
    "import": "job.import",
    "finetuning": "job.finetuning",
}
# Fields that only one kind has, the most telling first.
_FIELDS = (
    ("create_job", "schedule"),
    ("trigger", "schedule"),
    ("search_space", "job.sweep"),
    ("trial", "job.sweep"),
    ("job_definition", "batch.deployment"),
    ("jobs", "job.pipeline"),
    ("endpoint_name", "online.deployment"),
    ("scoring_script", "online.deployment"),
    ("auth_mode", "online.endpoint"),
    ("command", "job.command"),
    ("conda_file", "asset.environment"),
    ("build", "asset.environment"),
    ("image", "asset.environment"),
    ("flavors", "asset.model"),
    ("account_name", "datastore"),
    ("environment", "job.command"),
    ("code", "job.command"),
    ("inputs", "job.command"),
)
_ASSET_TYPES = {
    "uri_file": "asset.data",
    "uri_folder": "asset.data",
    "mltable": "asset.data",
    "custom_model": "asset.model",
    "mlflow_model": "asset.model",
    "triton_model": "asset.model",
    "kubernetes": "compute",
    "amlcompute": "compute",
    "computeinstance": "compute",
}


def detect(fields: Mapping[str, Any]) -> str | None:
    """Return the kind that a YAML's fields describe: by `$schema`, else by `type`, else by its shape, else None.

    A job's `type` is believed more than its `$schema`, because the original never reads the latter.
    """
    by_schema = _by_schema(fields.get("$schema"))
    given = fields.get("type")
    by_type = _TYPES.get(given.lower()) if isinstance(given, str) else None
    if by_type is not None and (by_schema is None or by_schema.startswith("job.")):
        return by_type
    if by_schema is not None:
        return by_schema
    by_shape = next((kind for name, kind in _FIELDS if name in fields), None)
    if by_shape is None or by_shape.startswith("asset."):
        by_shape = (_ASSET_TYPES.get(given.lower()) if isinstance(given, str) else None) or by_shape
    return by_shape


def _by_schema(address: Any) -> str | None:
    if not isinstance(address, str):
        return None
    name = re.sub(r"(\.schema)?(\.json)?$", "", address.rstrip("/").rpartition("/")[2].lower())
    return next((kind for pattern, kind in _SCHEMAS if re.search(pattern, name)), None)
