"""What a `path`, an `environment` or a `compute` may point to.

Forms of the original: `azureml:name:version`, `azureml:name@label`, the long resource id, `azureml://datastores/…`,
`azureml://registries/…`, `azureml://jobs/…`, `runs:/…`, https and Azure storage URLs, and local paths.
"""

import posixpath
import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["local", "https", "blob", "datastore", "asset", "registry", "job-output", "run"]

_NAME = r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,254}"
_SHORT = re.compile(rf"azureml:(?P<name>{_NAME})(?::(?P<version>{_NAME})|@(?P<label>{_NAME}))?")
_LONG = re.compile(
    r"(?:azureml:)?/subscriptions/[^/]+/resource[gG]roups/[^/]+/providers/Microsoft\.MachineLearningServices"
    rf"/workspaces/[^/]+/(?P<kind>[a-z]+)/(?P<name>{_NAME})(?:/(?:versions/(?P<version>{_NAME})|labels/(?P<label>{_NAME})))?"
)
_DATASTORE = re.compile(
    r"azureml://(?:subscriptions/[^/]+/resource[gG]roups/[^/]+/(?:providers/Microsoft\.MachineLearningServices/)?workspaces/[^/]+/)?"
    rf"datastores/(?P<name>{_NAME})/paths/(?P<path>.*)"
)
_REGISTRY = re.compile(
    rf"azureml://registries/(?P<registry>{_NAME})/(?P<kind>[a-z]+)/(?P<name>{_NAME})"
    rf"/(?:versions/(?P<version>{_NAME})|labels/(?P<label>{_NAME}))"
)
_JOB_OUTPUT = re.compile(
    rf"azureml://jobs/(?P<name>{_NAME})/outputs/(?P<output>[A-Za-z_][A-Za-z0-9_]*)(?:/paths(?:/(?P<path>.*))?)?"
)
_RUN = re.compile(rf"runs:/(?P<name>{_NAME})/(?P<path>.+)")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]+)://")


class NotAReference(ValueError):
    """A text that points to nothing; the sentence and the next step say why."""

    def __init__(self, problem_id: str, text: str, todo: str) -> None:
        super().__init__(text)
        self.problem_id = problem_id
        self.text = text
        self.todo = todo


@dataclass(frozen=True)
class Reference:
    """Where something lies: its kind, and of name, version, label, path, registry those that its form has."""

    kind: Kind
    text: str
    name: str = ""
    version: str = ""
    label: str = ""
    path: str = ""
    registry: str = ""
    output: str = ""


def read_path(text: str) -> Reference:
    """Tell what an input's or an output's `path` points to, or raise `NotAReference`."""
    if text.startswith("azureml://"):
        for kind, pattern in (("datastore", _DATASTORE), ("registry", _REGISTRY), ("job-output", _JOB_OUTPUT)):
            if found := pattern.fullmatch(text):
                return _from_match(kind, text, found)  # type: ignore[arg-type]
        raise _unusable(
            text,
            "Write azureml://datastores/<name>/paths/<path>, azureml://jobs/<job>/outputs/<output>/paths/<path> or "
            "azureml://registries/<registry>/data/<name>/versions/<version>.",
        )
    if text.startswith(("azureml:", "/subscriptions/")):
        reference = _named(text)
        if not (reference.version or reference.label):
            raise _unusable(text, f"Say which version: azureml:{reference.name}:1 or azureml:{reference.name}@latest.")
        return reference
    if text.startswith(("https://", "http://")):
        return Reference("https", text)
    if text.startswith(("wasbs://", "wasb://", "abfss://", "abfs://", "adl://")):
        return Reference("blob", text)
    if text.startswith("runs:/"):
        if found := _RUN.fullmatch(text):
            return _from_match("run", text, found)
        raise _unusable(text, "Write runs:/<job name>/<path>.")
    return Reference("local", text, path=local_path(text))


def read_environment(text: str) -> Reference:
    """Tell which registered environment is meant, or raise `NotAReference`."""
    if text.startswith("azureml://"):
        found = _REGISTRY.fullmatch(text)
        if found and found["kind"] == "environments":
            return _from_match("registry", text, found)
        raise _unusable(
            text, "Write azureml://registries/<registry>/environments/<name>/versions/<version> or …/labels/latest."
        )
    if text.startswith(("azureml:", "/subscriptions/")):
        return _named(text)
    if text.startswith("file:"):
        raise _unusable(text, "An environment in a file of its own is not read: put its fields under `environment:`.")
    raise _unusable(
        text,
        "Write azureml:<name>@latest for an environment, or `environment: {image: <image>}` for a container image.",
    )


def compute_name(text: str) -> str:
    """Return the name of the compute meant by `azureml:<name>`, the long resource id, or the plain name."""
    if found := _LONG.fullmatch(text):
        return found["name"]
    name = text.removeprefix("azureml:")
    if not re.fullmatch(_NAME, name):
        raise NotAReference(
            "spec-reference-not-usable",
            f"`{_short(text)}` is not the name of a compute.",
            "Write the name of a compute of the workspace, for example `compute: local`.",
        )
    return name


def local_path(text: str) -> str:
    """Return a local path in its one spelling, relative to the YAML's folder (`.` is that folder itself).

    It may lead above that folder with `..`, as the original allows; who reads the files decides what may be reached.
    """
    if found := _SCHEME.match(text):
        raise NotAReference(
            "spec-reference-not-usable",
            f"Paths that begin with `{found[0]}` are not known.",
            "Use a local path, https, an Azure storage URL or an azureml: reference.",
        )
    path = text.removeprefix("file:").replace("\\", "/")
    if not path.strip() or any(not sign.isprintable() for sign in path):
        raise NotAReference(
            "spec-path-outside", f"`{_short(text)}` is not a path.", "Write a path relative to the YAML's folder."
        )
    if path.startswith(("/", "~")) or re.match(r"[A-Za-z]:", path):
        raise NotAReference(
            "spec-path-outside", f"`{_short(text)}` is an absolute path.", "Write it relative to the YAML's folder."
        )
    return posixpath.normpath(path)


def _named(text: str) -> Reference:
    found = _LONG.fullmatch(text) or _SHORT.fullmatch(text)
    if not found:
        raise _unusable(text, "Write azureml:<name>:<version> or azureml:<name>@latest.")
    return _from_match("asset", text, found)


def _from_match(kind: Kind, text: str, found: re.Match[str]) -> Reference:
    groups = {name: value or "" for name, value in found.groupdict().items() if name != "kind"}
    return Reference(kind, text, **groups)


def _unusable(text: str, todo: str) -> NotAReference:
    return NotAReference(
        "spec-reference-not-usable", f"`{_short(text)}` is not a reference that can be followed.", todo
    )


def _short(text: str) -> str:
    printable = "".join(sign if sign.isprintable() else "?" for sign in text)
    return printable if len(printable) <= 80 else f"{printable[:77]}…"
