"""What is wrong with a YAML, each thing with its place.

SpecError            one or more issues, in the order of the text
└─ issues: SpecIssue problem id, field, line, column, sentence, next step
SpecWarning          something accepted that will have no effect
"""

from dataclasses import dataclass
from typing import Any

from jobs.spec.problems import TITLES


@dataclass(frozen=True)
class SpecIssue:
    """One thing that is wrong: the field as `inputs.a.mode` (empty for the whole), line and column from 1 or None."""

    problem_id: str
    path: str
    line: int | None
    column: int | None
    text: str
    todo: str

    @property
    def title(self) -> str:
        """Return the problem's title from the catalogue."""
        return TITLES[self.problem_id]

    @property
    def place(self) -> str:
        """Return where it is, in words: `line 3, column 5`, or nothing."""
        return "" if self.line is None else f"line {self.line}, column {self.column}"

    def as_dict(self) -> dict[str, Any]:
        """Return the issue as plain JSON values."""
        return {
            "id": self.problem_id,
            "title": self.title,
            "path": self.path,
            "line": self.line,
            "column": self.column,
            "text": self.text,
            "todo": self.todo,
        }

    def __str__(self) -> str:
        return f"{self.place}: {self.text} {self.todo}" if self.place else f"{self.text} {self.todo}"


class SpecError(Exception):
    """A YAML that is not accepted, with everything found wrong at once."""

    def __init__(self, *issues: SpecIssue) -> None:
        super().__init__("\n".join(str(issue) for issue in issues))
        self.issues = tuple(sorted(issues, key=lambda issue: (issue.line or 0, issue.column or 0)))

    @property
    def problem_id(self) -> str:
        """Return the first issue's problem id."""
        return self.issues[0].problem_id


@dataclass(frozen=True)
class SpecWarning:
    """A field that is accepted and has no effect here."""

    path: str
    line: int | None
    column: int | None
    text: str

    def as_dict(self) -> dict[str, Any]:
        """Return the warning as plain JSON values."""
        return {"path": self.path, "line": self.line, "column": self.column, "text": self.text}

    def __str__(self) -> str:
        return self.text if self.line is None else f"line {self.line}, column {self.column}: {self.text}"
