"""The command palette and the search page: pages, actions and objects that fit what was typed."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from studio.accounts.access import workspaces_of
from studio.accounts.http import person_view
from studio.accounts.models import Workspace
from studio.frame.places import actions, groups
from studio.frame.search import LONGEST, TITLES, WORDS, find, matches


@dataclass(frozen=True)
class Choice:
    """One line of the palette."""

    title: str
    icon: str
    url: str = ""
    do: str = ""
    line: str = ""
    status: str = ""


@require_GET
@person_view
def search(request: HttpRequest) -> HttpResponse:
    """Answer the palette's lines for what was typed, or the same as a page of its own."""
    text = request.GET.get("q", "").strip()[:LONGEST]
    options = "options" in request.GET
    sections = _sections(request, text, options=options)
    context = {"q": text, "sections": sections, "count": sum(len(section["choices"]) for section in sections), "here": "Search"}
    return render(request, "search/options.html" if options else "search/page.html", context)


def _sections(request: HttpRequest, text: str, *, options: bool) -> list[dict[str, Any]]:
    user: Any = request.user
    words = text.lower().split()[:WORDS]
    workspace = _workspace_of(request)
    sections = []
    for group in groups(user, workspace):
        fit = [one for one in group.places if matches(words, one.title, one.words, group.title)]
        sections.append((group.title, [Choice(one.title, one.icon, one.url) for one in fit]))
    # What only the page itself can do has no place on a page that works without scripts.
    able = [one for one in actions(user, workspace) if options or one.url]
    fit_actions = [one for one in able if matches(words, one.title, one.words)]
    sections.insert(0 if not words else len(sections), ("Actions", [Choice(one.title, one.icon, one.url, one.do) for one in fit_actions]))
    objects: dict[str, list[Choice]] = {}
    for hit in find(user, text):
        elsewhere = hit.workspace if workspace is None or hit.workspace != workspace.name else ""
        line = " · ".join(part for part in (hit.line, elsewhere) if part)
        objects.setdefault(TITLES[hit.kind], []).append(Choice(hit.title, hit.icon, hit.url, line=line, status=hit.status))
    # Who types the name of a page wants the page.
    asked = any(one.title.lower().startswith(text.lower()) for _, choices in sections for one in choices)
    named = [*sections, *objects.items()] if asked or not words else [*objects.items(), *sections]
    return [{"title": title, "choices": choices} for title, choices in named if choices]


def _workspace_of(request: HttpRequest) -> Workspace | None:
    """Return the workspace of the page that asks, else the one used last; only one that the person may see."""
    mine = workspaces_of(request.user)  # type: ignore[arg-type]
    asked = request.GET.get("workspace") or request.session.get("workspace", "")
    return mine.filter(name=asked).first() or mine.first()
