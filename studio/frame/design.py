"""What `/ops/design/` shows of the components that come filled by the studio: rows made by hand, only while debugging."""

from datetime import timedelta
from types import SimpleNamespace as Row
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone


def design(request: HttpRequest) -> HttpResponse:
    """Show every component in every state."""
    return render(request, "design.html", {"shown": _shown()})


def _shown() -> dict[str, Any]:
    now = timezone.now()
    kinds = (("good", "circle-check"), ("wrong", "alert-circle"), ("look", "alert-triangle"))
    words = ("Train the classifier completed", "Evaluate on the hold-out set failed", "The certificate of gpu-a ends in 6 days")
    notices = [
        Row(
            pk=0,
            title=title,
            text="After 1 m 12 s on gpu-a." if index < 2 else "",
            at=now - timedelta(minutes=7 * index),
            workspace="vision",
            read_at=now if index == 2 else None,
            what=Row(tone=tone, icon=icon),
        )
        for index, ((tone, icon), title) in enumerate(zip(kinds, words, strict=True))
    ]
    steps = [
        Row(title="Attach a cluster", text="Any Kubernetes from 1.29 on.", done=True, url="", action="", examples=(), command=""),
        Row(
            title="Make an instance type",
            text="What a job may ask for.",
            done=False,
            url="#",
            action="New instance type",
            examples=(),
            command="mooring instance-type create small --cluster gpu-a",
        ),
        Row(title="Give a workspace a compute", text="One namespace for each.", done=False, url="#", action="", examples=(), command=""),
    ]
    guide = Row(name="operators", title="First steps", steps=steps, done=1, total=3, next=steps[1], away=False)
    return {
        "notices": notices,
        "guide": guide,
        "palette": [
            {"title": "Pages", "choices": [Row(title="Jobs", url="#", icon="player-play", line="vision", do="", status="")]},
            {"title": "Jobs", "choices": [Row(title="Baseline", url="#", icon="player-play", line="flowers", do="", status="Completed")]},
            {"title": "Actions", "choices": [Row(title="Theme: dark", url="#", icon="moon", line="", do="theme-dark", status="")]},
        ],
        "list": _list(),
        "yaml": [("", "command: python train.py\ncompute: azureml:gpu\n")],
    }


def _list() -> Row:
    """Return as much of a list as its menus look at: a view that was changed, columns of which one stays."""
    view = Row(name="Failed today", shared=True, opens=True, owner=Row(username="ada"))
    columns = (("name", "Name", True), ("state", "State", False), ("experiment", "Experiment", False))
    return Row(
        table=Row(sorts=True),
        sort_heads=[Row(url="#", sorts=title == "Name", arrow="arrow-up", column=Row(title=title)) for _, title, _ in columns],
        view=view,
        view_changed=True,
        owns_view=True,
        may_share=True,
        may_delete_view=True,
        view_names=["Failed today"],
        view_change_url="#",
        view_save_url="#",
        columns_url="#",
        csv_url="#",
        csv_most=100_000,
        query="",
        workspace=None,
        dense=False,
        shared_address="?state=Failed",
        view_links=[Row(url="#", active=True, mine=True, view=view)],
        column_boxes=[Row(column=Row(key=key, title=title), on=True, fixed=fixed) for key, title, fixed in columns],
    )
