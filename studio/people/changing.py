"""What all changes of people share: compare, set, and tell the difference."""

from typing import Any

from django.db.models import Model

from studio.core.errors import ProblemError


def change(row: Model, **wanted: Any) -> dict[str, list[Any]]:
    """Set the fields of a row that differ, if it still is as it was read; return the difference.

    Raises `changed-meanwhile` when somebody else was faster.
    """
    was = {field: getattr(row, field) for field in wanted}
    diff = {field: [was[field], value] for field, value in wanted.items() if was[field] != value}
    if not diff:
        return {}
    new = {field: after for field, (_, after) in diff.items()}
    if not type(row)._default_manager.filter(pk=row.pk, **{field: before for field, (before, _) in diff.items()}).update(**new):
        raise ProblemError("changed-meanwhile", what=str(row))
    for field, value in new.items():
        setattr(row, field, value)
    return diff
