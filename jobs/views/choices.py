"""What the form offers to choose from: computes, instance types with what fits now, images."""

from compute.models import Compute
from compute.selectors import computes_of, default_type, fits, types_of
from jobs.forms import DEFAULT_IMAGE
from studio.accounts.models import Workspace
from studio.assets.models import ImageRule
from studio.assets.services import image_for

Choices = list[tuple[str, str]]


def usable_computes(workspace: Workspace) -> list[Compute]:
    """Return the computes that take jobs now, those whose cluster answers first."""
    found = [compute for compute in computes_of(workspace) if compute.usable]
    return sorted(found, key=lambda compute: (compute.shown_status != "ready", compute.name))


def called(compute: Compute) -> str:
    """Return a compute's name as a choice has it: with the word for one that is invented, where no label can stand."""
    return f"{compute.name} · simulated" if compute.cluster.simulated else compute.name


def compute_choices(workspace: Workspace, chosen: str = "") -> Choices:
    """Return the computes as choices; those that take no jobs now say why, and what was typed stays chosen."""
    found = []
    for compute in computes_of(workspace):
        state = "" if compute.shown_status == "ready" else f" ({compute.get_status_display().lower()})"
        found.append((compute.name, f"{called(compute)}{state}"))
    if chosen and chosen not in dict(found):
        found.append((chosen, f"{chosen} (not there)"))
    return found


def type_choices(workspace: Workspace, compute: str, chosen: str = "") -> Choices:
    """Return the instance types of a compute: size, and how many fit now."""
    row = computes_of(workspace).filter(name=compute).first()
    if row is None:
        return [(chosen, chosen or "The compute's default")]
    types = types_of(row.cluster)
    counts = fits(row)
    default = default_type(row, types)
    found = []
    for name, each in types.items():
        if each.problem:
            continue
        fit = counts.get(name)
        now = f"{fit.count} fit now" if fit and fit.count != 1 else "1 fits now" if fit else ""
        parts = [name, each.size, now if fit and fit.count else "none fits now"]
        found.append((name, " · ".join(part for part in parts if part) + (" · default" if name == default else "")))
    found.sort(key=lambda pair: pair[0] != default)
    if chosen and chosen not in dict(found):
        found.append((chosen, f"{chosen} (not there)"))
    return found


def default_image() -> str:
    """Return the image that the form starts with: the usual Python, or what this studio has for the first rule."""
    if image_for(DEFAULT_IMAGE):
        return DEFAULT_IMAGE
    plain = next((rule.pattern for rule in ImageRule.objects.all() if "*" not in rule.pattern and "python" in rule.pattern), "")
    return plain or DEFAULT_IMAGE


def image_names() -> list[str]:
    """Return names of images to propose: those that rules name without a wildcard, and the images themselves."""
    names: dict[str, None] = {DEFAULT_IMAGE: None}
    for rule in ImageRule.objects.all()[:100]:
        if "*" not in rule.pattern:
            names[rule.pattern] = None
        names[rule.image] = None
    return list(names)
