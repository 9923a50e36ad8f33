"""Which roles the groups of the OpenID provider stand for. Pure.

A rule is `GROUP=admin`, `GROUP=operator` or `GROUP=WORKSPACE:ROLE`. Rules are separated by commas, or one a line: then
groups may hold commas, as distinguished names do. The role is what follows the last `=`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

SITE_ROLES = ("admin", "operator")
RANK = {"reader": 0, "contributor": 1, "owner": 2}
_WORKSPACE = re.compile(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?")


@dataclass(frozen=True)
class Rule:
    """One group and what it gives: a role of the whole studio (`workspace` empty), or one in a workspace."""

    group: str
    workspace: str
    role: str


def rules(text: str) -> tuple[Rule, ...]:
    """Read the rules; raises ValueError that names the one that cannot be read."""
    parts = text.splitlines() if "\n" in text.strip() else text.split(",")
    return tuple(_rule(part.strip()) for part in parts if part.strip())


def _rule(part: str) -> Rule:
    group, equals, given = (word.strip() for word in part.rpartition("="))
    workspace, colon, role = given.rpartition(":")
    fits = role in RANK and _WORKSPACE.fullmatch(workspace) if colon else given in SITE_ROLES
    if not (equals and group and fits):
        raise ValueError(f"GROUP=admin, GROUP=operator or GROUP=WORKSPACE:ROLE (reader, contributor, owner), not {part!r}")
    return Rule(group, workspace, role)


def groups_in(claims: dict[str, Any], name: str) -> frozenset[str]:
    """Return the groups that claims name; a claim of another form names none."""
    given = claims.get(name)
    if isinstance(given, str):
        return frozenset({given} if given else ())
    return frozenset(one for one in given if isinstance(one, str)) if isinstance(given, list) else frozenset()


def wanted(given: Iterable[Rule], groups: frozenset[str]) -> tuple[frozenset[str], dict[str, str]]:
    """Return the roles of the whole studio, and the highest role in each workspace, that these groups stand for."""
    site: set[str] = set()
    spaces: dict[str, str] = {}
    for rule in given:
        if rule.group not in groups:
            continue
        if not rule.workspace:
            site.add(rule.role)
        elif RANK[rule.role] > RANK.get(spaces.get(rule.workspace, ""), -1):
            spaces[rule.workspace] = rule.role
    return frozenset(site), spaces
