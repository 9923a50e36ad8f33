"""Where an entry's object can be looked at: each app registers its kinds; what is gone has no address."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from typing import Any

from studio.accounts.access import workspaces_of
from studio.audit.models import Entry

# Given ids of rows, the addresses of those that are still there.
Find = Callable[[Collection[str]], dict[str, str]]
OBJECTS: dict[str, Find] = {}
# People, invitations and everyone's tokens.
_OF_ADMINISTRATORS = "/ops/access/"


def register_object(kind: str, find: Find) -> None:
    """Let entries about objects of `kind` lead to them."""
    OBJECTS[kind] = find


def links_of(user: Any, entries: Iterable[Entry]) -> dict[int, str]:
    """Return the addresses of the entries' objects that `user` may open: one query a kind."""
    ids: dict[str, set[str]] = defaultdict(set)
    rows = list(entries)
    for entry in rows:
        if entry.target_id.isdecimal():
            ids[entry.target_kind].add(entry.target_id)
    found = {kind: OBJECTS[kind](wanted) for kind, wanted in ids.items() if kind in OBJECTS}
    mine = set(workspaces_of(user).values_list("name", flat=True))
    links = {entry.pk: url for entry in rows if (url := found.get(entry.target_kind, {}).get(entry.target_id))}
    return {pk: url for pk, url in links.items() if _may_open(user, url, mine)}


def _may_open(user: Any, url: str, mine: Collection[str]) -> bool:
    if url.startswith("/w/"):
        return url.split("/")[2] in mine
    if url.startswith(_OF_ADMINISTRATORS):
        return bool(user.is_admin)
    return bool(user.is_operator or user.is_admin)
