"""IT operations: the extension of a cluster. Settings at the left, what is in the cluster at the right, revisions below."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from compute.extension import selectors, services
from compute.extension.forms import ExtensionForm, initial_of, place_problems, selector_rows, settings_of
from compute.models import Cluster
from compute.router import router_of
from compute.views.frame import cluster_frame, cluster_or_404
from studio.accounts.http import operator_view
from studio.core.errors import MooringError, ProblemError

MAIN = ("Deployment", "Service", "Gateway", "GatewayClass", "SecurityPolicy", "ClientTrafficPolicy", "EnvoyProxy", "Job", "Secret")
ELSEWHERE = "extension-owned-elsewhere"


@operator_view
def extension(request: HttpRequest, name: str) -> HttpResponse:
    """Show the extension with the form of its settings; sent, show what it would do, and then do it."""
    cluster = cluster_or_404(name)
    row = selectors.extension_of(cluster)
    if request.htmx and not request.htmx.boosted and request.method == "GET":  # type: ignore[attr-defined]
        return render(request, "compute/extension/extension.html#live", {"cluster": cluster} | _live(cluster))
    data = request.POST if request.method == "POST" else None
    settings = row.settings or _last_settings(cluster)
    form = ExtensionForm(data, initial=initial_of(settings))
    selector = selector_rows(data, settings)
    problems: list[ProblemError] = []
    # From the review back to the form: what was typed goes along.
    editing = data is not None and data.get("step") == "edit"
    if data is not None and not editing and form.is_valid():
        wanted, take_over = settings_of(form.cleaned_data, selector), bool(form.cleaned_data["takeOver"])
        try:
            if data.get("step") == "apply":
                if row.revision:
                    services.change_extension(request.user, cluster, settings=wanted, merge=False, take_over=take_over)
                else:
                    services.install_extension(request.user, cluster, settings=wanted, take_over=take_over)
                messages.info(request, f"The extension is being {'changed' if row.revision else 'installed'}.")
                return redirect("compute:extension", name=name)
            _, difference = services.preview(cluster, settings=wanted, merge=False, take_over=take_over)
        except MooringError as error:
            problems = place_problems(form, selector, error)
        else:
            context = cluster_frame(cluster, "extension", here="Change the extension" if row.revision else "Install the extension") | {
                "installed": bool(row.revision),
                "difference": _rows(difference),
                "sent": _sent(data),
            }
            return render(request, "compute/extension/review.html", context)
    elsewhere = ELSEWHERE in {row.problem_id, *(each.problem.id for each in problems)} or bool(data and data.get("takeOver"))
    shown = {"form": form, "selector": selector, "problems": problems, "elsewhere": elsewhere, "typed": data is not None}
    context = cluster_frame(cluster, "extension") | _live(cluster) | shown
    return render(request, "compute/extension/extension.html", context, status=422 if not editing and (form.errors or problems) else 200)


@operator_view
def revision(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Show how a revision differs from the one in force, and offer to bring it back."""
    cluster = cluster_or_404(name)
    row = selectors.extension_of(cluster)
    chosen = selectors.revision_of(cluster, number)
    against = request.GET.get("to", "")
    now = selectors.revision_of(cluster, int(against)) if against.isdecimal() and len(against) < 10 else _current(cluster, row.revision)
    lines = selectors.manifest_difference(now, chosen).splitlines() if now else []
    context = cluster_frame(cluster, "extension", here=f"Revision {number}") | {
        "revision": chosen,
        "now": now,
        "extension": row,
        "difference": _rows(services.difference(now.settings if now else {}, chosen.settings)),
        "lines": [{"text": line, "kind": _kind(line)} for line in lines],
        "can_roll_back": chosen.kept and row.revision and row.revision != number,
    }
    return render(request, "compute/extension/revision.html", context)


@operator_view
@require_POST
def rollback(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Bring a revision back."""
    services.roll_back_extension(request.user, cluster_or_404(name), revision=number)
    messages.info(request, f"Revision {number} is being brought back.")
    return redirect("compute:extension", name=name)


@operator_view
def remove(request: HttpRequest, name: str) -> HttpResponse:
    """Say what goes with the extension, ask once, and remove it."""
    cluster = cluster_or_404(name)
    if request.method == "POST":
        services.remove_extension(request.user, cluster, force=bool(request.POST.get("force")))
        messages.info(request, "The extension is being removed.")
        return redirect("compute:extension", name=name)
    context = cluster_frame(cluster, "extension", here="Remove the extension") | {
        "extension": selectors.extension_of(cluster),
        "endpoints": services.routed_on(cluster),
        "router": router_of(cluster),
    }
    return render(request, "compute/extension/remove.html", context)


def _live(cluster: Cluster) -> dict[str, Any]:
    """Return what changes while the page is open."""
    row = selectors.extension_of(cluster)
    operation = selectors.last_operation(row)
    going_on = bool(operation and operation.is_open)
    objects = operation.objects_seen if operation and going_on else row.health
    revisions = row.revisions.select_related("actor")[:20] if row.pk else []
    return {
        "extension": row,
        "operation": operation,
        "going_on": going_on,
        # What no step says: that the cluster or somebody else's Helm is waited for.
        "waits": operation.reason if operation and all(step["text"] != operation.reason for step in operation.steps) else "",
        "router": router_of(cluster),
        "objects": [each for each in objects if each["kind"] in MAIN],
        "others": [each for each in objects if each["kind"] not in MAIN],
        "revisions": revisions,
    }


def _last_settings(cluster: Cluster) -> dict[str, Any]:
    """Return the settings that were asked for last: of an install that failed, or before the extension was removed."""
    operation = selectors.last_operation(selectors.extension_of(cluster))
    return operation.settings if operation else {}


def _current(cluster: Cluster, number: int) -> Any:
    return selectors.revision_of(cluster, number) if number else None


def _rows(difference: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [{"key": key, "old": _word(old), "new": _word(new)} for key, (old, new) in difference.items()]


def _word(value: Any) -> str:
    # As the form and the YAML write it.
    return "not set" if value in ("", None, [], {}) else str(value).lower() if isinstance(value, bool) else str(value)


def _sent(data: Any) -> list[tuple[str, str]]:
    """Return what the form sent, to be sent again with the word that it is meant."""
    return [(key, value) for key, values in data.lists() for value in values if key not in ("csrfmiddlewaretoken", "step")]


def _kind(line: str) -> str:
    if line.startswith(("+++", "---", "@@")):
        return "head"
    return {"+": "new", "-": "old"}.get(line[:1], "")
