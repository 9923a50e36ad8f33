"""What the replicas of a deployment say: the page, its bytes, a container's log of before its restart, and the whole as a file."""

import time
from collections.abc import Iterator
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_GET

from compute.kube.client import KubeClient
from compute.kube.errors import Invalid, KubeError, NotFound
from compute.kube.kubeconfig_parts import KubeconfigRefused
from compute.selectors import kube_client
from endpoints.following import CONTAINERS, FIRST_LINES, Lines, log_of, look, path_of, topic_of
from endpoints.manifests import SERVER
from endpoints.models import Deployment, Endpoint, Replica
from endpoints.selectors import deployment_for, deployments_of, endpoint_for
from endpoints.views.parts import endpoint_page, link
from studio.accounts.http import workspace_view
from studio.accounts.models import Workspace
from studio.core.bytes import download, range_of_file
from studio.core.errors import ProblemError

# What one answer may bring.
MOST_BYTES = 8 * 1024 * 1024
MOST_DOWNLOADED = 512 * 1024 * 1024
# How long the first answer waits for the first lines of a log that nobody looked at until now.
BEGIN_SECONDS, ASK_SECONDS = 3.0, 0.1


class ReplicaGoneError(ProblemError):
    """The pod that was asked about is no replica of the deployment, or not any more."""


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
        places = (deployment.name, replica.pod_name, container)
        context["log_tabs"] = _tabs(endpoint, deployment, replica, container, previous=previous)
        context["download_url"] = link("log-download", endpoint, *places, **({"previous": "1"} if previous else {}))
        if previous:
            context["bytes_url"] = link("log-lines", endpoint, *places)
        else:
            row = log_of(replica, container)
            look(row)
            context |= {"bytes_url": link("log-bytes", endpoint, *places, log=str(row.pk)), "topic": topic_of(row)}
    return endpoint_page(request, "endpoints/log.html", workspace, endpoint, "logs", context)


@require_GET
@workspace_view("reader")
def log_bytes(request: HttpRequest, workspace: Workspace, name: str, deployment: str, pod: str, container: str) -> HttpResponseBase:
    """Answer `?from=&to=` with raw bytes of what was taken of a log, and have it followed for a while.

    `X-Log-Ended` says that nothing more will come, `X-Log-Said` what the node says instead of lines.
    """
    try:
        _, replica = _replica(workspace, name, deployment, pod, container)
    except ReplicaGoneError:
        return _lines(b"", "", ended=True, said="This replica is gone; what it said last is above.")
    row = log_of(replica, container)
    if request.GET.get("log", str(row.pk)) != str(row.pk):
        # What this page has was forgotten meanwhile: offsets of another file mean nothing to it.
        return _lines(b"", "", ended=True, said="Nobody looked for long, so that this log was begun anew. Load the page again.")
    look(row)
    ends = time.monotonic() + BEGIN_SECONDS
    while row.read_at is None and not row.size and time.monotonic() < ends:
        time.sleep(ASK_SECONDS)
        row.refresh_from_db()
    # Asked before the size is taken: bytes that come in between are then never missed.
    response = range_of_file(request, path_of(row))
    response.headers["X-Log-Ended"] = "true" if row.ended else "false"
    _say(response, row.said)
    return response


@require_GET
@workspace_view("reader")
def lines(request: HttpRequest, workspace: Workspace, name: str, deployment: str, pod: str, container: str) -> HttpResponseBase:
    """Answer with what a container said before it was started again, bounded; nothing more will come of it."""
    endpoint, _ = _replica(workspace, name, deployment, pod, container)
    try:
        with _client(endpoint).logs(
            endpoint.namespace, pod, container, tail=FIRST_LINES, previous=True, timestamps=True, limit_bytes=MOST_BYTES
        ) as stream:  # fmt: skip
            read = stream.read(MOST_BYTES + 1024)
    except NotFound:
        return _lines(b"", "", ended=True)
    except Invalid as error:
        return _lines(b"", "", ended=True, said=error.message)
    except (KubeError, KubeconfigRefused) as error:
        return HttpResponse(f"The cluster does not answer: {error}"[:300], status=503, content_type="text/plain; charset=utf-8")
    taken = Lines()
    return _lines(taken.take(read + b"\n"), taken.last, ended=True, cut=len(read) > MOST_BYTES // 2)


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


def _lines(body: bytes, after: str, *, ended: bool = False, cut: bool = False, said: str = "") -> HttpResponse:
    response = HttpResponse(body, content_type="application/octet-stream")
    response.headers["X-Log-After"] = after
    response.headers["X-Log-Ended"] = "true" if ended else "false"
    response.headers["X-Log-Cut"] = "true" if cut else "false"
    _say(response, said)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-store"
    return response


def _say(response: HttpResponseBase, said: str) -> None:
    response.headers["X-Log-Said"] = said.encode("ascii", errors="replace").decode()[:200].replace("\n", " ").replace("\r", " ")


def _replica(workspace: Workspace, name: str, deployment: str, pod: str, container: str) -> tuple[Endpoint, Replica]:
    endpoint = endpoint_for(workspace, name)
    found = deployment_for(endpoint, deployment).replicas.filter(pod_name=pod).first()
    if container not in CONTAINERS:
        raise ProblemError("not-found")
    if found is None:
        raise ReplicaGoneError("not-found")
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
