"""API operations on the extension of a cluster; for operators, as is everything about clusters."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Router

from compute.extension import selectors, services
from compute.extension.models import ExtensionOperation, ExtensionRevision
from compute.models import Cluster
from compute.selectors import cluster_named
from studio.accounts.access import require_operator
from studio.api.bodies import RequestBody
from studio.api.paging import After, Limit, page
from studio.core.errors import ProblemError

router = Router(tags=["extension"])

Answer = dict[str, Any]
PATH = "/clusters/{name}/extension"


class SettingsIn(RequestBody):
    """Settings of the extension: `nodeSelector` and `workLoadToleration` whole, or one key a value (`nodeSelector.disk`)."""

    settings: dict[str, Any]
    # Another studio's release becomes this one's.
    take_over: bool = False


class RollbackIn(RequestBody):
    """The revision to bring back."""

    revision: int


@router.get(PATH)
def show_extension(request: HttpRequest, name: str) -> Answer:
    """Show the extension: settings, state, objects, where the router answers, what is being done."""
    return selectors.shown(_cluster(request, name))


@router.post(PATH, response={202: Answer})
def install_extension(request: HttpRequest, name: str, given: SettingsIn) -> tuple[int, Answer]:
    """Begin to install the extension."""
    cluster = _cluster(request, name)
    begun = services.install_extension(request.user, cluster, settings=given.settings, take_over=given.take_over)
    return 202, selectors.shown_operation(begun)


@router.patch(PATH, response={202: Answer})
def change_extension(request: HttpRequest, name: str, given: SettingsIn) -> tuple[int, Answer]:
    """Begin to change settings; those that are not given stay, an empty value takes one out."""
    cluster = _cluster(request, name)
    begun = services.change_extension(request.user, cluster, settings=given.settings, take_over=given.take_over)
    return 202, selectors.shown_operation(begun)


@router.delete(PATH, response={202: Answer})
def remove_extension(request: HttpRequest, name: str, force: bool = False) -> tuple[int, Answer]:
    """Begin to remove the extension; `force` does so while endpoints need it."""
    return 202, selectors.shown_operation(services.remove_extension(request.user, _cluster(request, name), force=force))


@router.post(PATH + "/check")
def check_settings(request: HttpRequest, name: str, given: SettingsIn) -> Answer:
    """Check settings against the cluster and say what they would change; nothing is touched."""
    cluster = _cluster(request, name)
    wanted, difference = services.preview(cluster, settings=given.settings, take_over=given.take_over)
    return {"settings": wanted, "difference": difference}


@router.post(PATH + "/rollback", response={202: Answer})
def roll_back_extension(request: HttpRequest, name: str, given: RollbackIn) -> tuple[int, Answer]:
    """Begin to bring a revision back."""
    return 202, selectors.shown_operation(services.roll_back_extension(request.user, _cluster(request, name), revision=given.revision))


@router.get(PATH + "/revisions")
def list_revisions(request: HttpRequest, name: str, limit: Limit = 50, after: After = None) -> Answer:
    """List the revisions, the newest first."""
    row = selectors.extension_of(_cluster(request, name))
    rows = ExtensionRevision.objects.filter(extension_id=row.pk).select_related("actor")
    return page(rows, limit=limit, after=after, show=lambda each: selectors.shown_revision(each, current=row.revision), by="-number")


@router.get(PATH + "/revisions/{number}")
def show_revision(request: HttpRequest, name: str, number: int) -> Answer:
    """Show one revision with its rendered objects."""
    cluster = _cluster(request, name)
    return selectors.shown_revision(selectors.revision_of(cluster, number), current=selectors.extension_of(cluster).revision, whole=True)


@router.get(PATH + "/revisions/{number}/difference")
def compare_revisions(request: HttpRequest, name: str, number: int, to: int | None = None) -> HttpResponse:
    """Return how the objects of a revision differ from those of another, or of the one in force, as a unified diff."""
    cluster = _cluster(request, name)
    old = selectors.revision_of(cluster, number)
    new = selectors.revision_of(cluster, to or selectors.extension_of(cluster).revision)
    return HttpResponse(selectors.manifest_difference(old, new), content_type="text/plain; charset=utf-8")


@router.get(PATH + "/operations")
def list_operations(request: HttpRequest, name: str, limit: Limit = 50, after: After = None) -> Answer:
    """List what was done to the extension, the newest first."""
    row = selectors.extension_of(_cluster(request, name))
    rows = ExtensionOperation.objects.filter(extension_id=row.pk).select_related("actor")
    return page(rows, limit=limit, after=after, show=selectors.shown_operation)


@router.get(PATH + "/operations/{id}")
def show_operation(request: HttpRequest, name: str, id: int) -> Answer:
    """Show one operation: its steps, its objects, its end."""
    cluster = _cluster(request, name)
    found = ExtensionOperation.objects.filter(extension__cluster=cluster, pk=id).select_related("actor").first()
    if found is None:
        raise ProblemError("not-found")
    return selectors.shown_operation(found)


def _cluster(request: HttpRequest, name: str) -> Cluster:
    require_operator(request.user)
    return cluster_named(name)
