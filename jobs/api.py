"""API operations on jobs."""

from types import SimpleNamespace
from typing import Any, cast

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from ninja import Header, Query, Router

from jobs import following_out, selectors, services
from jobs.models import Job, Output, Process
from jobs.submit import check_job
from jobs.tables import JOBS
from studio.accounts.access import workspace_for
from studio.api.bodies import RequestBody
from studio.api.conditions import matched
from studio.api.paging import After, Limit, page_of
from studio.assets.services import store
from studio.assets.trees import Tree, TreeFile, zip_stream
from studio.core.bytes import download, download_of
from studio.core.errors import ProblemError
from studio.tables.operations import list_query, listed_rows

router = Router(tags=["jobs"])
JobsQuery: Any = list_query(JOBS)


class JobIn(RequestBody):
    """A job to submit: its YAML, and the digests of the trees that came with it."""

    yaml: str
    set: list[str] = []
    code: str | None = None
    local_inputs: dict[str, str] = {}


class JobToCheck(RequestBody):
    """A job to check before anything is sent: `local_inputs` names the inputs that will come as files."""

    yaml: str
    set: list[str] = []
    local_inputs: list[str] = []


@router.post("/workspaces/{workspace}/jobs", response={201: dict[str, Any]})
def create_job(
    request: HttpRequest, workspace: str, given: JobIn, idempotency_key: str = Header("", alias="Idempotency-Key")
) -> tuple[int, dict[str, Any]]:
    """Submit a job."""
    space = workspace_for(request.user, workspace, "contributor")
    job = services.submit_job(
        request.user, space, text=given.yaml, overrides=given.set, code=given.code or "", local_inputs=given.local_inputs,
        idempotency_key=idempotency_key,
    )  # fmt: skip
    return 201, shown(request, job)


@router.post("/workspaces/{workspace}/jobs/validate")
def validate_job(request: HttpRequest, workspace: str, given: JobToCheck) -> dict[str, Any]:
    """Check a job's YAML without submitting it."""
    space = workspace_for(request.user, workspace, "contributor")
    accepted = check_job(space, given.yaml, given.set, "", {}, files=False)
    return {"valid": True, "warnings": accepted.warnings, "compute": accepted.compute.name, "image": accepted.values["image"]}


@router.get("/workspaces/{workspace}/jobs")
def list_jobs(request: HttpRequest, workspace: str, given: Query[JobsQuery], mine: bool = False) -> dict[str, Any]:
    """List jobs, newest first."""
    space = workspace_for(request.user, workspace)
    if mine:
        given.show = "mine"  # type: ignore[attr-defined]
    rows = selectors.jobs_of(space)
    return listed_rows(request, JOBS, rows, given, show=lambda job: shown(request, job, whole=False), workspace=space)


@router.get("/workspaces/{workspace}/jobs/{name}")
def get_job(request: HttpRequest, workspace: str, name: str) -> dict[str, Any]:
    """Return one job."""
    return shown(request, matched(request, _job(request, workspace, name)))


@router.get("/workspaces/{workspace}/jobs/{name}/yaml")
def get_yaml(request: HttpRequest, workspace: str, name: str) -> HttpResponse:
    """Return the YAML that the job was submitted with."""
    return HttpResponse(_job(request, workspace, name).yaml, content_type="application/yaml")


@router.post("/workspaces/{workspace}/jobs/{name}/cancel")
def cancel_job(request: HttpRequest, workspace: str, name: str) -> dict[str, Any]:
    """Ask a job to end."""
    job = matched(request, _job(request, workspace, name, "contributor"))
    return shown(request, services.cancel_job(request.user, job))


@router.post("/workspaces/{workspace}/jobs/{name}/resubmit", response={201: dict[str, Any]})
def resubmit_job(
    request: HttpRequest, workspace: str, name: str, idempotency_key: str = Header("", alias="Idempotency-Key")
) -> tuple[int, dict[str, Any]]:
    """Submit the same job once more."""
    job = _job(request, workspace, name, "contributor")
    return 201, shown(request, services.resubmit_job(request.user, job, idempotency_key=idempotency_key))


@router.delete("/workspaces/{workspace}/jobs/{name}", response={204: None})
def delete_job(request: HttpRequest, workspace: str, name: str) -> tuple[int, None]:
    """Delete a job that is over, with its logs and outputs."""
    services.delete_job(request.user, matched(request, _job(request, workspace, name, "contributor")))
    return 204, None


@router.get("/workspaces/{workspace}/jobs/{name}/logs")
def list_logs(request: HttpRequest, workspace: str, name: str, limit: Limit = 50, after: After = None) -> dict[str, Any]:
    """List the logs that a job has: one a process and attempt, and the runner's own."""
    job = _job(request, workspace, name)
    # In the order of logs_of: a reader takes the last row of a process as its log.
    rows = [*enumerate(following_out.logs_of(job))]
    return page_of(rows, limit=limit, after=after, key=lambda row: f"{row[0]:09}", show=lambda row: row[1])


@router.get("/workspaces/{workspace}/jobs/{name}/logs/{process}")
def get_log(
    request: HttpRequest, workspace: str, name: str, process: int, offset: int = 0, follow: bool = False, file: str = "std_log.txt",
    timestamps: bool = False,
) -> HttpResponseBase:  # fmt: skip
    """Return the raw bytes of a process's newest log from `offset` on; with `follow`, as they come, until it has ended.

    With `timestamps`, what is answered first and each line begin with the time at which the studio received it, as
    `2026-03-01T12:00:00.250Z` and a space (a dash and 24 spaces where none was kept): 25 bytes that `offset` does not count.
    """
    job = _job(request, workspace, name)
    return following_out.log_response(
        job, index=process, file=file, offset=max(0, offset), follow=follow, timestamps=timestamps, watcher=request.user
    )


@router.get("/workspaces/{workspace}/jobs/{name}/outputs")
def list_outputs(request: HttpRequest, workspace: str, name: str, limit: Limit = 50, after: After = None) -> dict[str, Any]:
    """List the files that a job left."""
    rows = _job(request, workspace, name).output_files.all()
    return page_of(rows, limit=limit, after=after, key=lambda row: f"{row.root}/{row.path}", show=_output)


@router.get("/workspaces/{workspace}/jobs/{name}/outputs.zip")
def get_outputs_zip(request: HttpRequest, workspace: str, name: str) -> HttpResponseBase:
    """Return all files that a job left as one zip."""
    job = _job(request, workspace, name)
    files = tuple(TreeFile(f"{row.root}/{row.path}", row.size, row.digest) for row in job.output_files.all())
    # Only its files are used: a tree that comes from people may not hold all names that a job may leave.
    tree = cast(Tree, SimpleNamespace(files=files))
    return download(zip_stream(tree, store()), name=f"{job.name}.zip", kind="application/zip")


@router.get("/workspaces/{workspace}/jobs/{name}/outputs/{root}/{path:path}")
def get_output(request: HttpRequest, workspace: str, name: str, root: str, path: str) -> HttpResponseBase:
    """Return one file that a job left."""
    job = _job(request, workspace, name)
    row = job.output_files.filter(root=root, path=path).first()
    if row is None:
        raise ProblemError("not-found")
    return download_of(
        request, lambda start, end: store().stream(row.digest, start, end), size=row.size, digest=row.digest, name=path.rpartition("/")[2]
    )


def shown(request: HttpRequest, job: Job, *, whole: bool = True) -> dict[str, Any]:
    """Return a job as the API shows it."""
    url = reverse("jobs:detail", args=[job.workspace.name, job.name])
    values: dict[str, Any] = {
        "name": job.name,
        "display_name": job.display_name or job.name,
        "experiment": job.experiment,
        "type": job.type,
        "status": job.status,
        "status_text": job.get_status_display(),
        "reason": job.reason,
        "next_step": job.next_step,
        "compute": job.compute_name,
        "simulated": job.cluster is not None and job.cluster.simulated,
        "instance_type": job.instance_type,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "ended_at": job.ended_at,
        "tags": job.tags,
        "submitted_by": job.submitted_by.username if job.submitted_by else "",
        "url": request.build_absolute_uri(url),
    }
    if not whole:
        return values
    problem = selectors.problem_of(job)
    processes = selectors.processes_of(job)
    return values | {
        "problem": problem.as_dict() if problem else None,
        "warnings": job.warnings,
        "image": job.image,
        "instance_count": job.instance_count,
        "timeout_seconds": job.timeout_seconds,
        "retries": job.retries,
        "retries_used": selectors.retries_used(processes),
        "inputs": {name: _input(value) for name, value in job.inputs.items()},
        "outputs": {name: {"type": value.get("type")} for name, value in job.outputs.items()},
        "timeline": [{"status": t.status, "at": t.at, "reason": t.reason} for t in job.transitions.all()],
        "processes": [_process(process) for process in processes],
    }


def _output(row: Output) -> dict[str, Any]:
    return {"root": row.root, "path": row.path, "size": row.size, "sha256": row.digest.removeprefix("sha256:")}


def _input(value: dict[str, Any]) -> dict[str, Any]:
    return {key: value[key] for key in ("value", "type", "given", "size") if key in value}


def _process(process: Process) -> dict[str, Any]:
    return {
        "index": process.index,
        "attempt": process.attempt,
        "pod": process.pod_name,
        "node": process.node,
        "exit_code": process.exit_code,
        "log_bytes": following_out.kept(process),
        "started_at": process.started_at,
        "ended_at": process.ended_at,
    }


def _job(request: HttpRequest, workspace: str, name: str, role: str = "reader") -> Job:
    return selectors.job_for(workspace_for(request.user, workspace, role), name)
