"""What the pods of deployments ask of the studio: `/runner/v1/deployments/<id>/…`, with the token of that deployment.

A token opens the model and the code of its own deployment's revisions, and lives as long as the deployment: pods are
made anew months after it was rolled out.
"""

import hmac
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from endpoints.models import Deployment
from studio.assets.services import store
from studio.assets.store import BlobMissing
from studio.assets.trees import Tree, load_tree, tar_size, tar_stream
from studio.core.bytes import pieces
from studio.core.errors import ProblemError

View = Callable[..., HttpResponseBase]


def for_the_deployment(view: View) -> View:
    """Let in who has the deployment's own token; anyone else gets 401 and learns nothing."""

    @csrf_exempt
    @require_http_methods(["GET"])
    @wraps(view)
    def guarded(request: HttpRequest, id: int, **kwargs: Any) -> HttpResponseBase:
        deployment = Deployment.objects.filter(pk=id).first()
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        known = bool(deployment and deployment.token)
        token = deployment.token if deployment and known else "-"
        if not hmac.compare_digest(given.encode(), token.encode()) or not known:
            raise ProblemError("sign-in-needed")
        return view(request, deployment, **kwargs)

    guarded.access = "deployment token"  # type: ignore[attr-defined]
    return guarded


@for_the_deployment
def tree(request: HttpRequest, deployment: Deployment, digest: str) -> HttpResponseBase:
    """Answer with the list of a tree's files, in the bytes that have its digest."""
    return HttpResponse(_tree(deployment, digest).canonical, content_type="application/json")


@for_the_deployment
def tree_tar(request: HttpRequest, deployment: Deployment, digest: str) -> HttpResponseBase:
    """Answer with all files of a tree as one tar stream."""
    found = _tree(deployment, digest)
    response = StreamingHttpResponse(pieces(tar_stream(found, store())), content_type="application/x-tar")
    response.headers["Content-Length"] = str(tar_size(found))
    return response


def _tree(deployment: Deployment, digest: str) -> Tree:
    if digest not in _digests(deployment):
        raise ProblemError("not-found")
    try:
        return load_tree(digest, store())
    except BlobMissing as error:
        raise ProblemError("not-found") from error


def _digests(deployment: Deployment) -> set[str]:
    found = set()
    for spec in deployment.revisions.values_list("spec", flat=True):
        found |= {spec.get("code_digest") or "", (spec.get("model") or {}).get("digest") or ""}
    return found - {""}


urlpatterns = [
    path("runner/v1/deployments/<int:id>/trees/<str:digest>.tar", tree_tar),
    path("runner/v1/deployments/<int:id>/trees/<str:digest>", tree),
]
