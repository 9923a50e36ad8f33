"""Every change leaves an entry: asked of each address that is not only looked at, and of each service function."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from studio.audit.models import Entry
from tests.access_asked import BODIES, asked, everything, filled
from tests.access_table import TABLE
from tests.conftest import People

__all__ = ["everything"]
pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parents[3]
_WRITES = re.compile(r'\s*(?:INSERT(?: OR IGNORE)? INTO|UPDATE|DELETE FROM)\s+"?(\w+)"?', re.IGNORECASE)
# What is written without anybody having changed anything: sessions, which columns, theme and time zone somebody likes, which view
# they look with, which guide they have put away, the log itself, what the studio calls itself in clusters, and content that nothing refers to yet.
NO_CHANGE = {
    *("django_session", "usersessions_usersession", "tables_tablechoice", "tables_savedview_opens_for", "signin_preferences", "frame_putaway"),
    *("audit_entry", "compute_studioidentity", "assets_blob", "assets_snapshot"),
}
# Pages that show and take a form at one address, filled in so that they do something.
FORMS: dict[str, dict[str, Any]] = {
    "ops/images/": {"pattern": "busybox:*", "image": "registry/busybox:1"},
    "ops/clusters/<slug:name>/edit/": {"name": "another"},
    "ops/clusters/<slug:name>/detach/": {"confirm": "yes"},
    "ops/clusters/<slug:name>/network/way-out/": {"http_proxy": "http://proxy:3128", "ca_with_system": ""},
    "ops/clusters/<slug:name>/computes/<slug:space>/<slug:compute>/detach/": {},
    "w/<slug:workspace>/models/<str:name>/edit/": {"description": "new"},
}
# Functions that take who asks and change nothing.
LOOKS = {
    "may_delete": "tells whether a view may be deleted",
    "open_with": "remembers which view somebody looks with",
    "look_before_attach": "asks a cluster what attaching would ask, and keeps nothing",
}


def writes_of(client: Client, method: str, pattern: str, values: dict[str, str]) -> tuple[set[str], int, int]:
    """Return the tables that a request wrote to, how many entries it left, and its status; all of it is taken back."""
    tables: set[str] = set()

    def note(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        result = execute(sql, *rest)
        found = _WRITES.match(sql)
        # A compare-and-set that found nothing to change changed nothing.
        if found and (sql.lstrip().startswith("INSERT") or rest[-1]["cursor"].rowcount != 0):
            tables.add(found[1])
        return result

    before = Entry.objects.count()
    with transaction.atomic():
        with connection.execute_wrapper(note):
            if pattern in FORMS:
                answer = client.post(filled(pattern, values), FORMS[pattern])
            else:
                answer = asked(client, method, filled(pattern, values), BODIES.get((method, pattern), {}))
        left = Entry.objects.count() - before
        transaction.set_rollback(True)
    return tables - NO_CHANGE, left, answer.status_code


def test_every_address_that_changes_something_leaves_an_entry(
    people: People, everything: dict[str, str], client_for: Callable[..., Client]
) -> None:
    client = client_for(people.admin)
    silent, changed = [], set()
    for method, pattern in [*((m, p) for m, p in TABLE if m not in {"GET", "HEAD"}), *(("POST", p) for p in FORMS)]:
        tables, left, status = writes_of(client, method, pattern, everything)
        if tables and not left:
            silent.append(f"{method} {pattern} ({status}) wrote to {sorted(tables)}")
        if tables and left:
            changed.add((method, pattern))
    assert FORMS.keys() <= {pattern for _, pattern in changed}
    assert silent == [], silent
    assert len(changed) >= 35, "the walk changes too little to show anything"


def test_every_service_that_takes_who_asks_records(db: None) -> None:
    # Only what is handed the actor can record for it: calls of other functions lead nowhere.
    functions = {name: found for path in sources() for name, found in functions_of(path).items()}
    actors = {name for name, (first, _) in functions.items() if first and not name.startswith("_")}
    records = {"record", "write"}
    while more := {name for name, (_, calls) in functions.items() if name not in records and calls & records}:
        records |= more
    assert len(actors) > 30, "no services were found"
    assert actors - records - LOOKS.keys() == set(), "these take an actor and reach no record()"
    assert LOOKS.keys() <= actors - records, "these are gone, or record by now"


def sources() -> list[Path]:
    return [path for folder in ("studio", "compute", "jobs", "endpoints") for path in (ROOT / folder).rglob("*.py") if "migrations" not in path.parts]


def functions_of(path: Path) -> dict[str, tuple[bool, set[str]]]:
    """Return a module's functions that take an actor: whether it comes first, and the names that each calls."""
    found = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            arguments = [one.arg for one in [*node.args.args, *node.args.kwonlyargs]]
            calls = {
                call.func.id if isinstance(call.func, ast.Name) else call.func.attr
                for call in ast.walk(node)
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Name | ast.Attribute)
            }
            if "actor" in arguments:
                found[node.name] = (arguments[0] == "actor", calls)
    return found
