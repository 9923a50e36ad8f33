"""API operations over the whole studio: search, and how the fleet is."""

from typing import Annotated, Any, Literal

from django.http import HttpRequest
from ninja import Query, Router
from pydantic import Field

from compute import selectors as computing
from compute.models import Cluster
from compute.services import runs_in_a_cluster
from compute.shown import capacity
from compute.troubles import shown as trouble_shown
from compute.troubles import troubles
from studio.accounts.access import require_operator, workspace_for
from studio.api.bodies import RequestBody
from studio.core.errors import ProblemError
from studio.frame import yamls
from studio.frame.search import LONGEST, MOST, find, shown

router = Router(tags=["studio"])
Kind = Literal["job", "endpoint", "model", "compute", "cluster", "workspace"]


class YamlToCheck(RequestBody):
    """A YAML as it is being written, and what it is to be."""

    kind: Literal["command-job", "model", "online-endpoint", "online-deployment"]
    yaml: str = Field(max_length=yamls.LONGEST)


@router.get("/schemas/{kind}")
def schema(request: HttpRequest, kind: str) -> dict[str, Any]:
    """Return the JSON schema of a kind of YAML (command-job, model, online-endpoint, online-deployment), for editors."""
    if kind not in yamls.SCHEMAS:
        raise ProblemError("not-found")
    return yamls.schema(kind)


@router.post("/workspaces/{workspace}/yaml/check")
def check_yaml(request: HttpRequest, workspace: str, given: YamlToCheck) -> dict[str, Any]:
    """Tell what is wrong with a YAML by line and column; what only submitting finds out is not among it."""
    return yamls.check(workspace_for(request.user, workspace, "contributor"), given.kind, given.yaml)


@router.get("/search")
def search(
    request: HttpRequest,
    q: Annotated[str, Query(min_length=1, max_length=LONGEST)],
    kind: Annotated[list[Kind], Query()] = [],  # noqa: B006 - never changed
    workspace: str = "",
    limit: Annotated[int, Query(ge=1, le=MOST)] = 6,
) -> dict[str, Any]:
    """Find what is called like `q` among all that the caller may see; `limit` counts for each kind."""
    inside = workspace_for(request.user, workspace) if workspace else None
    hits = find(request.user, q, kinds=kind, workspace=inside, most=limit)
    return {"items": [shown(hit) for hit in hits], "next": None}


@router.get("/fleet")
def fleet(request: HttpRequest) -> dict[str, Any]:
    """Tell what all clusters have free together, what is wrong with any of them, and whether the studio runs in one; for operators."""
    require_operator(request.user)
    clusters = list(Cluster.objects.order_by("name").prefetch_related("nodes"))
    nodes = [node for cluster in clusters if cluster.status != "unreachable" for node in cluster.nodes.all()]
    states: dict[str, int] = {}
    for cluster in clusters:
        states[cluster.status] = states.get(cluster.status, 0) + 1
    return {
        "clusters": states,
        "runs_in_a_cluster": runs_in_a_cluster(),
        "capacity": capacity(computing.capacity_of(nodes)),
        "troubles": [trouble_shown(one) for one in troubles(clusters)],
    }
