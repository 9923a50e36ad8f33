"""What the replicas of a deployment say, read from their nodes: the page, new lines, and the whole as a file."""

from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_GET

from compute.kube.client import KubeClient
from compute.kube.errors import Invalid, KubeError, NotFound
from compute.kube.kubeconfig_parts import KubeconfigRefused
from compute.selectors import kube_client
from endpoints.manifests import PREPARE, SERVER
from endpoints.models import Deployment, Endpoint, Replica
from endpoints.selectors import deployment_for, deployments_of, endpoint_for
from endpoints.views.parts import endpoint_page, link
from studio.accounts.http import workspace_view
from studio.accounts.models import Workspace
from studio.core.bytes import download
from studio.core.errors import ProblemError

CONTAINERS = {SERVER: "Server", PREPARE: "Preparing"}
# What a page begins with, and what one answer may bring.
FIRST_LINES = 5_000
MOST_BYTES = 8 * 1024 * 1024
MOST_DOWNLOADED = 512 * 1024 * 1024
# A kubelet's time is of fixed width, so that times compare as text: 2026-03-01T12:00:00.000000000Z.
_TIME = 30


@require_GET
@workspace_view("reader")
def log(request: HttpRequest, workspace: Workspace, name: str) -> HttpResponse:
    """Show the log of one container of one replica, with the others to choose from."""
    endpoint = endpoint_for(workspace, name)
    rows = deployments_of(endpoint)
    asked = request.GET.get("deployment", "")
    deployment = next((row for row in rows if row.name == asked), next(iter(rows), None))
    replicas = list(deployment.replicas.all()) if deployment else []
    replica = next((one for one in replicas if one.pod_name == request.GET.get("replica")), next(iter(replicas), None))
    container = request.GET.get("container", SERVER)
    container = container if container in CONTAINERS else SERVER
    previous = "previous" in request.GET and replica is not None
    context: dict[str, Any] = {"deployments": rows, "deployment": deployment, "replicas": replicas, "replica": replica}
    context |= {"container": container, "previous": previous}
    if deployment and replica:
        query = {"previous": "1"} if previous else {}
        places = (deployment.name, replica.pod_name, container)
        context |= {
            "log_tabs": _tabs(endpoint, deployment, replica, container, previous=previous),
            "bytes_url": link("log-lines", endpoint, *places, **query),
            "download_url": link("log-download", endpoint, *places, **query),
        }
    return endpoint_page(request, "endpoints/log.html", workspace, endpoint, "logs", context)


@require_GET
@workspace_view("reader")
def lines(request: HttpRequest, workspace: Workspace, name: str, deployment: str, pod: str, container: str) -> HttpResponseBase:
    """Answer with the lines that came after `?after=` (a node's time), as the node has them, bounded.

    `X-Log-After` is where to go on; `X-Log-Ended` says that nothing more will come.
    """
    endpoint, replica = _replica(workspace, name, deployment, pod, container)
    after = request.GET.get("after", "")
    after = after if len(after) == _TIME and after.endswith("Z") else ""
    previous = "previous" in request.GET
    try:
        client = _client(endpoint)
        read = _read(client, endpoint.namespace, pod, container, after, previous=previous)
    except NotFound:
        return _lines(b"", after, ended=True)
    except Invalid as error:
        # Not begun yet, or there is no container of before: the kubelet says which.
        return _lines(b"", after, ended=previous, said=error.message)
    except (KubeError, KubeconfigRefused) as error:
        return HttpResponse(f"The cluster does not answer: {error}"[:300], status=503, content_type="text/plain; charset=utf-8")
    kept, last = after_time(read, after)
    return _lines(kept, last, ended=previous or replica.state == "ended", cut=not after and len(read) > MOST_BYTES // 2)


@require_GET
@workspace_view("reader")
def download_log(request: HttpRequest, workspace: Workspace, name: str, deployment: str, pod: str, container: str) -> HttpResponseBase:
    """Send all that the node has of a container's log, with the times of its lines."""
    endpoint, _ = _replica(workspace, name, deployment, pod, container)
    previous = "previous" in request.GET
    try:
        stream = _client(endpoint).logs(
            endpoint.namespace, pod, container, previous=previous, timestamps=True, limit_bytes=MOST_DOWNLOADED
        )  # fmt: skip
    except (Invalid, NotFound):
        raise ProblemError("not-found") from None
    except (KubeError, KubeconfigRefused) as error:
        return render(request, "endpoints/log_trouble.html", {"text": str(error)}, status=503)

    def pieces() -> Iterator[bytes]:
        with stream:
            yield from stream

    file = f"{endpoint.name}-{pod}-{container}{'-previous' if previous else ''}.txt"
    return download(pieces(), name=file, kind="text/plain; charset=utf-8")


def after_time(read: bytes, after: str) -> tuple[bytes, str]:
    """Return the lines later than a time without their times, and the time of the last one."""
    kept, last = bytearray(), after
    for line in read.splitlines(keepends=True):
        time, space, text = line.partition(b" ")
        if not space or len(time) != _TIME:
            # The first line may be cut in its middle.
            continue
        at = time.decode("ascii", errors="replace")
        if at <= after:
            continue
        last = at
        kept += text
    return bytes(kept), last


def _read(client: KubeClient, namespace: str, pod: str, container: str, after: str, *, previous: bool) -> bytes:
    # A kubelet knows whole seconds only: those of the last one come again and are dropped.
    since = f"{after[:19]}Z" if after else None
    tail = None if after else FIRST_LINES
    with client.logs(
        namespace, pod, container, since=since, tail=tail, previous=previous, timestamps=True, limit_bytes=MOST_BYTES
    ) as stream:  # fmt: skip
        return stream.read(MOST_BYTES + 1024)


def _lines(body: bytes, after: str, *, ended: bool = False, cut: bool = False, said: str = "") -> HttpResponse:
    response = HttpResponse(body, content_type="application/octet-stream")
    response.headers["X-Log-After"] = after
    response.headers["X-Log-Ended"] = "true" if ended else "false"
    response.headers["X-Log-Cut"] = "true" if cut else "false"
    if said:
        response.headers["X-Log-Said"] = said.encode("ascii", errors="replace").decode()[:200].replace("\n", " ")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-store"
    return response


def _replica(workspace: Workspace, name: str, deployment: str, pod: str, container: str) -> tuple[Endpoint, Replica]:
    endpoint = endpoint_for(workspace, name)
    found = deployment_for(endpoint, deployment).replicas.filter(pod_name=pod).first()
    if found is None or container not in CONTAINERS:
        raise ProblemError("not-found")
    return endpoint, found


def _client(endpoint: Endpoint) -> KubeClient:
    if endpoint.compute is None:
        raise ProblemError("not-found")
    return kube_client(endpoint.compute.cluster)


def _tabs(endpoint: Endpoint, deployment: Deployment, replica: Replica, container: str, *, previous: bool) -> list[dict[str, Any]]:
    def tab(title: str, of: str, *, before: bool = False) -> dict[str, Any]:
        query = {"deployment": deployment.name, "replica": replica.pod_name}
        query |= {"container": "" if of == SERVER else of, "previous": "1" if before else ""}
        return {"title": title, "url": link("logs", endpoint, **query), "active": of == container and before == previous}

    tabs = [tab(title, of) for of, title in CONTAINERS.items()]
    if replica.restarts or previous:
        tabs.insert(1, tab("Server before its restart", SERVER, before=True))
    return tabs
