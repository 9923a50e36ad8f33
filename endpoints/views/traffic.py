"""How an endpoint's requests are shared, drawn as one bar: pure, of rows that are at hand."""

from collections.abc import Iterable
from typing import Any

from endpoints.models import Deployment, Endpoint

# Classes of the style sheet; a ninth deployment has the first's colour again, with its name beside it.
COLOURS = 8


def parts_of(endpoint: Endpoint, deployments: Iterable[Deployment]) -> list[dict[str, Any]]:
    """Return the deployments in order, each with its share, its copies and its colour."""
    rows = sorted(deployments, key=lambda row: row.name)
    return [
        {
            "name": row.name,
            "percent": int(endpoint.traffic.get(row.name, 0)),
            "mirror": int(endpoint.mirror_traffic.get(row.name, 0)),
            "colour": f"share-{index % COLOURS}",
            "status": row.status,
        }
        for index, row in enumerate(rows)
    ]


def bar_of(endpoint: Endpoint, deployments: Iterable[Deployment]) -> dict[str, Any]:
    """Return the little bar of a list: its parts with their places, and the same in words."""
    parts = parts_of(endpoint, deployments)
    at = 0
    shown = []
    for part in parts:
        if part["percent"]:
            shown.append({**part, "x": at, "width": part["percent"]})
            at += part["percent"]
    words = ", ".join(f"{part['name']} {part['percent']} %" for part in shown)
    return {"parts": shown, "words": words or "no traffic", "names": [part["name"] for part in parts]}
