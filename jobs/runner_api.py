"""What the pods of jobs ask of the studio: `/runner/v1/jobs/<name>/…`, with the token of that one job.

A token opens its own job's code, inputs and outputs, and dies with the job.
"""

import hmac
import json
from collections.abc import Callable
from functools import wraps
from typing import Any, cast

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from jobs import keeping
from jobs.models import FINAL, LOG_FILES, Job, Process
from jobs.progress import finished, settle
from studio.assets.services import store
from studio.assets.store import BlobMissing
from studio.assets.trees import Tree, load_tree, tar_size, tar_stream
from studio.core.bytes import PIECE, pieces
from studio.core.errors import ProblemError
from studio.core.texts import keepable

log = structlog.get_logger(__name__)

MOST_FINISH_BYTES = 32 * 1024 * 1024
View = Callable[..., HttpResponseBase]
# What a pod may send in one request, by what it is.
BODIES: dict[str, Callable[[], int]] = {
    "outputs/": lambda: settings.LARGEST_OUTPUTS,
    "processes/[0-9]+/finish$": lambda: MOST_FINISH_BYTES,
}


def job_behind(name: str, token: str) -> Job | None:
    """Return the job of this name if the token is its own and it is not over."""
    job = Job.objects.select_related("workspace").filter(name=name).first()
    known = bool(job and job.token and job.status not in FINAL)
    same = hmac.compare_digest(token.encode(), (job.token if job and known else "-").encode())
    return job if known and same else None


def for_the_job(*methods: str) -> Callable[[View], View]:
    """Let in who has the job's own token, while the job is not over; anyone else gets 401 and learns nothing."""

    def decorate(view: View) -> View:
        @csrf_exempt
        @require_http_methods(methods)
        @wraps(view)
        def guarded(request: HttpRequest, name: str, **kwargs: Any) -> HttpResponseBase:
            job = job_behind(name, request.headers.get("Authorization", "").removeprefix("Bearer "))
            if job is None:
                raise ProblemError("sign-in-needed")
            return view(request, job, **kwargs)

        guarded.access = "job token"  # type: ignore[attr-defined]
        return guarded

    return decorate


@for_the_job("GET")
def tree(request: HttpRequest, job: Job, digest: str) -> HttpResponseBase:
    """Answer with the list of a tree's files, in the bytes that have its digest."""
    return HttpResponse(_tree(job, digest).canonical, content_type="application/json")


@for_the_job("GET")
def tree_tar(request: HttpRequest, job: Job, digest: str) -> HttpResponseBase:
    """Answer with all files of a tree as one tar stream."""
    found = _tree(job, digest)
    response = StreamingHttpResponse(pieces(tar_stream(found, store())), content_type="application/x-tar")
    response.headers["Content-Length"] = str(tar_size(found))
    return response


@for_the_job("GET")
def blob(request: HttpRequest, job: Job, digest: str) -> HttpResponseBase:
    """Answer with one file of the job's trees."""
    if not any(file.digest == digest for root in _digests(job) for file in load_tree(root, store()).files):
        raise ProblemError("not-found")
    response = StreamingHttpResponse(pieces(store().stream(digest)), content_type="application/octet-stream")
    response.headers["Content-Length"] = str(store().size(digest))
    return response


@for_the_job("PUT")
def output(request: HttpRequest, job: Job, index: int, root: str, file: str) -> HttpResponseBase:
    """Keep one output file; its digest must be the one that the header announces."""
    digest = f"sha256:{request.headers.get('X-Mooring-Sha256', '').lower()}"
    kept = keeping.keep_output(job, index=index, root=root, path=file, digest=digest, source=cast(Any, request))
    return JsonResponse({"sha256": kept.digest.removeprefix("sha256:"), "size": kept.size})


@for_the_job("POST")
def finish(request: HttpRequest, job: Job, index: int) -> HttpResponseBase:
    """Acknowledge, by digest, all that a process left; 409 names what is not here."""
    given = _json(request)
    process = Process.objects.filter(job=job, pod_uid=str(given.get("pod_uid"))).first()
    if process is None:
        # The watch has not told of this pod yet: the runner asks again.
        return JsonResponse({"acknowledged": False}, status=503)
    missing = keeping.missing_outputs(job, _rows(given, "outputs"))
    if missing:
        return JsonResponse({"acknowledged": False, "missing": missing[:1000]}, status=409)
    exit = given.get("exit")
    finished(process, exit=exit if isinstance(exit, dict) and "code" in exit else None, problems=_rows(given, "problems"))
    return JsonResponse({"acknowledged": True})


@for_the_job("PUT")
def log_tail(request: HttpRequest, job: Job, index: int) -> HttpResponseBase:
    """Keep bytes of a process's log that nobody came to read; answers how many are kept without a hole."""
    process = Process.objects.filter(job=job, pod_uid=request.GET.get("pod_uid", "")).first()
    offset = request.GET.get("offset", "")
    file = request.GET.get("file", "std_log.txt")
    if process is None or not offset.isdecimal() or len(offset) > 18 or file not in LOG_FILES:
        raise ProblemError("request-invalid", text="No such process, or no offset.")
    at = int(offset)
    end = keeping.stored_bytes(process, file)
    cut_at = keeping.cut_at(process.log_path(file))
    while piece := request.read(PIECE):
        if at > end and cut_at is None:
            break
        end = keeping.append_log(process.log_path(file), keeping.log_topic(process, file), at, piece)
        at += len(piece)
    if file == "std_log.txt":
        _note_end(process, end)
    return JsonResponse({"stored": end})


def _note_end(process: Process, end: int) -> None:
    values: dict[str, Any] = {"log_bytes": end}
    if keeping.log_is_whole(process):
        values["log_final"] = True
    Process.objects.filter(pk=process.pk).update(**values)
    if values.get("log_final"):
        keeping.note_cut(process)
        settle(process.job_id)


def _digests(job: Job) -> set[str]:
    mounts = (value.get("mount") or {} for value in job.inputs.values())
    return {job.code_digest, *(mount.get("digest", "") for mount in mounts)} - {""}


def _tree(job: Job, digest: str) -> Tree:
    if digest not in _digests(job):
        raise ProblemError("not-found")
    try:
        return load_tree(digest, store())
    except BlobMissing as error:
        raise ProblemError("not-found") from error


def _json(request: HttpRequest) -> dict[str, Any]:
    raw = request.read(MOST_FINISH_BYTES + 1)
    try:
        # NaN and its like are no JSON: the database would refuse them.
        given = json.loads(raw, parse_constant=_no_number) if len(raw) <= MOST_FINISH_BYTES else None
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise ProblemError("request-invalid", text="The body is not a JSON object.")
    # What a job's command wrote may be in it.
    return cast(dict[str, Any], keepable(given))


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number of JSON")


def _rows(given: dict[str, Any], name: str) -> list[dict[str, Any]]:
    rows = given.get(name) or []
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


urlpatterns = [
    path("runner/v1/jobs/<str:name>/trees/<str:digest>.tar", tree_tar),
    path("runner/v1/jobs/<str:name>/trees/<str:digest>", tree),
    path("runner/v1/jobs/<str:name>/blobs/<str:digest>", blob),
    path("runner/v1/jobs/<str:name>/outputs/<int:index>/<str:root>/<path:file>", output),
    path("runner/v1/jobs/<str:name>/processes/<int:index>/finish", finish),
    path("runner/v1/jobs/<str:name>/processes/<int:index>/log", log_tail),
]
