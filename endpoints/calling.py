"""Call an endpoint from the studio, as anybody with a key would: for the Test tab, the API and the command line.

The call goes to the router's address over TLS; the certificate is checked against the one that the studio put there, so
it works also where the name does not resolve or the authority is a private one. Where the router answers only inside
the cluster, the call takes the way through the API server to a replica, and says so.
"""

import ssl
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from django.conf import settings
from django.db import transaction

from compute import selectors as computes
from compute.kube.config import KubeconfigRefused
from compute.kube.errors import KubeError
from compute.kube.reach import OutOfReach
from compute.router import Router
from endpoints.models import Deployment, Endpoint
from endpoints.routing import DEPLOYMENT_HEADER
from endpoints.selectors import deployments_of, router_for
from studio.audit.services import record
from studio.core.errors import ProblemError

MOST_SENT, MOST_SHOWN = 10 * 1024 * 1024, 1024 * 1024
SLACK_SECONDS = 5.0
CONNECT_SECONDS = 5.0
# Nothing of the way back that a browser must not take from a model.
HIDDEN = {"set-cookie", "connection", "transfer-encoding", "keep-alive"}


@dataclass(frozen=True)
class Answer:
    """What an endpoint answered: its body cut at 1 MiB, the time in milliseconds, and the way the call took."""

    status: int
    headers: dict[str, str]
    body: bytes
    milliseconds: float
    way: str
    cut: bool = False
    note: str = ""
    request: dict[str, Any] = field(default_factory=dict)


def call_endpoint(
    actor: Any,
    endpoint: Endpoint,
    *,
    body: bytes,
    content_type: str = "application/json",
    deployment: str = "",
    path: str = "score",
    method: str = "POST",
) -> Answer:
    """Send one request and return what came back, whatever its status; raises when no answer came.

    `path` is `score` or `swagger.json`. The call is written down, its body is not.
    """
    if len(body) > MOST_SENT:
        raise ProblemError("too-large", what="The request", limit="10 MiB")
    if path not in ("score", "swagger.json"):
        raise ProblemError("not-found")
    rows = deployments_of(endpoint)
    chosen = next((one for one in rows if one.name == deployment), None)
    if deployment and chosen is None:
        names = ", ".join(one.name for one in rows) or "none yet"
        raise ProblemError("endpoint-traffic-unknown", field="deployment", endpoint=endpoint.name, name=deployment, known=names)
    router = router_for(endpoint)
    with transaction.atomic():
        record(actor, "called", endpoint, workspace=endpoint.workspace.name, diff={"deployment": [None, deployment]} if deployment else {})
    headers = {"Content-Type": content_type or "application/json", "Accept": "*/*", "Accept-Encoding": "identity"}
    if deployment:
        headers[DEPLOYMENT_HEADER] = deployment
    seconds = _patience(rows, chosen)
    if router.base_url and not router.in_cluster:
        return _by_router(endpoint, router, method, f"/api/v1/endpoint/{endpoint.name}/{path}", headers, body, seconds)
    if not router.installed:
        raise ProblemError("endpoint-not-callable", reason=router.reason or "The cluster has no router.")
    return _by_pod(endpoint, rows, chosen, method, path, headers, body, seconds, router)


def _by_router(
    endpoint: Endpoint, router: Router, method: str, path: str, headers: Mapping[str, str], body: bytes, seconds: float
) -> Answer:
    """Call the router's address: where `address` is known the connection goes there, under the name of the address."""
    host = f"{router.host}:{router.port}" if router.port not in (0, 80, 443) else router.host
    place = router.address or router.host
    sent = {**headers, "Host": host, "Authorization": f"Bearer {endpoint.primary_key}"}
    extensions = {"sni_hostname": router.host} if router.scheme == "https" else {}
    began = time.perf_counter()
    try:
        with httpx.Client(
            verify=_trust(endpoint) if router.scheme == "https" else False, trust_env=False, timeout=_timeout(seconds)
        ) as client:
            response = _first_answer(
                client, _places(place, router), router, method=method, path=path, headers=sent, content=body if method != "GET" else None,
                extensions=extensions,
            )  # fmt: skip
            try:
                taken = _read(response)
            finally:
                response.close()
    except OutOfReach as error:
        raise ProblemError("kube-address-refused", text=str(error)) from error
    except (httpx.HTTPError, OSError) as error:
        raise ProblemError("endpoint-call-failed", text=f"{router.base_url or place}: {error or type(error).__name__}") from error
    spent = (time.perf_counter() - began) * 1000
    shown = {name: value for name, value in response.headers.items() if name.lower() not in HIDDEN}
    return Answer(response.status_code, shown, taken[:MOST_SHOWN], round(spent, 2), "router", len(taken) > MOST_SHOWN)


def _by_pod(
    endpoint: Endpoint,
    rows: list[Deployment],
    chosen: Deployment | None,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    seconds: float,
    router: Router,
) -> Answer:
    """Call a ready replica through the API server: of the deployment named, else of the one with most of the traffic."""
    target = chosen or max((one for one in rows if one.traffic), key=lambda one: one.traffic, default=None)
    replica = next((one for one in (target.replicas.all() if target else []) if one.ready), None)
    if target is None or replica is None or endpoint.compute is None:
        reason = "No deployment gets traffic." if target is None else f"No replica of {target.name} is ready."
        raise ProblemError("endpoint-not-callable", reason=reason)
    spec = (target.good.spec if target.good else {}) or {}
    scoring = (spec.get("routes") or {}).get("scoring") or {"path": "/score", "port": 5001}
    where = scoring["path"] if path == "score" else "/swagger.json"
    began = time.perf_counter()
    try:
        client = computes.kube_client(endpoint.compute.cluster)
        answer = client.pod_proxy(
            endpoint.namespace, replica.pod_name, int(scoring["port"]), method, where,
            headers=dict(headers), body=body, timeout=seconds,
        )  # fmt: skip
        taken = answer.read(MOST_SHOWN + 1)
    except (KubeError, KubeconfigRefused) as error:
        raise ProblemError("endpoint-call-failed", text=str(error)[:400]) from error
    spent = (time.perf_counter() - began) * 1000
    shown = {name: value for name, value in answer.headers.items() if name.lower() not in HIDDEN}
    why = "answers only inside the cluster" if router.in_cluster else "has no address yet"
    note = f"The router {why}: {target.name} was called directly, without it and its keys. {router.reason}".strip()
    return Answer(answer.status, shown, taken[:MOST_SHOWN], round(spent, 2), "pod", len(taken) > MOST_SHOWN, note)


def _places(place: str, router: Router) -> list[str]:
    """Return the addresses that may be called, in order: it is the cluster that says where its router is."""
    places: list[str] = settings.CLUSTER_NETWORKS.places(place, router.port or (443 if router.scheme == "https" else 80))
    return places


def _first_answer(client: httpx.Client, places: list[str], router: Router, *, method: str, path: str, **given: Any) -> httpx.Response:
    """Send the request to the first address that takes a connection; nothing was sent to those before it."""
    *others, last = places
    for place in (*others, last):
        request = client.build_request(method, httpx.URL(scheme=router.scheme, host=place, port=router.port or None, path=path), **given)
        try:
            return client.send(request, stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            if place == last:
                raise
    raise AssertionError("a router has an address, or places() has said that it has none")


def _trust(endpoint: Endpoint) -> ssl.SSLContext:
    """Return what the router's certificate is checked against: the machine's authorities, and the chain put there."""
    context = ssl.create_default_context()
    certificate = getattr(endpoint.compute.cluster, "certificate", None) if endpoint.compute else None
    chain = getattr(certificate, "chain", "")
    if chain:
        # The chain that was uploaded is trusted as it is: it is known to be the router's.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=chain)
    return context


def _read(response: httpx.Response) -> bytes:
    """Return as much of the answer as is shown; one that is packed once, though nobody asked for it, unpacks to no more than that."""
    packed = response.headers.get("Content-Encoding", "").strip().lower() in ("gzip", "x-gzip", "deflate")
    reader = zlib.decompressobj(wbits=47) if packed else None
    taken = bytearray()
    try:
        for piece in response.iter_raw():
            taken += reader.decompress(piece, MOST_SHOWN + 1 - len(taken)) if reader else piece
            if len(taken) > MOST_SHOWN:
                break
    except zlib.error as error:
        raise httpx.DecodingError(f"what came back is not packed as it says: {error}") from error
    return bytes(taken)


def _timeout(seconds: float) -> httpx.Timeout:
    return httpx.Timeout(seconds, connect=CONNECT_SECONDS)


def _patience(rows: list[Deployment], chosen: Deployment | None) -> float:
    limits = [int(((one.good.spec if one.good else {}).get("request_settings") or {}).get("request_timeout_ms", 5000))
              for one in ([chosen] if chosen else rows)]  # fmt: skip
    return max(limits, default=5000) / 1000 + SLACK_SECONDS
