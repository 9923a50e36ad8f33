"""One search over everything that a person may see: a fixed number of queries, each of which stops early."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db.models import Model as Row
from django.db.models import Q, QuerySet
from django.urls import reverse

from compute.models import Cluster, Compute
from endpoints.models import Endpoint
from jobs.models import Job
from studio.accounts.access import operates, workspaces_of
from studio.accounts.models import Workspace
from studio.assets.models import Model
from studio.core.tones import word_of

# Words beyond these narrow nothing that matters, and each costs a comparison a row.
WORDS = 6
LONGEST = 200
MOST = 20
# Of what grows without end, the newest are searched; anything is found by its whole name, however old.
NEWEST = 20_000
Of = TypeVar("Of", bound=Row)


@dataclass(frozen=True)
class Hit:
    """One thing found: what it is, where it is, and in which state."""

    kind: str
    title: str
    name: str
    url: str
    icon: str
    line: str = ""
    workspace: str = ""
    status: str = ""


def find(user: Any, text: str, *, kinds: Sequence[str] = (), workspace: Workspace | None = None, most: int = 6) -> list[Hit]:
    """Return what is called like `text` among what `user` may see, at most `most` of each kind, the best match first.

    With `workspace` what belongs to others is left out. Without any word there is nothing.
    """
    words = text.lower()[:LONGEST].split()[:WORDS]
    if not words:
        return []
    most = max(1, min(most, MOST))
    spaces = [workspace.pk] if workspace else list(workspaces_of(user).values_list("pk", flat=True))
    found: list[Hit] = []
    for kind, search in KINDS.items():
        if not kinds or kind in kinds:
            found += search(user, spaces, words, most)
    return found


def _jobs(user: Any, spaces: list[int], words: list[str], most: int) -> list[Hit]:
    mine = Job.objects.filter(workspace__in=spaces, deleted_at=None)
    newest = mine.order_by("-pk").values("pk")[:NEWEST]
    like = mine.filter(Q(pk__in=newest) & _all(words, "name", "display_name", "experiment") | Q(name=" ".join(words)))
    fields = ("pk", "name", "display_name", "experiment", "status", "workspace__name")
    rows = _best(like.order_by("-pk").only(*fields).select_related("workspace"), words, most)
    return [
        Hit("job", one.display_name or one.name, one.name, reverse("jobs:detail", args=[one.workspace.name, one.name]), "player-play",
            f"{one.name} · {one.experiment}" if one.display_name else one.experiment, one.workspace.name, one.status)
        for one in rows
    ]  # fmt: skip


def _models(user: Any, spaces: list[int], words: list[str], most: int) -> list[Hit]:
    rows = Model.objects.filter(_all(words, "name", "description"), workspace__in=spaces, archived=False)
    return [
        Hit("model", one.name, one.name, reverse("assets:model", args=[one.workspace.name, one.name]), "cube",
            one.get_type_display(), one.workspace.name)
        for one in _best(rows.order_by("-pk").select_related("workspace"), words, most)
    ]  # fmt: skip


def _endpoints(user: Any, spaces: list[int], words: list[str], most: int) -> list[Hit]:
    rows = Endpoint.objects.filter(_all(words, "name", "description"), workspace__in=spaces)
    return [
        Hit("endpoint", one.name, one.name, reverse("endpoints:detail", args=[one.workspace.name, one.name]), "plug-connected",
            f"on {one.compute_name}", one.workspace.name, one.status)
        for one in _best(rows.order_by("name").select_related("workspace"), words, most)
    ]  # fmt: skip


def _computes(user: Any, spaces: list[int], words: list[str], most: int) -> list[Hit]:
    rows = Compute.objects.filter(_all(words, "name", "description", "cluster__name"), workspace__in=spaces)
    return [
        Hit("compute", one.name, one.name, reverse("compute:browse", args=[one.workspace.name]) + f"#compute-{one.pk}", "cpu",
            f"on {one.cluster.name}", one.workspace.name, one.shown_status)
        for one in _best(rows.order_by("name").select_related("workspace", "cluster"), words, most)
    ]  # fmt: skip


def _clusters(user: Any, spaces: list[int], words: list[str], most: int) -> list[Hit]:
    if not operates(user):
        return []
    rows = Cluster.objects.filter(_all(words, "name", "distribution", "server")).order_by("name")
    return [
        Hit("cluster", one.name, one.name, reverse("compute:cluster", args=[one.name]), "server", one.distribution, status=one.status)
        for one in _best(rows, words, most)
    ]


def _workspaces(user: Any, spaces: list[int], words: list[str], most: int) -> list[Hit]:
    rows = Workspace.objects.filter(_all(words, "name", "display_name"), pk__in=spaces).order_by("name")
    return [
        Hit("workspace", one.display_name or one.name, one.name, reverse("workspace-home", args=[one.name]), "users", one.name, one.name)
        for one in _best(rows, words, most)
    ]


KINDS: dict[str, Callable[[Any, list[int], list[str], int], list[Hit]]] = {
    "job": _jobs,
    "endpoint": _endpoints,
    "model": _models,
    "compute": _computes,
    "cluster": _clusters,
    "workspace": _workspaces,
}
TITLES = {kind: f"{kind.capitalize()}s" for kind in KINDS}


def shown(hit: Hit) -> dict[str, Any]:
    """Return what was found as the API shows it."""
    return {
        "kind": hit.kind,
        "name": hit.name,
        "title": hit.title,
        "workspace": hit.workspace or None,
        "status": hit.status or None,
        "state": word_of(hit.status) if hit.status else None,
        "url": hit.url,
    }


def matches(words: Sequence[str], *texts: str) -> bool:
    """Tell whether every word occurs in one of the texts."""
    whole = " ".join(texts).lower()
    return all(word in whole for word in words)


def _all(words: Iterable[str], *fields: str) -> Q:
    """Return the condition that every word occurs in one of the fields."""
    found = Q()
    for word in words:
        either = Q()
        for field in fields:
            either |= Q(**{f"{field}__icontains": word})
        found &= either
    return found


def _best(rows: QuerySet[Of], words: list[str], most: int) -> list[Of]:
    """Return what is called exactly so first, then what begins so, then the rest in its own order."""
    text = " ".join(words)
    near = list(rows[: most * 4])

    def rank(row: Any) -> int:
        names = {str(getattr(row, field, "")).lower() for field in ("name", "display_name")}
        return 0 if text in names else 1 if any(name.startswith(text) for name in names) else 2

    return sorted(near, key=rank)[:most]
