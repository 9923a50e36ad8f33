"""What can go wrong on the client's side, in words.

MooringError            something a person is told: id, title, what happened, what to do
├── MooringProblem      the studio said so (problem+json); carries the HTTP status and errors by line
└── ConnectionLost      the studio could not be reached, or the connection broke
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class MooringError(Exception):
    """Carry one problem: its id, its title, what happened and what to do about it."""

    def __init__(self, id: str, title: str, detail: str = "", todo: str = "") -> None:
        super().__init__(f"{title}: {detail}" if detail else title)
        self.id = id
        self.title = title
        self.detail = detail
        self.todo = todo


def wait_over(text: str, todo: str = "Look later: it goes on in the studio.") -> MooringError:
    """Return the problem of something that was waited for long enough."""
    return MooringError("wait-over", "It takes longer", text, todo)


class ConnectionLost(MooringError):
    """Say that the studio could not be reached, or stopped answering half-way."""


@dataclass(frozen=True)
class ErrorAt:
    """One error and its place: the field's path, and line and column when it came from YAML."""

    text: str
    path: str = ""
    line: int | None = None
    column: int | None = None


class MooringProblem(MooringError):
    """Carry a problem that the studio answered with."""

    def __init__(
        self,
        id: str,
        title: str,
        detail: str = "",
        todo: str = "",
        *,
        status: int,
        errors: tuple[ErrorAt, ...] = (),
        body: dict[str, Any] | None = None,
        who: str = "",
    ) -> None:
        super().__init__(id, title, detail, todo)
        self.status = status
        self.errors = errors
        self.body = body or {}
        # Who can do what is to be done: anyone, contributor, owner, operator or administrator.
        self.who = who
