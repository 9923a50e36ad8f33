"""What people do to endpoints and deployments from the pages: share traffic, scale, go back, try again, delete."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from endpoints import services
from endpoints.selectors import deployment_for, deployments_of, endpoint_for
from endpoints.views.details import refused_traffic
from studio.accounts.http import workspace_view
from studio.accounts.models import Workspace
from studio.core.errors import ProblemError, ProblemList


@require_POST
@workspace_view("contributor")
def set_traffic(request: HttpRequest, workspace: Workspace, name: str) -> HttpResponse:
    """Share the requests as the numbers of the form say, and copy some of them."""
    endpoint = endpoint_for(workspace, name)

    names = [row.name for row in deployments_of(endpoint)]
    to = request.POST.get("mirror_name", "")
    before = dict(endpoint.traffic)
    try:
        traffic = {one: _percent(request.POST.get(f"percent_{one}", ""), one) for one in names if f"percent_{one}" in request.POST}
        copied = {to: _percent(request.POST.get("mirror_percent", ""), to)} if to else {}
        services.set_traffic(request.user, endpoint, traffic=traffic, mirror_traffic=copied)
    except ProblemError as error:
        return refused_traffic(request, workspace, endpoint, error)
    messages.success(request, f"Traffic: {shares(before)} becomes {shares(traffic)}.")
    return redirect("endpoints:detail", workspace.name, name)


@require_POST
@workspace_view("contributor")
def delete(request: HttpRequest, workspace: Workspace, name: str) -> HttpResponse:
    """Take an endpoint with all that belongs to it away."""
    endpoint = endpoint_for(workspace, name)

    def act() -> str:
        services.delete_endpoint(request.user, endpoint)
        return f"Endpoint {endpoint.name} is being deleted."

    _tried(request, act)
    return redirect("endpoints:list", workspace.name)


@require_POST
@workspace_view("contributor")
def scale(request: HttpRequest, workspace: Workspace, name: str, deployment: str) -> HttpResponse:
    """Run as many instances as asked for."""

    endpoint = endpoint_for(workspace, name)
    row = deployment_for(endpoint, deployment)
    before = row.instance_count

    def act() -> str:
        count = _whole(request.POST.get("instance_count", ""))
        services.scale_deployment(request.user, row, instance_count=count)
        return f"{row.name} goes from {before} to {count} instance{'' if count == 1 else 's'}."

    _tried(request, act)
    return redirect("endpoints:detail", workspace.name, name)


@require_POST
@workspace_view("contributor")
def roll_back(request: HttpRequest, workspace: Workspace, name: str, deployment: str) -> HttpResponse:
    """Go back to the revision named, or to the last good one before."""
    endpoint = endpoint_for(workspace, name)
    row = deployment_for(endpoint, deployment)

    def act() -> str:
        asked = request.POST.get("revision", "")
        services.roll_back_deployment(request.user, row, number=_whole(asked) if asked else None)
        return f"{row.name} goes back to revision {asked or 'before'}."

    _tried(request, act)
    return redirect("endpoints:detail", workspace.name, name)


@require_POST
@workspace_view("contributor")
def roll_out(request: HttpRequest, workspace: Workspace, name: str, deployment: str) -> HttpResponse:
    """Replace all pods, or try the newest revision once more when it failed."""
    endpoint = endpoint_for(workspace, name)
    row = deployment_for(endpoint, deployment)

    def act() -> str:
        services.roll_out_deployment(request.user, row)
        return f"{row.name} is rolled out again."

    _tried(request, act)
    return redirect("endpoints:detail", workspace.name, name)


@require_POST
@workspace_view("contributor")
def set_retry(request: HttpRequest, workspace: Workspace, name: str, deployment: str) -> HttpResponse:
    """Turn on or off that a lost connection is tried at another replica."""
    endpoint = endpoint_for(workspace, name)
    row = deployment_for(endpoint, deployment)
    on = request.POST.get("to", request.GET.get("to", "")) == "on"

    def act() -> str:
        services.set_retries(request.user, row, on=on)
        return f"Retries of {row.name} are {'on' if on else 'off'}."

    _tried(request, act)
    return redirect("endpoints:detail", workspace.name, name)


@require_POST
@workspace_view("contributor")
def delete_deployment(request: HttpRequest, workspace: Workspace, name: str, deployment: str) -> HttpResponse:
    """Take a deployment away."""
    endpoint = endpoint_for(workspace, name)
    row = deployment_for(endpoint, deployment)

    def act() -> str:
        services.delete_deployment(request.user, row)
        return f"Deployment {row.name} is being deleted."

    _tried(request, act)
    return redirect("endpoints:detail", workspace.name, name)


def shares(traffic: dict[str, int]) -> str:
    """Return how requests are shared in words."""
    return ", ".join(f"{name} {percent} %" for name, percent in sorted(traffic.items()) if percent) or "nobody"


def _percent(text: str, name: str) -> int:
    if not text.strip():
        return 0
    if not text.strip().isdecimal() or len(text) > 9 or int(text) > 100:
        raise ProblemError("field-invalid", field="traffic", text=f"The percent of {name} is a whole number from 0 to 100.")
    return int(text)


def _whole(text: str) -> int:
    if not text.strip().isdecimal() or len(text) > 9:
        raise ProblemError("field-invalid", text="Write a whole number.")
    return int(text)


def _tried(request: HttpRequest, act: Callable[[], str]) -> None:
    """Do it and say what was done, or say why not."""
    try:
        messages.success(request, act())
    except (ProblemError, ProblemList) as error:
        tell(request, error)


def tell(request: HttpRequest, error: ProblemError | ProblemList) -> None:
    """Show problems as notices."""
    found: list[Any] = list(error.errors) if isinstance(error, ProblemList) else [error]
    for one in found:
        messages.error(request, f"{one.title}: {one.text} {one.todo}")
