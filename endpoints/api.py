"""API operations on online endpoints and their deployments."""

import base64
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from ninja import Query, Router

from endpoints import calling, selectors, services
from endpoints.accepting import check_deployment, check_endpoint
from endpoints.figures.metrics import metrics_of
from endpoints.following_out import containers_of, follow_log
from endpoints.logs import read_log
from endpoints.models import Deployment, Endpoint
from endpoints.shown import called, deployment_shown, shown
from endpoints.tables import ENDPOINTS
from studio.accounts.access import workspace_for
from studio.api.bodies import RequestBody
from studio.api.conditions import matched
from studio.api.paging import After, Limit, page_of
from studio.core.errors import ProblemError
from studio.tables.operations import list_query, listed_rows

router = Router(tags=["online endpoints"])
EndpointsQuery: Any = list_query(ENDPOINTS)
_ALL = "/workspaces/{workspace}/online-endpoints"
_ONE = _ALL + "/{name}"
_DEPLOYMENTS = _ONE + "/deployments"
_DEPLOYMENT = _DEPLOYMENTS + "/{deployment}"


class EndpointIn(RequestBody):
    """An endpoint: its YAML, and what is set over it."""

    yaml: str
    set: list[str] = []


class DeploymentIn(RequestBody):
    """A deployment: its YAML, what is set over it, and the digests of the trees that came with it."""

    yaml: str
    set: list[str] = []
    code: str | None = None
    model: str | None = None
    all_traffic: bool = False


class TrafficIn(RequestBody):
    """How requests are shared (percents, 0 or 100 in all), and how many are copied; what is left out stays."""

    traffic: dict[str, int] | None = None
    mirror_traffic: dict[str, int] | None = None


class EditIn(RequestBody):
    """What is said of an endpoint."""

    description: str | None = None
    tags: dict[str, str] | None = None


class DeploymentEditIn(RequestBody):
    """What of a deployment is changed without touching its pods."""

    retry: bool


class KeyIn(RequestBody):
    """Which of the keys: primary or secondary."""

    key_type: str


class ScaleIn(RequestBody):
    """How many instances."""

    instance_count: int


class BackIn(RequestBody):
    """Which revision to go back to; none: the last good one before."""

    revision: int | None = None


class CallIn(RequestBody):
    """A request to send: its body as text, or base64 where it is no text."""

    body: str = ""
    base64: bool = False
    content_type: str = "application/json"
    deployment: str = ""
    path: str = "score"


@router.post(_ALL, response={201: dict[str, Any]})
def create_online_endpoint(request: HttpRequest, workspace: str, given: EndpointIn) -> tuple[int, dict[str, Any]]:
    """Create an endpoint."""
    space = workspace_for(request.user, workspace, "contributor")
    endpoint = services.create_endpoint(request.user, space, text=given.yaml, overrides=given.set)
    return 201, shown(request, endpoint)


@router.post(_ALL + "/validate")
def validate_online_endpoint(request: HttpRequest, workspace: str, given: EndpointIn) -> dict[str, Any]:
    """Check an endpoint's YAML without making it."""
    space = workspace_for(request.user, workspace, "contributor")
    accepted = check_endpoint(space, given.yaml, given.set, new=True)
    return {"valid": True, "name": accepted.name, "warnings": accepted.values["warnings"]}


@router.get(_ALL)
def list_online_endpoints(request: HttpRequest, workspace: str, given: Query[EndpointsQuery]) -> dict[str, Any]:
    """List endpoints, newest first."""
    space = workspace_for(request.user, workspace)
    rows = selectors.endpoints_of(space)
    return listed_rows(request, ENDPOINTS, rows, given, show=lambda one: shown(request, one, whole=False), workspace=space)


@router.get(_ONE)
def get_online_endpoint(request: HttpRequest, workspace: str, name: str) -> dict[str, Any]:
    """Return one endpoint with its deployments."""
    return shown(request, matched(request, _endpoint(request, workspace, name)))


@router.put(_ONE)
def update_online_endpoint(request: HttpRequest, workspace: str, name: str, given: EndpointIn) -> dict[str, Any]:
    """Bring an endpoint to what its YAML says."""
    endpoint = matched(request, _endpoint(request, workspace, name, "contributor"))
    return shown(request, services.update_endpoint(request.user, endpoint, text=given.yaml, overrides=given.set))


@router.patch(_ONE)
def edit_online_endpoint(request: HttpRequest, workspace: str, name: str, given: EditIn) -> dict[str, Any]:
    """Change the description or the tags of an endpoint."""
    endpoint = matched(request, _endpoint(request, workspace, name, "contributor"))
    return shown(request, services.edit_endpoint(request.user, endpoint, description=given.description, tags=given.tags))


@router.put(_ONE + "/traffic")
def set_online_endpoint_traffic(request: HttpRequest, workspace: str, name: str, given: TrafficIn) -> dict[str, Any]:
    """Share the requests among the deployments."""
    endpoint = matched(request, _endpoint(request, workspace, name, "contributor"))
    return shown(request, services.set_traffic(request.user, endpoint, traffic=given.traffic, mirror_traffic=given.mirror_traffic))


@router.post(_ONE + "/keys")
def get_online_endpoint_keys(request: HttpRequest, workspace: str, name: str) -> dict[str, Any]:
    """Return both keys of an endpoint; who asked is written down."""
    return dict(services.reveal_keys(request.user, _endpoint(request, workspace, name, "contributor")))


@router.post(_ONE + "/regenerate-keys")
def regenerate_online_endpoint_key(request: HttpRequest, workspace: str, name: str, given: KeyIn) -> dict[str, Any]:
    """Replace one key; the other goes on opening the endpoint."""
    endpoint = _endpoint(request, workspace, name, "contributor")
    return shown(request, services.regenerate_key(request.user, endpoint, which=given.key_type))


@router.post(_ONE + "/invoke")
def invoke_online_endpoint(request: HttpRequest, workspace: str, name: str, given: CallIn) -> dict[str, Any]:
    """Send one request through the studio and return what was answered."""
    endpoint = _endpoint(request, workspace, name, "contributor")
    body = _body(given)
    method = "GET" if given.path == "swagger.json" else "POST"
    answer = calling.call_endpoint(
        request.user, endpoint, body=body, content_type=given.content_type, deployment=given.deployment, path=given.path, method=method
    )
    return called(answer)


@router.get(_ONE + "/metrics")
def get_online_endpoint_metrics(
    request: HttpRequest, workspace: str, name: str, range: str = "15m", points: bool = False
) -> dict[str, Any]:
    """Return requests/s, times and errors of an endpoint and of each deployment; with `points` also over time.

    `range` is 15m, 1h, 6h, 24h or 14d. Times are milliseconds; points stand beside `at` in seconds, gaps as null.
    """
    return metrics_of(_endpoint(request, workspace, name), range, points=points)


@router.delete(_ONE, response={202: dict[str, Any]})
def delete_online_endpoint(request: HttpRequest, workspace: str, name: str) -> tuple[int, dict[str, Any]]:
    """Delete an endpoint with all its deployments."""
    endpoint = matched(request, _endpoint(request, workspace, name, "contributor"))
    services.delete_endpoint(request.user, endpoint)
    return 202, shown(request, endpoint, whole=False)


@router.post(_DEPLOYMENTS, response={201: dict[str, Any]})
def create_online_deployment(request: HttpRequest, workspace: str, name: str, given: DeploymentIn) -> tuple[int, dict[str, Any]]:
    """Create a deployment of an endpoint."""
    endpoint = _endpoint(request, workspace, name, "contributor")
    made = services.create_deployment(
        request.user, endpoint, text=given.yaml, overrides=given.set, code=given.code or "", model=given.model or "",
        all_traffic=given.all_traffic,
    )  # fmt: skip
    return 201, deployment_shown(made)


@router.post(_DEPLOYMENTS + "/validate")
def validate_online_deployment(request: HttpRequest, workspace: str, name: str, given: DeploymentIn) -> dict[str, Any]:
    """Check a deployment's YAML without making it; local files are taken as sent."""
    endpoint = _endpoint(request, workspace, name, "contributor")
    accepted = check_deployment(endpoint, given.yaml, given.set, files=False)
    return {"valid": True, "name": accepted.name, "warnings": accepted.warnings, "image": accepted.spec["image"]}


@router.get(_DEPLOYMENTS)
def list_online_deployments(request: HttpRequest, workspace: str, name: str, limit: Limit = 50, after: After = None) -> dict[str, Any]:
    """List the deployments of an endpoint."""
    endpoint = _endpoint(request, workspace, name)
    rows = selectors.deployments_of(endpoint)
    return page_of(rows, limit=limit, after=after, key=lambda one: one.name, show=lambda one: deployment_shown(one, whole=False))


@router.get(_DEPLOYMENT)
def get_online_deployment(request: HttpRequest, workspace: str, name: str, deployment: str) -> dict[str, Any]:
    """Return one deployment with its replicas and revisions."""
    return deployment_shown(matched(request, _deployment(request, workspace, name, deployment)))


@router.put(_DEPLOYMENT)
def update_online_deployment(request: HttpRequest, workspace: str, name: str, deployment: str, given: DeploymentIn) -> dict[str, Any]:
    """Bring a deployment to what its YAML says: a new revision if its pods change."""
    row = matched(request, _deployment(request, workspace, name, deployment, "contributor"))
    made = services.update_deployment(
        request.user, row, text=given.yaml, overrides=given.set, code=given.code or "", model=given.model or "",
        all_traffic=given.all_traffic,
    )  # fmt: skip
    return deployment_shown(made)


@router.patch(_DEPLOYMENT)
def edit_online_deployment(request: HttpRequest, workspace: str, name: str, deployment: str, given: DeploymentEditIn) -> dict[str, Any]:
    """Say whether requests whose connection failed are tried at another replica; no pod changes."""
    row = matched(request, _deployment(request, workspace, name, deployment, "contributor"))
    return deployment_shown(services.set_retries(request.user, row, on=given.retry))


@router.post(_DEPLOYMENT + "/scale")
def scale_online_deployment(request: HttpRequest, workspace: str, name: str, deployment: str, given: ScaleIn) -> dict[str, Any]:
    """Run so many instances of a deployment."""
    row = matched(request, _deployment(request, workspace, name, deployment, "contributor"))
    return deployment_shown(services.scale_deployment(request.user, row, instance_count=given.instance_count))


@router.post(_DEPLOYMENT + "/rollback")
def roll_back_online_deployment(request: HttpRequest, workspace: str, name: str, deployment: str, given: BackIn) -> dict[str, Any]:
    """Go back to a revision that was ready."""
    row = matched(request, _deployment(request, workspace, name, deployment, "contributor"))
    return deployment_shown(services.roll_back_deployment(request.user, row, number=given.revision))


@router.post(_DEPLOYMENT + "/retry")
def retry_online_deployment(request: HttpRequest, workspace: str, name: str, deployment: str) -> dict[str, Any]:
    """Roll the newest revision out once more."""
    return deployment_shown(services.retry_deployment(request.user, _deployment(request, workspace, name, deployment, "contributor")))


@router.post(_DEPLOYMENT + "/rollout")
def roll_out_online_deployment(request: HttpRequest, workspace: str, name: str, deployment: str) -> dict[str, Any]:
    """Replace all pods of a deployment, without a gap, by new ones made with the cluster's settings of now."""
    row = matched(request, _deployment(request, workspace, name, deployment, "contributor"))
    return deployment_shown(services.roll_out_deployment(request.user, row))


@router.delete(_DEPLOYMENT, response={202: dict[str, Any]})
def delete_online_deployment(request: HttpRequest, workspace: str, name: str, deployment: str) -> tuple[int, dict[str, Any]]:
    """Delete a deployment that gets no traffic."""
    row = matched(request, _deployment(request, workspace, name, deployment, "contributor"))
    services.delete_deployment(request.user, row)
    return 202, deployment_shown(row, whole=False)


@router.get(_DEPLOYMENT + "/logs")
def get_online_deployment_log(
    request: HttpRequest,
    workspace: str,
    name: str,
    deployment: str,
    container: str = "inference-server",
    pod: str = "",
    lines: int = 50,
    previous: bool = False,
    follow: bool = False,
    offset: int | None = None,
) -> HttpResponseBase:
    """Return the last lines of a container of a deployment: of the replica named, else of one that serves.

    `previous` is what it said before its restart. With `follow` what it says is sent as it comes, from its last lines or from
    `offset` on; `X-Log-Pod` and `X-Log-Offset` say which replica that is and where it begins, to go on from after a break.
    """
    row = _deployment(request, workspace, name, deployment)
    if follow and previous:
        raise ProblemError("field-invalid", field="previous", text="What was said before a restart is whole: it cannot be followed.")
    if follow:
        return follow_log(row, container=container, pod=pod, lines=lines, offset=offset, watcher=request.user)
    text = read_log(row, container=container, pod=pod, lines=lines, previous=previous)
    return HttpResponse(text, content_type="text/plain; charset=utf-8", headers={"X-Content-Type-Options": "nosniff"})


@router.get(_DEPLOYMENT + "/containers")
def list_online_deployment_containers(
    request: HttpRequest, workspace: str, name: str, deployment: str, limit: Limit = 50, after: After = None
) -> dict[str, Any]:
    """List the containers of each replica of a deployment whose log can be read."""
    rows = containers_of(_deployment(request, workspace, name, deployment))
    return page_of(rows, limit=limit, after=after, key=lambda one: f"{one['pod']}/{one['container']}", show=lambda one: one)


def _body(given: CallIn) -> bytes:
    try:
        return base64.b64decode(given.body, validate=True) if given.base64 else given.body.encode()
    except ValueError as error:
        raise ProblemError("request-invalid", field="body", text="`body` is not base64, though `base64` says so.") from error


def _endpoint(request: HttpRequest, workspace: str, name: str, role: str = "reader") -> Endpoint:
    return selectors.endpoint_for(workspace_for(request.user, workspace, role), name)


def _deployment(request: HttpRequest, workspace: str, name: str, deployment: str, role: str = "reader") -> Deployment:
    return selectors.deployment_for(_endpoint(request, workspace, name, role), deployment)
