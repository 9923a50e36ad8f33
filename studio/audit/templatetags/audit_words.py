"""What the audit's pages call the kinds of object."""

from django import template

register = template.Library()

_WORDS = {
    "apitoken": "token",
    "imagerule": "image rule",
    "instancetype": "instance type",
    "modelversion": "model version",
    "user": "person",
}


@register.filter
def kind_word(kind: str) -> str:
    """Return the word of a kind of object; one that is a word already stays."""
    return _WORDS.get(kind, kind)
