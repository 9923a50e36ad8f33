"""What is raised when a person must be told something.

    MooringError
      ProblemError   one problem of the catalogue, at a field or for the whole request
      ProblemList    several at once (a form, a YAML)

A person's error is told and never retried; the world's errors (a cluster that does not answer) have their own trees
and become problems only when their deadline has passed.
"""

from collections.abc import Sequence
from typing import Any

from studio.core.caller import note_problem
from studio.core.problems import CATALOGUE, WHO, Problem


class MooringError(Exception):
    """The root of everything the studio raises on purpose."""


class ProblemError(MooringError):
    """One problem of the catalogue with the words filled in; `field` says where it was given."""

    def __init__(self, id: str, *, field: str | None = None, line: int | None = None, column: int | None = None,
                 **params: Any) -> None:  # fmt: skip
        self.problem: Problem = CATALOGUE[id]
        self.field = field
        self.line = line
        self.column = column
        self.params = params
        super().__init__(f"{id}: {self.text}")
        note_problem(id, self.status)

    @property
    def title(self) -> str:
        return self.problem.title

    @property
    def text(self) -> str:
        return _fill(self.problem.text, self.params)

    @property
    def todo(self) -> str:
        return _fill(self.problem.todo, self.params)

    @property
    def who(self) -> str:
        """Say who can do what is to be done; nothing where it is the person who is told."""
        return "" if self.problem.who == "anyone" else WHO[self.problem.who]

    @property
    def status(self) -> int:
        return self.problem.status

    def as_dict(self) -> dict[str, Any]:
        """Return the problem as RFC 9457 (problem+json) has it, with `todo` and where it was given."""
        answer: dict[str, Any] = {
            "type": f"/docs/problems/{self.problem.id}",
            "id": self.problem.id,
            "title": self.title,
            "status": self.status,
            "detail": self.text,
            "todo": self.todo,
            "who": self.problem.who,
        }
        place = {"field": self.field, "line": self.line, "column": self.column}
        return answer | {key: value for key, value in place.items() if value is not None}


class ProblemList(MooringError):
    """Several problems found in one thing that a person gave."""

    def __init__(self, errors: Sequence[ProblemError]) -> None:
        self.errors = list(errors)
        super().__init__("; ".join(str(error) for error in errors))

    @property
    def status(self) -> int:
        return self.errors[0].status

    def as_dict(self) -> dict[str, Any]:
        """Return the first problem with all of them under `errors`."""
        return self.errors[0].as_dict() | {"errors": [error.as_dict() for error in self.errors]}


class _Blank(dict[str, Any]):
    """Stand in for a parameter that was not given: the words are shown rather than lost to a KeyError."""

    def __missing__(self, key: str) -> str:
        return f"({key})"


def _fill(words: str, params: dict[str, Any]) -> str:
    try:
        return words.format_map(_Blank(params))
    except (ValueError, IndexError):
        return words
