"""What came with the wizard's forms, and what they offer to choose from."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest

from compute.router import Router, routers_of
from compute.selectors import computes_of
from endpoints import spec
from endpoints.forms import PLAIN, Draft
from jobs.forms import Pair
from jobs.views.choices import called
from studio.accounts.models import Workspace
from studio.assets.registry.selectors import versions_of
from studio.assets.sent import PACKED, digest_held, snapshot_sent
from studio.core.errors import ProblemError
from studio.core.texts import read_json

MOST_ROWS = 500
MOST_VERSIONS = 300

Choices = list[tuple[str, str]]


def draft_from_post(request: HttpRequest, workspace: Workspace, problems: list[ProblemError]) -> Draft:
    """Return what was typed and sent with the form; what is wrong with the files is added to `problems`."""
    post = request.POST
    draft = Draft(
        fields={name: post.get(name, "") for name in PLAIN},
        variables=_pairs(request, "env"),
        code=digest_held(workspace, post.get("code_kept", "")),
        code_path=post.get("code_path", "")[:1000],
        model=digest_held(workspace, post.get("model_kept", "")),
        endpoint_rest=mapping(post.get("endpoint_rest", "")),
        deployment_rest=mapping(post.get("deployment_rest", "")),
    )
    sent = snapshot_sent(request, workspace, "code", problems)
    draft.code = sent.digest if sent else draft.code
    return draft


def mapping(text: str) -> dict[str, Any]:
    """Return the mapping that a hidden field carries."""
    try:
        value = read_json(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def names_archive(text: str) -> bool:
    """Tell whether the YAML's model is an archive itself: then a packed file that came for it is left packed."""
    try:
        model = spec.load_deployment(text).model.model
    except spec.SpecError:
        return False
    return isinstance(model, spec.InlineModel) and model.base_name.lower().endswith(PACKED)


def compute_choices(workspace: Workspace, chosen: str = "") -> Choices:
    """Return the computes as choices, those whose router answers first; the others say why not."""
    found: list[tuple[tuple[bool, bool, str], str, str]] = []
    computes = list(computes_of(workspace))
    routers = routers_of(compute.cluster_id for compute in computes)
    for compute in computes:
        router = routers[compute.cluster_id]
        rank = (not (router.ready and compute.usable), not router.installed, compute.name)
        found.append((rank, compute.name, f"{called(compute)}{_why_not(compute, router)}"))
    choices = [(name, words) for _, name, words in sorted(found)]
    if chosen and chosen not in dict(choices):
        choices.append((chosen, f"{chosen} (not there)"))
    return choices


def _why_not(compute: Any, router: Router) -> str:
    if not router.installed:
        return " (its cluster has no router: the extension with inference is not installed)"
    if not compute.usable:
        return f" ({compute.get_status_display().lower()})"
    return "" if router.ready else " (its router does not answer yet)"


def model_choices(workspace: Workspace, chosen: str = "") -> Choices:
    """Return the registered versions as choices, the newest first."""
    rows = versions_of(workspace).select_related(None).select_related("model").filter(archived=False, model__archived=False)
    rows = rows.order_by("-id")[:MOST_VERSIONS]
    found = [("", "None: the code or the container brings its own"), *((row.name, _words(row)) for row in rows)]
    if chosen and chosen not in dict(found):
        found.append((chosen, f"{chosen} (not there)" if "@" not in chosen else chosen))
    return found


def _words(row: Any) -> str:
    parts = [row.name, row.model.get_type_display(), f"from job {row.job_name}" if row.job_name else ""]
    return " · ".join(part for part in parts if part)


def newest_model(workspace: Workspace) -> str:
    """Return the newest version that can be used, as the form names it; nothing when there is none."""
    row = versions_of(workspace).filter(archived=False, model__archived=False).order_by("-id").first()
    return row.name if row else ""


def with_defaults(workspace: Workspace, draft: Draft, asked: Mapping[str, Any], image: str) -> Draft:
    """Fill in what need not be chosen: the first compute that answers, the newest model, an image, a script's name."""
    choices = [name for name, _ in compute_choices(workspace)]
    wanted = asked.get("compute")
    defaults = {
        "compute": wanted if wanted in choices else next(iter(choices), ""),
        "model": str(asked.get("model") or "") or newest_model(workspace),
        "deployment": "blue",
        "runs": "script",
        "scoring_script": "score.py",
        "image": image,
        "scoring_port": "5001",
        "count": "1",
        "all_traffic": "on",
    }
    draft.fields = {**defaults, **{key: value for key, value in draft.fields.items() if value}}
    return draft


def _pairs(request: HttpRequest, name: str) -> list[Pair]:
    keys, values = request.POST.getlist(f"{name}_key"), request.POST.getlist(f"{name}_value")
    pairs = [Pair(key.strip(), value) for key, value in zip(keys, values, strict=False)][:MOST_ROWS]
    return [pair for pair in pairs if pair.key or pair.value]
