"""Tie endpoints to what lies below them: who may watch them, and what the watch of a cluster says of their pods."""

from typing import Any

from endpoints.models import Endpoint
from studio.accounts.access import workspace_for
from studio.live.topics import register_topic


def connect() -> None:
    """Register the topics of endpoints."""
    register_topic("endpoints", _workspace)
    register_topic("endpoint", _endpoint)


def _workspace(user: Any, key: str) -> None:
    workspace_for(user, key)


def _endpoint(user: Any, key: str) -> None:
    endpoint = Endpoint.objects.select_related("workspace").filter(pk=key).first() if key.isdecimal() else None
    workspace_for(user, endpoint.workspace.name if endpoint else "")
