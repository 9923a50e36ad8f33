"""Who may watch the audit grow: `audit` those who see all of it, `audit:<workspace>` its owners."""

from typing import Any

from studio.accounts.access import require_operator, workspace_for
from studio.live.topics import register_topic


def register() -> None:
    """Make the audit watchable."""
    register_topic("audit", _readers)


def _readers(user: Any, key: str) -> None:
    if key:
        workspace_for(user, key, "owner", archived=True)
    else:
        require_operator(user)
