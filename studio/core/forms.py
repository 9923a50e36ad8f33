"""Problems that services raise, at the fields of the form that they came from."""

from django import forms

from studio.core.errors import MooringError, ProblemError, ProblemList


def show_problems(form: forms.Form, error: MooringError, *, elsewhere: str = "") -> list[ProblemError]:
    """Put each problem at its field; return those that belong to none."""
    problems = error.errors if isinstance(error, ProblemList) else [error]
    left = []
    for problem in problems:
        if not isinstance(problem, ProblemError):
            raise error
        name = (problem.field or "").replace(".", "_").replace("/", "_")
        name = name if name in form.fields else elsewhere
        if name in form.fields:
            form.add_error(name, f"{problem.text} {problem.todo}")
        else:
            left.append(problem)
    return left
