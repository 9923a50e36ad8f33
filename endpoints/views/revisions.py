"""What a deployment's pods ran and run: its revisions, how each ended, and what differs between two."""

import difflib
from typing import Any

import yaml
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from endpoints.models import Deployment, DeploymentStatus, Endpoint, Revision, RevisionStatus
from endpoints.selectors import deployments_of, endpoint_for, problem_of
from endpoints.views.parts import endpoint_page, link, may_act
from studio.accounts.http import workspace_view
from studio.accounts.models import Workspace
from studio.core.templatetags.mooring import confirm


@require_GET
@workspace_view("reader")
def revisions(request: HttpRequest, workspace: Workspace, name: str) -> HttpResponse:
    """Show the revisions of a deployment, and with `?from=&to=` what differs between two."""
    endpoint = endpoint_for(workspace, name)
    rows = deployments_of(endpoint)
    asked = request.GET.get("deployment", "")
    deployment = next((row for row in rows if row.name == asked), next(iter(rows), None))
    found = list(deployment.revisions.select_related("created_by")) if deployment else []
    acts = may_act(workspace)
    context: dict[str, Any] = {
        "deployment": deployment,
        "choices": [
            {"title": row.name, "url": link("revisions", endpoint, deployment=row.name), "active": row == deployment} for row in rows
        ],
        "rows": [_row(endpoint, deployment, one, found, acts=acts) for one in found if deployment],
        "numbers": [one.number for one in found],
    }
    context |= _difference(request, found)
    return endpoint_page(request, "endpoints/revisions.html", workspace, endpoint, "revisions", context)


def _row(endpoint: Endpoint, deployment: Deployment, one: Revision, all_of_them: list[Revision], *, acts: bool) -> dict[str, Any]:
    serves = one.pk == deployment.current_id
    before = next((other for other in all_of_them if other.number < one.number), None)
    may = acts and not serves and one.status == RevisionStatus.GOOD and deployment.status != DeploymentStatus.DELETING
    text = "Its pods are started beside those that serve now; requests move when they are ready."
    return {
        "revision": one,
        "serves": serves,
        "wanted": one.pk == deployment.wanted_id and not serves,
        "summary": _summary(one.spec, before.spec if before else {}),
        "problem": problem_of(one) if one.status == RevisionStatus.FAILED else None,
        "evidence": evidence_text(one.evidence),
        "difference_url": (
            link("revisions", endpoint, deployment=deployment.name, **{"from": str(before.number), "to": str(one.number)}) if before else ""
        ),
        "back": (
            {
                "url": link("roll-back", endpoint, deployment.name),
                "confirm": confirm(title=f"Roll back {deployment.name} to revision {one.number}", text=text, verb="Roll back"),
            }
            if may
            else None
        ),
    }


def _summary(spec: dict[str, Any], before: dict[str, Any]) -> str:
    """Return what is new in a revision in a few words."""
    if not before:
        return "the first one"
    changed = [key.replace("_", " ") for key in sorted(set(spec) | set(before)) if spec.get(key) != before.get(key)]
    return ", ".join(changed) or "nothing"


def _difference(request: HttpRequest, found: list[Revision]) -> dict[str, Any]:
    one, other = (next((row for row in found if str(row.number) == request.GET.get(key)), None) for key in ("from", "to"))
    if one is None or other is None or one == other:
        return {"difference": None}
    lines = difflib.unified_diff(_written(one.spec), _written(other.spec), lineterm="", n=3)
    marked = [{"text": line, "kind": {"+": "added", "-": "removed", "@": "place"}.get(line[:1], "")} for line in lines][2:]
    return {"difference": {"from": one.number, "to": other.number, "lines": marked}}


def _written(spec: dict[str, Any]) -> list[str]:
    return str(yaml.safe_dump(spec, sort_keys=True, allow_unicode=True, width=110)).splitlines()


def evidence_text(evidence: dict[str, Any]) -> str:
    """Return what was kept of a failure as text: each pod with its conditions, events and last lines."""
    return "\n\n".join("\n".join(_pod_lines(pod)) for pod in evidence.get("pods") or [])


def _pod_lines(pod: dict[str, Any]) -> list[str]:
    lines = [f"Pod {pod.get('name', '')} on {pod.get('node') or 'no node'}: {pod.get('phase', '')}"]
    for one in pod.get("conditions") or []:
        said = " ".join(str(one.get(key)) for key in ("reason", "message") if one.get(key))
        lines.append(f"  {one.get('type')}: {one.get('status')} {said}".rstrip())
    for one in pod.get("events") or []:
        times = f" × {one['count']}" if (one.get("count") or 1) > 1 else ""
        lines.append(f"  {one.get('at', '')} {one.get('reason', '')}{times}: {one.get('message', '')}")
    log = pod.get("log") or {}
    if log.get("text"):
        lines += ["", f"Last lines of {log.get('container', '')}", str(log["text"]).rstrip()]
    return lines
