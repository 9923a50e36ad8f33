"""The picture of a cluster: one rectangle a node, filled by what runs, coloured by whose it is. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

# Colours of the style sheet's tones, given to workspaces in the order of their names; others are quiet.
COLOURS = ("var(--m-moving)", "var(--m-good)", "var(--m-look)", "#8a63d2", "#0f9ba8", "#c2528b")
OTHERS = "var(--m-neutral)"
WIDTH, HEIGHT = 100.0, 40.0
MOST = 48
TONES = ("wrong", "look", "good")


@dataclass(frozen=True)
class Slice:
    """Draw one owner's share of a node."""

    x: str
    width: str
    colour: str
    words: str


@dataclass(frozen=True)
class Drawn:
    """Draw one node."""

    name: str
    tone: str
    words: str
    share: int
    slices: list[Slice] = field(default_factory=list)


@dataclass(frozen=True)
class Picture:
    """Draw a cluster, with what the colours mean; of very many nodes (`count`) those that are looked for first."""

    nodes: list[Drawn]
    legend: list[dict[str, str]]
    count: int = 0


def draw_nodes(nodes: Iterable[Any]) -> Picture:
    """Return the picture: each node is filled by the scarcest of CPU, memory and GPU that each owner asked for.

    Of more than MOST nodes those that take no pods and the fullest are drawn.
    """
    nodes = list(nodes)
    workspaces = sorted({part["owner"] for node in nodes for part in node.runs if part["kind"] == "workspace"})
    colours = {name: COLOURS[index % len(COLOURS)] for index, name in enumerate(workspaces)}
    legend = [{"name": name, "colour": colour} for name, colour in colours.items()]
    if any(part["kind"] != "workspace" for node in nodes for part in node.runs):
        legend.append({"name": "everything else", "colour": OTHERS})
    drawn = [_drawn(node, colours) for node in nodes]
    if len(drawn) > MOST:
        drawn.sort(key=lambda one: (TONES.index(one.tone), -one.share))
    return Picture(drawn[:MOST], legend, len(drawn))


def _drawn(node: Any, colours: dict[str, str]) -> Drawn:
    dimension = max(("cpu", "memory", "gpu"), key=lambda name: _share(node.requested.get(name, 0), node.allocatable.get(name, 0)))
    most = node.allocatable.get(dimension, 0)
    slices, at = [], 0.0
    for part in node.runs:
        width = _share(part[dimension], most) * WIDTH
        if width <= 0:
            continue
        width = min(width, WIDTH - at)
        colour = colours.get(part["owner"], OTHERS) if part["kind"] == "workspace" else OTHERS
        words = f"{part['owner']}: {part['pods']} pods"
        slices.append(Slice(f"{at:.2f}", f"{max(width, 0.6):.2f}", colour, words))
        at += width
    share = round(_share(node.requested.get(dimension, 0), most) * 100)
    if not node.ready:
        return Drawn(node.name, "wrong", "not ready", share, slices)
    if not node.schedulable:
        return Drawn(node.name, "look", "cordoned", share, slices)
    label = {"cpu": "CPU", "memory": "memory", "gpu": "GPU"}[dimension]
    return Drawn(node.name, "good", f"{share} % of {label} taken", share, slices)


def _share(part: float, whole: float) -> float:
    return min(part / whole, 1.0) if whole else 0.0
