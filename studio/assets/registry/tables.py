"""What the apps above register: where a path of a model may lead, what a job is called, and who uses a version."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from studio.accounts.models import Workspace
from studio.assets.registry.given import Given
from studio.assets.registry.models import ModelVersion
from studio.assets.trees import Tree


@dataclass(frozen=True)
class Found:
    """The files that a path leads to, under which name they were found, and which job left them."""

    tree: Tree
    base_name: str
    is_file: bool = False
    job_name: str = ""
    job_output: str = ""
    job_path: str = ""


@dataclass(frozen=True)
class Origin:
    """The job that left a model's files, as it is shown: `gone` when it has been deleted."""

    title: str
    url: str = ""
    status: str = ""
    gone: bool = False


@dataclass(frozen=True)
class Use:
    """One thing that uses a version: `holds` when the version must not be deleted under it."""

    kind: str
    title: str
    url: str
    status: str = ""
    holds: bool = False


@dataclass(frozen=True)
class FromYaml:
    """What a YAML says of a model, and where its fields stand: line and column by name, for problems found later."""

    given: Given
    place: Callable[[str], tuple[int | None, int | None]]


@dataclass(frozen=True)
class Action:
    """Something that can be done with a version, as a button of its page."""

    title: str
    icon: str
    url: str


# Each is asked in turn what files a path such as `azureml://jobs/…` leads to; None when it is not of its kind.
SOURCES: dict[str, Callable[[Workspace, str], Found | None]] = {}
# Under the kind of origin (`job`): how the job of a version is shown.
ORIGINS: dict[str, Callable[[Workspace, str], Origin]] = {}
# Under `yaml`: how a text with what was set over it (`--set`) is read.
READERS: dict[str, Callable[[str, Sequence[str]], FromYaml]] = {}
# Under the app's name: what of it uses a version.
USERS: dict[str, Callable[[ModelVersion], list[Use]]] = {}
# Under the app's name: what a contributor can do with a version that is not archived.
ACTIONS: dict[str, Callable[[ModelVersion], list[Action]]] = {}


def found_at(workspace: Workspace, path: str) -> Found | None:
    """Return the files that a path leads to, or None when no app knows paths of its kind."""
    for source in SOURCES.values():
        found = source(workspace, path)
        if found is not None:
            return found
    return None


def origin_of(version: ModelVersion) -> Origin | None:
    """Return the job that left the files of a version, or None when it came from a person's folder."""
    if not version.job_name:
        return None
    shown = ORIGINS.get("job")
    return shown(version.model.workspace, version.job_name) if shown else Origin(version.job_name, gone=True)


def uses_of(version: ModelVersion) -> list[Use]:
    """Return all that uses a version."""
    return [use for users in USERS.values() for use in users(version)]


def actions_of(version: ModelVersion) -> list[Action]:
    """Return what can be done with a version beyond its own page."""
    return [action for actions in ACTIONS.values() for action in actions(version)]
