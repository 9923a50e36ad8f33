"""Draw a tree of files. In code, not as a template: of two thousand files a template took a fifth of a second."""

from collections.abc import Iterator

from django import template
from django.utils.html import escape
from django.utils.safestring import SafeString

from studio.assets.browsing import Branch
from studio.core import numbers
from studio.core.templatetags.mooring import icon

register = template.Library()


@register.simple_tag
def entries(branch: Branch) -> SafeString:
    """Return one folder's entries, and those of the folders in it, as items of a list; all names and addresses are escaped."""
    return SafeString("".join(_items(branch)))


def _items(branch: Branch) -> Iterator[str]:
    for folder in branch.branches:
        held = f"{numbers.count(folder.count)} file{'s' if folder.count != 1 else ''} · {numbers.filesize(folder.size)}"
        yield f"<li><details{' open' if folder.open else ''}><summary>{icon('folder')}{_named(folder.name, held)}</summary><ul>"
        yield from _items(folder)
        yield "</ul></details></li>"
    for file in branch.files:
        current = ' aria-current="true"' if file.active else ""
        drawn = f"{icon(file.icon)}{_named(file.name, numbers.filesize(file.size))}"
        yield f'<li><a href="{escape(file.url)}"{current} title="{escape(file.name)}">{drawn}</a></li>'


def _named(name: str, size: str) -> str:
    return f'<span class="truncate">{escape(name)}</span><span class="num">{size}</span>'
