"""What the studio answers, typed. Each has the whole answer too, so that nothing newer is lost."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Self

FINAL = frozenset({"Completed", "Failed", "Canceled"})


@dataclass(frozen=True, kw_only=True)
class _Answer:
    answer: Mapping[str, Any] = field(repr=False, compare=False)

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Self:
        """Read an answer: known fields by name, times as datetimes, all of it in `answer`."""
        known = {one.name: one.type for one in fields(cls) if one.name != "answer"}
        values = {name: _value(answer[name], str(kind)) for name, kind in known.items() if name in answer}
        return cls(answer=answer, **values)


@dataclass(frozen=True, kw_only=True)
class Workspace(_Answer):
    """A workspace and the caller's role in it."""

    name: str
    display_name: str = ""
    description: str = ""
    role: str = ""
    archived: bool = False


@dataclass(frozen=True, kw_only=True)
class Member(_Answer):
    """A person's role in a workspace: owner, contributor or reader."""

    username: str
    full_name: str = ""
    role: str = ""
    active: bool = True


@dataclass(frozen=True, kw_only=True)
class Person(_Answer):
    """A person; `link` is there only in the answer that made it."""

    username: str
    full_name: str = ""
    email: str = ""
    roles: Mapping[str, bool] = field(default_factory=dict)
    state: str = ""
    active: bool = True
    deleted: bool = False
    link: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class Invitation(_Answer):
    """An invitation or a password link; `link` is there only in the answer that made it."""

    id: int
    kind: str = ""
    state: str = ""
    email: str = ""
    expires_at: datetime | None = None
    link: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class Token(_Answer):
    """A token; `token`, the secret, is there only in the answer that made it."""

    id: int
    name: str = ""
    username: str = ""
    scopes: list[str] = field(default_factory=list)
    workspaces: list[str] | None = None
    state: str = ""
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    token: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class Me(_Answer):
    """Who the caller is."""

    username: str
    roles: Mapping[str, bool] = field(default_factory=dict)
    workspaces: list[Mapping[str, str]] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class BrowserSession(_Answer):
    """A session in a browser; `current` is the one that asks, which a program's never is."""

    id: int
    device: str = ""
    address: str = ""
    signed_in_at: datetime | None = None
    last_used_at: datetime | None = None
    current: bool = False


@dataclass(frozen=True, kw_only=True)
class Cluster(_Answer):
    """An attached cluster; `status` is connecting, ready, degraded, unreachable or detaching, `reason` says why."""

    name: str
    status: str = ""
    reason: str = ""
    server: str = ""
    kubernetes_version: str = ""
    distribution: str = ""
    capacity: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class InstanceType(_Answer):
    """An instance type of a cluster; `spec` is that of the InstanceType resource."""

    name: str
    spec: Mapping[str, Any] = field(default_factory=dict)
    default: bool = False
    description: str = ""
    size: str = ""
    resource_version: str = ""


@dataclass(frozen=True, kw_only=True)
class Compute(_Answer):
    """A compute of a workspace: one namespace of a cluster."""

    name: str
    cluster: str = ""
    namespace: str = ""
    status: str = ""
    reason: str = ""
    default_instance_type: str = ""


@dataclass(frozen=True, kw_only=True)
class Job(_Answer):
    """A job; `reason` says why its status is what it is, `is_final` that it will not change any more."""

    name: str
    status: str
    display_name: str = ""
    experiment: str = ""
    type: str = "command"
    reason: str = ""
    next_step: str = ""
    status_text: str = ""
    compute: str = ""
    instance_type: str = ""
    created_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    timeline: list[Mapping[str, Any]] = field(default_factory=list)
    processes: list[Mapping[str, Any]] = field(default_factory=list)
    problem: Mapping[str, Any] | None = None
    inputs: Any = None
    outputs: Any = None
    tags: Mapping[str, str] | None = None
    submitted_by: str = ""
    url: str = ""

    def attempt(self, process: int) -> int:
        """Return the number of the newest attempt of one process, 0 before there is one."""
        return max((int(one.get("attempt", 0)) for one in self.processes if one.get("index") == process), default=0)

    @property
    def is_final(self) -> bool:
        """Say whether the job has ended, in whichever way."""
        return self.status in FINAL


@dataclass(frozen=True, kw_only=True)
class LogFile(_Answer):
    """The log of one process: how many bytes the studio has, and whether more may come."""

    process: int
    attempt: int = 0
    file: str = "std_log.txt"
    bytes: int = 0
    final: bool = False


@dataclass(frozen=True, kw_only=True)
class OutputFile(_Answer):
    """One kept output: its root (`artifacts` or a named output), path, size in bytes and SHA-256."""

    root: str
    path: str
    size: int = 0
    sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class Model(_Answer):
    """A model of a workspace: a name under which versions are kept."""

    name: str
    type: str = ""
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    archived: bool = False
    latest_version: str | None = None
    created_at: datetime | None = None
    url: str = ""


@dataclass(frozen=True, kw_only=True)
class ModelVersion(_Answer):
    """A version of a model; `base_name` is the folder or file that its files are found as, `job` the one that left them."""

    name: str
    version: str
    reference: str = ""
    type: str = ""
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    flavors: Mapping[str, Any] = field(default_factory=dict)
    base_name: str = ""
    is_file: bool = False
    size: int = 0
    count: int = 0
    job: str = ""
    archived: bool = False
    created_at: datetime | None = None
    url: str = ""


@dataclass(frozen=True, kw_only=True)
class Endpoint(_Answer):
    """An online endpoint; `status` is creating, updating, ready, failed or deleting, `applied` whether the router follows."""

    name: str
    status: str = ""
    reason: str = ""
    compute: str = ""
    scoring_uri: str = ""
    traffic: Mapping[str, int] = field(default_factory=dict)
    mirror_traffic: Mapping[str, int] = field(default_factory=dict)
    applied: bool = False
    problem: Mapping[str, Any] | None = None
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime | None = None
    url: str = ""


@dataclass(frozen=True, kw_only=True)
class Deployment(_Answer):
    """A deployment; `status` is creating, updating, rolling-back, ready, degraded, failed or deleting."""

    name: str
    endpoint_name: str = ""
    status: str = ""
    reason: str = ""
    problem: Mapping[str, Any] | None = None
    traffic: int = 0
    instance_count: int = 1
    ready_replicas: int = 0
    revision: int | None = None
    image: str = ""
    model: str = ""
    replicas: list[Mapping[str, Any]] = field(default_factory=list)
    revisions: list[Mapping[str, Any]] = field(default_factory=list)
    created_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Called(_Answer):
    """What an endpoint answered; `way` is router, or pod where the router cannot be reached."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    base64: bool = False
    cut: bool = False
    milliseconds: float = 0.0
    way: str = ""
    note: str = ""

    @property
    def content(self) -> bytes:
        """The bytes of the answer."""
        return b64decode(self.body) if self.base64 else self.body.encode()


def _value(value: Any, kind: str) -> Any:
    if isinstance(value, str) and kind.startswith("datetime"):
        return datetime.fromisoformat(value)
    if value is None and kind == "str":
        return ""
    return value
