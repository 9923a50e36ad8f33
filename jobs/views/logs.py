"""The logs of a job's processes: the page, their bytes, and downloads."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.http import require_GET

from jobs import selectors
from jobs.following_out import records_response
from jobs.keeping import cut_at
from jobs.models import LOG_FILES, Job, Process
from jobs.views.overview import log_url
from jobs.views.parts import job_page, link
from studio.accounts.http import workspace_view
from studio.accounts.models import Workspace
from studio.core.bytes import download, file_pieces, range_of_file, whole
from studio.core.errors import ProblemError

FILES = {"std_log.txt": "Log", "prepare.txt": "Preparing", "runner.txt": "Runner"}


@require_GET
@workspace_view("reader")
def log(request: HttpRequest, workspace: Workspace, name: str) -> HttpResponse:
    """Show one log of one process, with tabs for the others."""
    job = selectors.job_for(workspace, name)
    processes = selectors.processes_of(job)
    process = _chosen(processes, request.GET.get("process", ""))
    file = request.GET.get("file", "std_log.txt")
    file = file if file in LOG_FILES else "std_log.txt"
    context: dict[str, Any] = {"process": process, "file": file, "compact": True}
    if process:
        context |= {
            "log_tabs": _tabs(workspace, job, processes, process, file),
            "bytes_url": log_url("log-bytes", workspace, job, process, file),
            "times_url": log_url("log-times", workspace, job, process, file),
            "download_url": log_url("log-download", workspace, job, process, file),
            "topic": f"log:{process.pk}.{file.removesuffix('.txt')}",
            "ended": job.is_final or process.log_final,
            "too_large": cut_at(process.log_path(file)) is not None,
            "cut": process.log_tail_lost and file == "std_log.txt",
        }
    return job_page(request, "jobs/log.html", workspace, job, "log", context)


@require_GET
@workspace_view("reader")
def log_bytes(request: HttpRequest, workspace: Workspace, name: str, process: int, file: str) -> HttpResponseBase:
    """Answer `?from=&to=` with raw bytes of a log, its size in `X-Log-Size`, and whether all of it is here."""
    row = _process(workspace, name, process, file)
    # Asked before the size is taken: bytes that come in between are then never missed.
    ended = row.log_final or row.job.is_final
    response = range_of_file(request, row.log_path(file))
    response.headers["X-Log-Ended"] = "true" if ended else "false"
    return response


@require_GET
@workspace_view("reader")
def log_times(request: HttpRequest, workspace: Workspace, name: str, process: int, file: str) -> HttpResponseBase:
    """Answer with the records of when a log's bytes came, from the one that tells of `?from=` on."""
    path = _process(workspace, name, process, file).log_path(file)
    return records_response(path, whole(request.GET.get("from"), 0))


@require_GET
@workspace_view("reader")
def log_download(request: HttpRequest, workspace: Workspace, name: str, process: int, file: str) -> HttpResponseBase:
    """Send a whole log as a file."""
    row = _process(workspace, name, process, file)
    path = row.log_path(file)
    if not path.exists():
        return download([], name=_file_name(row, file), size=0, kind="text/plain; charset=utf-8")
    size = path.stat().st_size
    return download(file_pieces(path, 0, size), name=_file_name(row, file), size=size, kind="text/plain; charset=utf-8")


def _process(workspace: Workspace, name: str, process: int, file: str) -> Process:
    job = selectors.job_for(workspace, name)
    row = Process.objects.filter(job=job, pk=process).first()
    if row is None or file not in LOG_FILES:
        raise ProblemError("not-found")
    row.job = job
    return row


def _chosen(processes: list[Process], asked: str) -> Process | None:
    found = next((one for one in processes if str(one.pk) == asked), None)
    return found or selectors.main_process(processes) or next(iter(processes), None)


def _tabs(workspace: Workspace, job: Job, processes: list[Process], now: Process, file: str) -> list[dict[str, Any]]:
    """Return a tab for each process (and each attempt that was not the last), then the system's logs of the chosen one."""
    last = {one.index: one.attempt for one in processes}
    tabs = []
    for one in processes if len(processes) > 1 else []:
        title = f"Process {one.index}" if len(last) > 1 else "Log"
        title += f", attempt {one.attempt}" if last[one.index] > 1 else ""
        active = one.pk == now.pk and file == "std_log.txt"
        tabs.append({"title": title, "url": link("log", workspace, job, process=str(one.pk)), "active": active})
    for name, title in FILES.items():
        if name == "std_log.txt" and tabs:
            continue
        url = link("log", workspace, job, process=str(now.pk), file="" if name == "std_log.txt" else name)
        tabs.append({"title": title, "url": url, "active": file == name})
    return tabs


def _file_name(process: Process, file: str) -> str:
    return f"{process.job.name}-{process.index}-{process.attempt}-{file}"
