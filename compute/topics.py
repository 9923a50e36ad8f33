"""Who may watch what happens to clusters and computes."""

from typing import Any

from compute.models import Compute
from studio.accounts.access import require_operator, workspace_for
from studio.live.topics import register_topic


def register() -> None:
    """Make the topics of clusters and computes watchable."""
    register_topic("clusters", _operators)
    register_topic("cluster", _operators)
    register_topic("extension", _operators)
    register_topic("computes", _members)
    register_topic("compute", _members_of_its_workspace)


def _operators(user: Any, key: str) -> None:
    require_operator(user)


def _members(user: Any, workspace: str) -> None:
    workspace_for(user, workspace)


def _members_of_its_workspace(user: Any, id: str) -> None:
    compute = Compute.objects.select_related("workspace").filter(pk=id).first() if id.isdecimal() else None
    workspace_for(user, compute.workspace.name if compute else "")
