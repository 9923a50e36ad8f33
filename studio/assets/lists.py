"""The list of rules for images, declared."""

from collections.abc import Sequence

from django.urls import reverse

from studio.assets.models import ImageRule
from studio.core.templatetags.mooring import confirm
from studio.tables.declared import Column, Line, Table, register_table

IMAGE_RULES = register_table(
    Table(
        key="image-rules",
        noun="rule",
        whose="operator",
        icon="stack-2",
        empty="Every image is pulled under the name that the job gives. Curated environments of the original (azureml:…) need a rule each.",
        columns=(
            Column("pattern", "Name asked for", sort="pattern", css="mono"),
            Column("position", "Order", sort="position", number=True),
            Column("image", "Image that runs", sort="image", css="mono"),
            Column("note", "Note"),
            Column("created_at", "Made", sort="id", shown=False),
        ),
        sort="position",
        search=("pattern", "image", "note"),
        placeholder="Name, image or note",
    )
)


def rule_lines(rules: Sequence[ImageRule]) -> list[Line]:
    """Return rules as lines."""
    text = "Jobs that ask for this name will pull it as it is."
    found = []
    for rule in rules:
        asks = confirm(title="Remove this rule", text=text, verb="Remove rule", goes=[rule])
        link = {"title": "Remove", "icon": "trash", "post": reverse("assets:delete-image-rule", args=[rule.pk]), "danger": True}
        found.append(Line(row=rule, id=f"rule-{rule.pk}", title=rule.pattern, links=[{**link, "confirm": asks}]))
    return found
