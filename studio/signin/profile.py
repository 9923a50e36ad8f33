"""What people change of themselves: how they are called, and how the studio looks to them."""

from typing import Any

from django.db import transaction

from studio.accounts.models import User
from studio.audit.services import record
from studio.core.errors import ProblemError
from studio.core.templatetags.mooring import THEMES
from studio.signin import preferences
from studio.signin.models import Preferences

LONGEST_NAME = 150


def change_profile(
    actor: Any,
    user: User,
    *,
    first_name: str | None = None,
    last_name: str | None = None,
    time_zone: str | None = None,
    theme: str | None = None,
) -> Preferences:
    """Change a person's own names, time zone and theme; what is None stays. Return what pages look like to them now."""
    names = {"first_name": first_name, "last_name": last_name}
    wanted = {field: value.strip() for field, value in names.items() if value is not None}
    for field, value in wanted.items():
        if len(value) > LONGEST_NAME:
            raise ProblemError("request-invalid", field=field, text=f"The name is longer than {LONGEST_NAME} letters.")
    if time_zone and time_zone not in preferences.zones():
        raise ProblemError("request-invalid", field="time_zone", text="There is no such time zone; `Europe/Berlin` is one.")
    if theme is not None and theme not in THEMES:
        raise ProblemError("request-invalid", field="theme", text=f"The theme is one of {', '.join(THEMES)}.")
    looks = {field: value for field, value in (("time_zone", time_zone), ("theme", theme)) if value is not None}
    with transaction.atomic():
        before = {field: getattr(user, field) for field in wanted}
        if before != wanted:
            for field, value in wanted.items():
                setattr(user, field, value)
            user.save(update_fields=list(wanted))
            diff = {field.replace("_", " "): [before[field], value] for field, value in wanted.items() if before[field] != value}
            record(actor, "changed", user, diff=diff)
        return Preferences.objects.update_or_create(user=user, defaults=looks)[0] if looks else preferences.of(user)
