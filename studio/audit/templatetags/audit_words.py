"""What the audit calls the kinds of object: entries keep the names of tables, or words of an address."""

from collections.abc import Iterable

from django import template

register = template.Library()

_WORDS = {
    "apitoken": "token",
    "imagerule": "image rule",
    "instancetype": "instance type",
    "modelversion": "model version",
    "savedview": "view",
    "user": "person",
}


@register.filter
def kind_word(kind: str) -> str:
    """Return the word of a kind of object, for people; one that is a word already stays."""
    return _WORDS.get(kind, kind.replace("-", " "))


def kind_name(kind: str) -> str:
    """Return what the API and the command line call a kind, as `token` or `image-rule`; a person is a `user` there."""
    return kind if kind == "user" else kind_word(kind).replace(" ", "-")


def kinds_named(names: Iterable[str]) -> set[str]:
    """Return the kinds as entries keep them that are meant by names or words."""
    wanted = {name.replace("-", " ") for name in names}
    return wanted.union(*({kind, word} for kind, word in _WORDS.items() if {kind, word} & wanted))
