"""Who may watch a person's notices: that person."""

from typing import Any

from studio.core.errors import ProblemError
from studio.live.topics import register_topic


def register() -> None:
    """Make the topic of a person's notices watchable."""
    register_topic("notices", _own)


def _own(user: Any, key: str) -> None:
    if str(user.pk) != key:
        raise ProblemError("not-found")
